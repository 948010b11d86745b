"""Every route against everybody who may call it: denied unless the reviewed table says otherwise (cases G)."""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
from pathlib import Path

import httpx
import pytest

from jupyter_aml import command
from jupyter_aml.core.operation import Operation
from jupyter_aml.service.gate import SECURITY_HEADERS
from jupyter_aml.service.process import all_operations
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service
from tests.security.conftest import ABSENT_RUN, API, RunningJob, Service, payloads, until

# Reviewed by hand: for each route what a run's token may do on its own run and on another. The owner may do
# everything, and who shows no token nothing.
TABLE: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "access.json").read_text())
OPERATIONS = {f"{operation.method} {operation.path}": operation for operation in all_operations()}
LAST = ("POST /runs/{run_id}/cancel",)  # it ends the run whose token is used


def target(operation: Operation, run_id: str) -> str:
    """A well-formed path for an operation, on a run."""
    path = operation.path.replace("{run_id}", run_id).replace("{path:path}", "a.txt")
    return path.replace("{digest}", "0" * 64).replace("{name}", "attacked")


def ask(http: httpx.Client, operation: Operation, run_id: str) -> httpx.Response:
    """Call an operation with what gets past the check of access and does as little as can be."""
    body = (
        {"content": b"x"}
        if operation.raw_body
        else {"json": {}}
        if operation.method in ("POST", "PATCH")
        else {}
    )
    with http.stream(operation.method, target(operation, run_id), **body) as response:
        if operation.name != "events":  # which never ends
            response.read()
    return response


def verdict(response: httpx.Response) -> str:
    """``allowed``, or how it was refused."""
    if response.status_code in (401, 403):
        return str(response.status_code)
    if response.status_code == 404 and "this token" in response.json()["error"]["message"]:
        return "404"
    return "allowed"


def test_every_route_has_its_row_and_every_row_its_route() -> None:
    assert set(TABLE) == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.usefixtures("unchanged")
def test_nobody_comes_in_without_a_token_that_counts(service: Service, name: str) -> None:
    operation = OPERATIONS[name]
    url = API + target(operation, ABSENT_RUN)
    given = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {service.token}",
        f"bearer {service.token}",
        service.token,
    ]
    for header in given:
        authorization = f"\r\nAuthorization: {header}" if header else ""
        answer = service.raw(f"{operation.method} {url} HTTP/1.1{authorization}", token=None)
        assert answer.status == 401, (name, header)
        service.check_refusal(answer.headers["content-type"], answer.body.decode())
    upgrade = "Upgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13"
    answer = service.raw(f"GET {url} HTTP/1.1\r\n{upgrade}", token=None)
    assert answer.status == 401


def test_the_table_holds_for_runs_on_themselves_and_on_others(
    service: Service, owner: httpx.Client, jobs: list[RunningJob]
) -> None:
    own, other = jobs
    http = service.http(own.token)
    child = http.post("/runs", json={"experiment": "attacked"}).json()
    assert child["parent_id"] == own.run.id
    found: dict[str, dict[str, str]] = {}
    for name, operation in sorted(OPERATIONS.items(), key=lambda item: item[0] in LAST):
        if "{run_id}" in operation.path and operation.rule.action != "read":
            before = owner.get(f"/runs/{other.run.id}").json()
            elsewhere = verdict(ask(http, operation, other.run.id))
            assert owner.get(f"/runs/{other.run.id}").json() == before
        else:
            elsewhere = verdict(ask(http, operation, other.run.id))
        found[name] = {"own run": verdict(ask(http, operation, own.run.id)), "other run": elsewhere}
        if "{run_id}" in operation.path:
            assert verdict(ask(http, operation, child["id"])) == found[name]["own run"]
        if operation.name != "stop_service":  # the owner is seen to stop it after each module
            assert verdict(ask(owner, operation, ABSENT_RUN)) == "allowed"
    assert found == TABLE


def test_a_run_adds_only_below_itself(service: Service, jobs: list[RunningJob], workspace: Workspace) -> None:
    own, other = jobs[1], jobs[0]
    http = service.http(own.token)
    spec = command("true").spec.model_dump(mode="json")
    for path, body in (("/runs", {"experiment": "attacked"}), ("/jobs", {"job": spec})):
        assert http.post(path, json={**body, "parent_id": other.run.id}).status_code == 404
        assert http.post(path, json={**body, "parent_id": ABSENT_RUN}).status_code == 404
        made = http.post(path, json=body)
        assert made.status_code == 201 and made.json()["parent_id"] == own.run.id
        assert http.post(f"/runs/{made.json()['id']}/cancel", json={}).status_code == 200


def test_a_token_ends_with_its_run(service: Service, job: RunningJob) -> None:
    http = service.http(job.token)
    assert http.get(f"/runs/{job.run.id}").status_code == 200
    job.let_go()
    for path in (f"/runs/{job.run.id}", "/workspace"):
        assert http.get(path).status_code == 401
    assert http.patch(f"/runs/{job.run.id}/tags", json={"tags": {"late": "yes"}}).status_code == 401
    assert job.run.tags == {}


def test_a_token_ends_with_its_attempt(service: Service, workspace: Workspace, tmp_path: Path) -> None:
    tokens, gate = tmp_path / "tokens", tmp_path / "gate"
    script = f"echo $AML_TOKEN >> {tokens}; [ $AML_ATTEMPT = 1 ] && exit 1; while [ ! -e {gate} ]; do sleep 0.05; done"
    run = workspace.submit(command(script, retries=1))
    until(lambda: tokens.exists() and len(tokens.read_text().split()) == 2)
    first, second = tokens.read_text().split()
    assert service.http(first).get("/workspace").status_code == 401
    assert service.http(second).get("/workspace").status_code == 200
    gate.touch()
    until(lambda: run.is_final)


def test_no_token_but_the_very_one_counts(service: Service, jobs: list[RunningJob]) -> None:
    for good in (service.token, jobs[1].token):
        flipped = good[:-1] + ("a" if good[-1] != "a" else "b")
        bad = [
            good[:-1],
            good[1:],
            flipped,
            good + "a",
            good.swapcase(),
            good + " ",
            " " + good,
            good + "\0",
            "",
        ]
        bad += [
            good + "é",
            secrets.token_urlsafe(32),
            jwt("none"),
            jwt("HS256", kid="../../dev/null"),
            "a" * 60_000,
        ]
        for token in bad:
            header = f"Authorization: Bearer {token}"
            answer = service.raw(f"GET {API}/workspace HTTP/1.1\r\n{header}", token=None)
            # To some parsers a blank at the end of a header is no part of it.
            assert answer.status in (400, 401, 431) or token == good + " ", ascii(token)[:80]
        twice = f"Authorization: Bearer {good}\r\nAuthorization: Bearer {good}"
        assert service.raw(f"GET {API}/workspace HTTP/1.1\r\n{twice}", token=None).status == 401
        for place in (f"?token={good}", f"?access_token={good}", f";token={good}"):
            assert service.raw(f"GET {API}/workspace{place} HTTP/1.1", token=None).status == 401
        for name in ("Cookie: token=", "X-Authorization: Bearer ", "Proxy-Authorization: Bearer "):
            assert service.raw(f"GET {API}/workspace HTTP/1.1\r\n{name}{good}", token=None).status == 401


def jwt(algorithm: str, **header: str) -> str:
    """A token of another kind, which says of itself that it is good."""
    parts = ({"alg": algorithm, "typ": "JWT", **header}, {"sub": "owner", "exp": 2**40})
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        + "."
    )


ALIASES = [
    "//api/v1/service/stop", "/api/v1//service/stop", "/api/v1/./service/stop", "/api/v1/service/stop/",
    "/api/v1/x/../service/stop", "/api/v1/service%2fstop", "/api/v1/service/stop?x=1", "/api/v1/service/stop;x",
    "/api/v1/%73ervice/stop", "/API/v1/service/stop", "/api/v1/service/STOP", "/api/v1/service/stop%00",
    "/ajax-api/v1/service/stop", "/api/2.0/service/stop", "/aml/api/v1/service/stop", "/api/v1/service/stop%20",
    "http://aml/api/v1/service/stop", "/api/v1/service\\stop", "/api/v1/service/stop#x", "*",
]  # fmt: skip


@pytest.mark.parametrize("alias", ALIASES)
def test_no_other_spelling_of_a_route_is_less_guarded(
    service: Service, jobs: list[RunningJob], alias: str
) -> None:
    for method in ("POST", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert service.raw(f"{method} {alias} HTTP/1.1", token=None).status in (400, 401)
        assert service.raw(f"{method} {alias} HTTP/1.1", token=jobs[1].token).status in (400, 403, 404, 405)
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert service.raw(f"GET {alias} HTTP/1.1\r\n{name}: POST").status in (400, 404, 405)


@pytest.mark.parametrize(
    "host", [*payloads("host_header"), ":1", "[::]", "[::ffff:8.8.8.8]", "aml.evil.example"]
)
def test_a_host_that_is_not_this_machine_is_turned_away(service: Service, host: str) -> None:
    for method, path in (("GET", "/workspace"), ("POST", "/experiments"), ("GET", "/events")):
        for agent in ("curl/8", "Mozilla/5.0 (X11) Firefox/130"):
            head = f"{method} {API}{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}"
            assert service.raw(head).status in (400, 403)
            assert service.raw(head + "\r\nHost: aml").status in (400, 403)
            assert service.raw(head + "\r\nX-Forwarded-Host: localhost").status in (400, 403)
    upgrade = f"GET {API}/events HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA=="
    assert service.raw(upgrade).status in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "localhost:8888", "127.0.0.1:1", "[::1]:1", "[::1]", "aml"])
def test_the_names_of_this_machine_are_let_in(service: Service, host: str) -> None:
    assert service.raw(f"GET {API}/health HTTP/1.1\r\nHost: {host}").status == 200


def test_whom_it_cannot_check_it_does_not_let_in(tmp_path: Path, workspace: Workspace) -> None:
    broken = Service(Workspace.create("broken", path=tmp_path / "broken"))
    with sqlite3.connect(broken.folder.database) as connection:
        connection.execute("ALTER TABLE run_tokens RENAME TO gone")
    connection.close()
    secret = "a-token-that-may-not-be-logged"
    answer = broken.raw(f"GET {API}/workspace HTTP/1.1", token=secret)
    assert answer.status == 503
    broken.check_refusal(answer.headers["content-type"], answer.body.decode())
    assert broken.raw(f"GET {API}/workspace HTTP/1.1").status == 200
    assert secret not in broken.log() and broken.token not in broken.log()
    with sqlite3.connect(broken.folder.database) as connection:
        connection.execute("ALTER TABLE gone RENAME TO run_tokens")
    connection.close()
    stop_service(broken.workspace)


def test_a_fault_of_the_service_is_told_without_its_inside(tmp_path: Path, workspace: Workspace) -> None:
    broken = Service(Workspace.create("faulty", path=tmp_path / "faulty"))
    http = broken.http(broken.token, check=False)
    run = http.post("/runs", json={"experiment": "x"}).json()["id"]
    with sqlite3.connect(broken.folder.database) as connection:
        connection.execute("ALTER TABLE cells RENAME TO gone")
    connection.close()
    answer = http.get(f"/runs/{run}/cells?x=%0aINFO", headers={"Cookie": "session=a-secret-cookie"})
    assert answer.status_code == 500
    broken.check_refusal(answer.headers["content-type"], answer.text)
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    log = broken.log()
    assert "OperationalError" in log and broken.token not in log and "a-secret-cookie" not in log
    assert not any(line.startswith("INFO") for line in log.splitlines())
    with sqlite3.connect(broken.folder.database) as connection:
        connection.execute("ALTER TABLE gone RENAME TO cells")
    connection.close()
    stop_service(broken.workspace)
    for client in broken.clients:
        client.close()


@pytest.mark.parametrize(
    "path",
    ["/<script>alert(1)</script>", "/%3Cscript%3E", "/..%2f..%2fetc/passwd", "/runs/<svg>", "/\r\nX: 1"],
)
def test_an_unknown_route_is_told_in_json_without_an_echo(service: Service, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "TRACE", "CONNECT", "PROPFIND"):
        answer = service.raw(f"{method} {API}{path} HTTP/1.1\r\nContent-Type: <script>alert(1)</script>")
        assert answer.status in (400, 404, 405, 422), method
        assert b"<script" not in answer.body and b"<svg" not in answer.body
        assert answer.headers["content-type"] in ("application/json", "text/plain; charset=utf-8")


@pytest.mark.usefixtures("unchanged")
def test_a_wrong_word_in_a_body_is_told_in_json(owner: httpx.Client) -> None:
    """Case I06: the refusal may name what was wrong, and no browser takes it for a page."""
    script = "<script>alert(1)</script>"
    for path, body in (
        (f"/runs/{ABSENT_RUN}/finish", {"status": script}),
        ("/jobs", {"job": {"type": script}}),
        ("/runs/search", {"filter": script}),
        ("/runs/search", {"order_by": [script]}),
        ("/runs", {"experiment": "x", "kind": script}),
    ):
        answer = owner.post(path, json=body)  # the client holds type and headers against the rules
        assert answer.status_code in (400, 422), path


def test_reading_changes_nothing(service: Service, owner: httpx.Client, jobs: list[RunningJob]) -> None:
    job = jobs[1]
    before = owner.get(f"/runs/{job.run.id}").json(), service.state()
    for operation in OPERATIONS.values():
        if operation.method == "GET":
            ask(owner, operation, job.run.id)
            ask(owner, operation, job.run.id)
    assert (owner.get(f"/runs/{job.run.id}").json(), service.state()) == before
