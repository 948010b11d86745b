"""A real Jupyter server in front of the workspace, met by strangers, other pages and the tokens of others.

Cases A16, C04, F08, G01, G06, G09, H04 to H07, J01, J07, M02. What one handler decides is tried in tests/server;
here it is Jupyter's whole process with its own pages, cookies and log.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from jupyter_aml.workspace import Workspace
from tests.browser.jupyter import Jupyter
from tests.security.conftest import (
    ABSENT_RUN,
    API,
    Answer,
    RunningJob,
    Service,
    hold,
    payloads,
    read_answer,
)

ROUTES = [
    ("GET", "workspace"), ("GET", "openapi.json"), ("POST", "experiments"), ("POST", "notebooks/submit"),
    ("PATCH", f"runs/{ABSENT_RUN}/tags"), ("PUT", f"runs/{ABSENT_RUN}/artifacts/x"), ("DELETE", f"runs/{ABSENT_RUN}"),
]  # fmt: skip
WRITES = [route for route in ROUTES if route[0] != "GET"]
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA=="


class Front:
    """The Jupyter server as an attacker meets it, and the service behind it."""

    def __init__(self, jupyter: Jupyter, service: Service, log: Path) -> None:
        self.jupyter = jupyter
        self.service = service
        self._log = log
        self._start = log.stat().st_size  # what Jupyter says at its start tells its owner the token

    def log(self) -> str:
        """What the server wrote to its log since it is up."""
        return self._log.read_bytes()[self._start :].decode(errors="replace")

    def http(self, **headers: str) -> httpx.Client:
        """A client that shows what it is given, each time on a new connection: who is refused is hung up on."""
        alone = httpx.Limits(max_keepalive_connections=0)
        url = self.jupyter.origin
        return httpx.Client(base_url=url, headers=headers, limits=alone, timeout=60, trust_env=False)

    def raw(self, head: str, body: bytes = b"", *, token: bool = True) -> Answer:
        """Send a request line and headers as they are."""
        lines = [head, *([] if "\r\nHost:" in head else [f"Host: 127.0.0.1:{self.jupyter.port}"])]
        lines += [f"Authorization: token {self.jupyter.token}"] if token else []
        with socket.create_connection(("127.0.0.1", self.jupyter.port), timeout=30) as connection:
            data = "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8", "surrogatepass") + body
            try:
                connection.sendall(data)
            except OSError:
                pass  # it answers without having read everything
            return read_answer(connection)


@pytest.fixture(scope="module")
def front(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """One Jupyter server for all attacks; afterwards it still serves and has written down no secret."""
    folder = tmp_path_factory.mktemp("jupyter")
    root = tmp_path_factory.mktemp("root")
    with Jupyter("jupyter_server", root, Path(os.environ["AML_HOME"]), folder) as jupyter:
        found = Front(jupyter, Service(workspace), folder / "server.log")
        yield found
        assert found.raw("GET /aml/api/v1/workspace HTTP/1.1").status == 200
        log = found.log()
        assert jupyter.token not in log and found.service.token not in log and "Traceback" not in log


@pytest.fixture
def cookies(front: Front) -> Iterator[httpx.Client]:
    """A browser that has logged in, with the cookies and the XSRF token a page of Jupyter would have."""
    with front.http() as http:
        assert http.get("/api/status", params={"token": front.jupyter.token}).status_code == 200
        http.get("/a-page")
        assert {"_xsrf", f"username-127-0-0-1-{front.jupyter.port}"} <= set(http.cookies)
        yield http


HOSTS = [
    *payloads("host_header"),
    "localhost.",
    "[::ffff:8.8.8.8]",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
]


@pytest.mark.parametrize("host", HOSTS)
def test_a_rebound_name_reaches_nothing_whoever_asks(front: Front, host: str) -> None:
    for method, path in ROUTES:
        for agent in ("curl/8", "Mozilla/5.0 (X11) Firefox/130"):
            head = f"{method} /aml/api/v1/{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}"
            assert front.raw(head).status in (400, 403), (method, path)
            assert front.raw(f"{head}\r\n{UPGRADE}").status in (400, 403, 404, 405), (method, path)


@pytest.mark.parametrize("origin", [*payloads("origin_header"), "https://127.0.0.1", "http://127.0.0.1"])
def test_a_page_of_another_origin_reads_and_changes_nothing(
    front: Front, cookies: httpx.Client, origin: str
) -> None:
    before = front.service.state()
    xsrf = {"X-XSRFToken": cookies.cookies["_xsrf"]}
    for method, path in ROUTES:
        for more in ({}, xsrf, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
            headers = {"Origin": origin, "Content-Type": "application/json", **more}
            answer = cookies.request(method, f"/aml/api/v1/{path}", content=b'{"name": "x"}', headers=headers)
            assert answer.status_code in (403, 404), (method, path, more, answer.text)
            assert "access-control-allow-origin" not in answer.headers
            assert "unfinished_runs" not in answer.text
    assert front.service.state() == before


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_a_form_that_another_page_posts_changes_nothing(
    front: Front, cookies: httpx.Client, kind: str
) -> None:
    before = front.service.state()
    for method, path in WRITES:
        headers = {"Content-Type": kind} if kind else {}
        answer = cookies.request(method, f"/aml/api/v1/{path}", content=b'{"name": "x"}', headers=headers)
        assert answer.status_code == 403, (method, path)
    for method in ("TRACE", "PROPFIND", "FOO"):
        assert cookies.request(method, "/aml/api/v1/experiments").status_code in (403, 404, 405)
    asked = cookies.options("/aml/api/v1/experiments", headers={"Origin": "https://evil.example"})
    assert asked.content == b"" and "access-control-allow-origin" not in asked.headers
    assert front.service.state() == before


def test_no_socket_is_opened_for_a_page_of_another_origin(front: Front, cookies: httpx.Client) -> None:
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.cookies.items())
    for path in ("events", "workspace", f"runs/{ABSENT_RUN}/log", "", "ws"):
        for origin in ("", "\r\nOrigin: https://evil.example", "\r\nOrigin: null"):
            head = f"GET /aml/api/v1/{path} HTTP/1.1\r\n{UPGRADE}\r\nCookie: {cookie}{origin}"
            assert front.raw(head, token=False).status != 101


@pytest.mark.parametrize("target", payloads("redirect_next"), ids=ascii)
def test_nobody_is_sent_elsewhere(front: Front, target: str) -> None:
    with front.http() as http:
        for path in ("workspace", "openapi.json", "", "nothing"):
            for name in ("next", "redirect", "url", "return_to"):
                answer = http.get(f"/aml/api/v1/{path}", params={name: target})
                assert answer.status_code == 403 and "location" not in answer.headers
        login = http.get("/login", params={"next": target, "token": front.jupyter.token})
        location = login.headers.get("location", "/")
        assert location.startswith("/") and not location.startswith(("//", "/\\")), location


def test_a_path_names_no_other_server(front: Front) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sink:
        place = f"127.0.0.1:{sink.getsockname()[1]}"
        for target in (
            f"/aml/api/v1/proxy/{place}/", f"/aml/proxy/{place}/x", f"/aml/{place}/api/v1/workspace", f"/aml/http://{place}/",
            f"//{place}/aml/api/v1/workspace", f"/aml/api/v1//{place}/workspace", f"/aml/api/v1/@{place}/workspace",
            f"http://{place}/aml/api/v1/workspace", f"/aml/api/v1/workspace@{place}", f"/aml/api/v1/..//{place}",
            f"/aml/api/v1/%2f%2f{place}", f"/aml/api/v1/runs/{place}", f"/aml/api/v1/\\\\{place}",
        ):  # fmt: skip
            assert front.raw(f"GET {target} HTTP/1.1").status in (400, 403, 404, 422), target
        for name in ("X-Forwarded-Host", "X-Original-URL", "X-Rewrite-URL", "Forwarded", "Via", "X-Target"):
            answer = front.raw(f"GET /aml/api/v1/workspace HTTP/1.1\r\n{name}: http://{place}/")
            assert answer.status == 200 and b"unfinished_runs" in answer.body
        for name in ("host", "port", "target", "url", "upstream"):
            answer = front.raw(f"GET /aml/api/v1/workspace?{name}=http://{place}/ HTTP/1.1")
            assert answer.status in (200, 400)
        sink.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sink.accept()


@pytest.mark.parametrize("climb", ["../", "..%2f", "%2e%2e/", "..%5c", "..\\", "%252e%252e%252f", ".%00./"])
def test_no_file_of_the_machine_is_static(front: Front, climb: str) -> None:
    for start in (
        "/aml/static/",
        "/aml/",
        "/static/jupyter_aml/",
        "/aml/api/v1/static/",
        "/lab/extensions/jupyter-aml/",
    ):
        for token in (True, False):
            answer = front.raw(f"GET {start}{climb * 12}etc/passwd HTTP/1.1", token=token)
            assert answer.status in (400, 403, 404) and b"root:" not in answer.body, start


@pytest.fixture(scope="module")
def job(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningJob]:
    """A running job, whose token is a stranger's to Jupyter."""
    found = hold(workspace, tmp_path_factory.mktemp("job"))
    yield found
    found.let_go()


def test_the_token_of_one_door_opens_no_other(front: Front, job: RunningJob) -> None:
    for token in (job.token, front.service.token):
        for form in ("token ", "Bearer ", "Basic ", ""):
            with front.http(Authorization=form + token) as http:
                for path in (
                    "/api/kernels",
                    "/api/contents",
                    "/aml/api/v1/workspace",
                    f"/aml/api/v1/runs/{job.run.id}",
                ):
                    assert http.get(path).status_code == 403, (form, path)
                    assert http.get(path, params={"token": token}).status_code == 403
    head = f"GET {API}/workspace HTTP/1.1\r\nAuthorization: "
    for form in ("Bearer ", "token "):
        assert front.service.raw(head + form + front.jupyter.token, token=None).status == 401


def test_nobody_signs_up_and_no_password_is_known(front: Front) -> None:
    before = front.service.state()
    known = [
        "",
        "admin",
        "password",
        "password1234",
        "changeme",
        "jupyter",
        "aml",
        "None",
        "null",
        "undefined",
    ]
    with front.http() as http:
        for path in (
            "signup",
            "register",
            "users",
            "users/create",
            "api/2.0/mlflow/users/create",
            "login",
            "setup",
        ):
            answer = http.post(
                f"/aml/api/v1/{path}", json={"username": "eve", "password": "x", "role": "owner"}
            )
            assert answer.status_code == 403, path
        for word in known:
            for header in (f"token {word}", f"Bearer {word}", f"Basic {word}"):
                answer = http.get("/aml/api/v1/workspace", headers={"Authorization": header.strip()})
                assert answer.status_code == 403, header
            for user in ("admin", "root", "aml"):
                assert http.get("/aml/api/v1/workspace", auth=(user, word)).status_code == 403
    for word in known:
        head = f"GET {API}/workspace HTTP/1.1\r\nAuthorization: Bearer {word}"
        assert front.service.raw(head, token=None).status == 401
    assert front.service.state() == before


def test_a_fault_is_told_and_noted_without_tokens_and_cookies(front: Front, workspace: Workspace) -> None:
    with workspace.experiments["attacked"].start_run() as run:
        pass
    database = front.service.folder.database
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE cells RENAME TO gone")
    connection.close()
    cookie = "session=a-cookie-that-may-not-be-logged"
    answer = front.raw(f"GET /aml/api/v1/runs/{run.id}/cells HTTP/1.1\r\nCookie: {cookie}")
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE gone RENAME TO cells")
    connection.close()
    assert answer.status == 500 and answer.headers["content-type"] == "application/json"
    front.service.check_refusal("application/json", answer.body.decode())
    log = front.log()
    assert f"/runs/{run.id}/cells" in log, "the fault is noted"
    assert "a-cookie-that" not in log and front.jupyter.token not in log and front.service.token not in log


BROKEN_PARTS = b"--x\r\nContent-Disposition: form-data\r\n\r\n" * 100_000 + b"--x--"
QUOTED = b'--x\r\nContent-Disposition: form-data; name="a' + b'\\";' * 10_000 + b'"\r\n\r\nv\r\n--x--'
FLOODS = {
    "parts": ("multipart/form-data; boundary=x", BROKEN_PARTS),
    "quotes": ("multipart/form-data; boundary=x", QUOTED),
    "dashes": ("multipart/form-data; boundary=x", b"--x" + b"-" * (10 << 20)),
    "boundary": ("multipart/form-data; boundary=" + "x" * 60_000, b"--x--"),
    "fields": ("application/x-www-form-urlencoded", b"a=b&" * 500_000),
    "charset": ('application/json; charset="' + "a;" * 20_000, b"{}"),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_in_a_form_is_refused_in_few_words(front: Front, kind: str) -> None:
    content_type, body = FLOODS[kind]
    before = len(front.log().splitlines()), front.service.state()
    for token in (True, False):
        for path in ("experiments", "notebooks/submit"):
            head = f"POST /aml/api/v1/{path} HTTP/1.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}"
            try:
                answer = front.raw(head, body, token=token)
            except OSError:
                continue  # it hung up
            assert answer.status in (400, 403, 413, 415, 422, 431), path
    assert len(front.log().splitlines()) - before[0] <= 10
    assert front.service.state() == before[1]


def raw_bodies() -> list[bytes]:
    """What is no JSON object, or none that could be a submission."""
    texts = [text for text in payloads("json_raw") if not text.startswith(("LATIN1:", "UTF16:"))]
    return [
        *(text.encode() for text in texts),
        b"\xff\xfe",
        '{"a":1}'.encode("utf-16"),
        b'{"path": "\\ud800"}',
    ]


def test_whatever_json_is_submitted_is_refused(front: Front) -> None:
    before = front.service.state()
    with front.http(Authorization=f"token {front.jupyter.token}") as http:
        numbers: list[Any] = payloads("numbers")
        bodies = [*raw_bodies(), *(f'{{"path": {n}}}'.encode() for n in numbers if not isinstance(n, str))]
        for body in bodies:
            answer = http.post("/aml/api/v1/notebooks/submit", content=body)
            assert answer.status_code == 400, (body[:40], answer.text)
            front.service.check_refusal(answer.headers["content-type"], answer.text)
    assert front.service.state() == before
