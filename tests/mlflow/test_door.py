"""Who comes in at the port: nobody without the token, from no other host, to nothing but MLflow's protocol (★)."""

from __future__ import annotations

import http.client
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from jupyter_aml.mlflow.routes import ROUTES
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service
from tests.mlflow.conftest import Job, Wire


def ask(uri: str, token: str | None, **headers: str) -> httpx.Response:
    sent = {"Authorization": f"Bearer {token}"} if token is not None else {}
    target = f"{uri}/api/2.0/mlflow/experiments/get?experiment_id=0"
    return httpx.get(target, headers={**sent, **headers}, trust_env=False)


def test_without_a_token_every_endpoint_is_closed(uri: str) -> None:
    for route in ROUTES:
        for root in ("api/2.0", "ajax-api/2.0", "api/3.0"):
            answer = httpx.request(route.method, f"{uri}/{root}/{route.path}", trust_env=False)
            assert answer.status_code == 401, route
            assert answer.json()["error_code"] == "UNAUTHENTICATED"


def test_only_the_very_token_counts(uri: str) -> None:
    good = os.environ["MLFLOW_TRACKING_TOKEN"]
    assert ask(uri, good).status_code == 200
    for bad in ("x", good[:-1], good + "a", good.upper(), f"x {good}", f"{good} x"):
        assert ask(uri, bad).status_code in (400, 401), bad
    assert ask(uri, None, Authorization=f"Basic {good}").status_code == 401
    assert httpx.get(f"{uri}/api/2.0/mlflow/experiments/get?experiment_id=0&token={good}").status_code == 401


def test_mlflow_s_token_is_not_the_owner_s(uri: str, workspace: Workspace) -> None:
    """MLflow sends its token to whatever server it is pointed at: it must open nothing but MLflow's protocol."""
    folder = workspace.client.location.folder
    token = os.environ["MLFLOW_TRACKING_TOKEN"]
    assert token != folder.token.read_text() and token not in folder.service_log.read_text()
    transport = httpx.HTTPTransport(uds=str(folder.run / "service.sock"))
    with httpx.Client(
        transport=transport, base_url="http://aml", headers={"Authorization": f"Bearer {token}"}
    ) as client:
        for path in (
            "/api/v1/handshake",
            "/api/v1/runs/search",
            "/mlflow",
            "//mlflow/",
            "/mlflowx/",
            "/MLFLOW/",
        ):
            assert client.get(path).status_code == 401, path
        assert client.get("/mlflow/health").status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "0.0.0.0",
        "",
        "localhost.evil",
    ],
)
def test_a_foreign_host_is_turned_away(uri: str, host: str) -> None:
    answer = ask(uri, os.environ["MLFLOW_TRACKING_TOKEN"], Host=host)
    assert answer.status_code in (400, 403)
    assert (
        ask(uri, os.environ["MLFLOW_TRACKING_TOKEN"], Host=f"localhost:{urlsplit(uri).port}").status_code
        == 200
    )


def test_the_port_is_this_machine_s_alone(uri: str) -> None:
    port = urlsplit(uri).port
    assert uri.startswith("http://127.0.0.1:") and port
    found = [
        line.split()[1:4:2]
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()
    ]
    listening = [address for address, state in found if state == "0A" and address.endswith(f":{port:04X}")]
    assert listening == [f"0100007F:{port:04X}"]


def test_no_answer_is_anything_to_a_browser(wire: Wire) -> None:
    for answer in (
        wire.http.get("/health"),
        wire.http.get("/nothing"),
        wire.http.options("/api/2.0/mlflow/runs/get"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"x"', b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000, b'{"name": "\\ud800"}',
             b'{"name": ' + b"9" * 5000 + b"}", b'{"value": 1e999}'],
)  # fmt: skip
def test_a_body_that_is_no_strict_json_is_refused_in_mlflow_s_form(wire: Wire, body: bytes) -> None:
    answer = wire.http.post("/api/2.0/mlflow/experiments/create", content=body)
    assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_body_over_the_limit_is_not_read(uri: str) -> None:
    parts = urlsplit(uri)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
    connection.putrequest("POST", "/mlflow/api/2.0/mlflow/runs/log-batch")
    connection.putheader("Authorization", f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}")
    connection.putheader("Content-Length", str(2**40))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    connection.close()


def test_inside_a_job_the_uri_is_the_job_s_own(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AML_WORKSPACE", "AML_TOKEN", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.setenv(name, job.environment[name])
    inside = Workspace.default()
    assert inside.get_mlflow_tracking_uri() == job.environment["MLFLOW_TRACKING_URI"]
    assert os.environ["MLFLOW_TRACKING_TOKEN"] == job.environment["AML_TOKEN"]


def test_a_service_that_starts_again_has_the_same_address(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Workspace.create("again", path=f"{tmp_path}/again")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "")
    uri = own.get_mlflow_tracking_uri()
    token = os.environ["MLFLOW_TRACKING_TOKEN"]
    stop_service(own)
    with pytest.raises(httpx.ConnectError):
        ask(uri, token)
    own.get_details()
    assert ask(uri, token).status_code == 200 and own.get_mlflow_tracking_uri() == uri
    stop_service(own)
    with socket.socket() as taken:  # by somebody else: then it is another one
        taken.bind(("127.0.0.1", int(urlsplit(uri).port or 0)))
        taken.listen()
        assert own.get_mlflow_tracking_uri() != uri
        stop_service(own)
