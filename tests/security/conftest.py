"""What the attacks share: one service for a module, reached by its socket, and what a refusal may look like."""

from __future__ import annotations

import http.client
import json
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from jupyter_aml import command
from jupyter_aml.client import launch
from jupyter_aml.service.gate import SECURITY_HEADERS
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service

PAYLOADS: dict[str, Any] = json.loads((Path(__file__).parent / "payloads.json").read_text())
API = "/api/v1"
ABSENT_RUN = "0" * 32


def payloads(kind: str) -> list[Any]:
    """The hostile inputs of a kind, with the short forms of the file written out."""
    return [_filled(value) for value in PAYLOADS[kind]]


def _filled(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    for prefix in ("REPEAT:", "DIGITS:"):
        if value.startswith(prefix):
            text, _, count = value.removeprefix(prefix).rpartition(":")
            return (text or "9") * int(count)
    places = {
        "{PWN}": "pwn",
        "{S}": "/var/lib/aml",
        "{C}": "/tmp/canary",
        "{H}": "127.0.0.1:1",
        "{PORT}": "1",
    }
    for name, place in {**places, "{R2}": ABSENT_RUN}.items():
        value = value.replace(name, place)
    return value


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until ``condition()`` is true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.03)
    return value


@dataclass(frozen=True)
class Answer:
    """What came back over the bare socket."""

    status: int
    headers: dict[str, str]
    body: bytes


class Service:
    """A workspace's service as an attacker meets it: by HTTP, by bytes on its socket, and by its folder."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.folder = workspace.client.location.folder
        workspace.get_details()  # it runs from here on
        address = launch.read_address(self.folder)
        assert address is not None
        self.socket = address.address.removeprefix("unix:")
        self.pid = address.pid
        self.token = self.folder.token.read_text()
        self.clients: list[httpx.Client] = []

    def http(self, token: str | None, check: bool = True) -> httpx.Client:
        """A client with a token (None: without). Each answer is held against the rules for all answers."""
        client = httpx.Client(
            base_url="http://aml" + API,
            headers={} if token is None else {"Authorization": f"Bearer {token}"},
            transport=httpx.HTTPTransport(uds=self.socket),
            event_hooks={"response": [self.check] if check else []},
            timeout=60,
        )
        self.clients.append(client)
        return client

    def check(self, response: httpx.Response) -> None:
        """No answer lacks the security headers; no refusal tells more than its four fields (I5, H10 to H13)."""
        for name, value in SECURITY_HEADERS.items():
            assert response.headers[name] == value, (response.request.url, name)
        assert "access-control-allow-origin" not in response.headers
        assert "set-cookie" not in response.headers and "server" not in response.headers
        if response.status_code >= 400:
            response.read()
            assert response.status_code < 500, (
                response.request.method,
                str(response.request.url),
                response.text,
            )
            self.check_refusal(response.headers["content-type"], response.text)

    def check_refusal(self, content_type: str, text: str) -> None:
        """A refusal is JSON of one shape, and names neither code nor folder of the service."""
        assert content_type == "application/json"
        error = json.loads(text)["error"]
        assert set(error) == {"code", "message", "detail", "hint"}, error
        assert "Traceback" not in text and str(self.folder.root) not in text and "site-packages" not in text

    def raw(self, head: str | bytes, body: bytes = b"", token: str | None = "owner") -> Answer:
        """Send bytes as they are: ``head`` is the request line and headers without the empty line at the end."""
        data = head.encode("utf-8", "surrogatepass") if isinstance(head, str) else head
        if b"\r\nHost:" not in data:
            data += b"\r\nHost: aml"
        if token is not None:
            data += f"\r\nAuthorization: Bearer {self.token if token == 'owner' else token}".encode()
        with self.connect() as connection:
            try:
                connection.sendall(data + b"\r\nConnection: close\r\n\r\n" + body)
            except OSError:
                pass  # it answers without having read everything, as it should
            return read_answer(connection, data[:4] == b"HEAD")

    def connect(self) -> socket.socket:
        """A bare connection."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(30)
        connection.connect(self.socket)
        return connection

    def state(self) -> dict[str, int]:
        """How much there is: rows by table, blobs, temporary files (I8)."""
        found = {}
        with sqlite3.connect(f"file:{self.folder.database}?mode=ro", uri=True) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                found[table] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        connection.close()
        return found | {"blobs": sum(path.is_file() for path in self.folder.blobs.rglob("*"))}

    def log(self) -> str:
        """What the service wrote to its log."""
        return self.folder.service_log.read_text()


def read_answer(connection: socket.socket, head: bool = False) -> Answer:
    """The HTTP answer on a connection; that to a HEAD has no body."""
    response = http.client.HTTPResponse(connection, method="HEAD" if head else "GET")
    response.begin()
    body = response.read()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The default workspace of a home of its own; at the end its service is stopped and the store is whole."""
    before = Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AML_")]:
            patch.delenv(name)
        patch.setenv("AML_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("AML_WARM", "0")
        patch.setenv("AML_MAX_RUNS", "6")
        os.chdir(tmp_path_factory.mktemp("cwd"))
        found = Workspace.default()
        yield found
        problems = found.client.call("check_workspace")["problems"]
        stop_service(found)
        os.chdir(before)
        assert problems == []


@pytest.fixture(scope="module")
def service(workspace: Workspace) -> Iterator[Service]:
    """The workspace's service."""
    found = Service(workspace)
    yield found
    for client in found.clients:
        client.close()
    assert "Traceback" not in found.log(), found.log()


@pytest.fixture(scope="module")
def owner(service: Service) -> httpx.Client:
    """The owner's client."""
    return service.http(service.token)


@pytest.fixture
def unchanged(service: Service) -> Iterator[None]:
    """The test changes nothing: as many rows and blobs after it as before."""
    before = service.state()
    yield
    assert service.state() == before


@pytest.fixture
def run(workspace: Workspace) -> Iterator[Run]:
    """An interactive run of this process."""
    with workspace.experiments["attacked"].start_run() as found:
        yield found


@pytest.fixture(scope="module")
def kept(workspace: Workspace) -> Iterator[Run]:
    """An interactive run for tests that only read it, or add files of names of their own."""
    with workspace.experiments["attacked"].start_run() as found:
        yield found


@pytest.fixture(scope="module")
def jobs(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RunningJob]]:
    """Two running jobs."""
    found = [hold(workspace, tmp_path_factory.mktemp("job")) for _ in range(2)]
    yield found
    for job in found:
        job.gate.touch()
    until(lambda: all(job.run.is_final for job in found))


@dataclass(frozen=True)
class RunningJob:
    """A job that runs until it is let go, and its token."""

    run: Run
    token: str
    gate: Path

    def let_go(self) -> None:
        """Let the job end."""
        self.gate.touch()
        until(lambda: self.run.is_final)


@pytest.fixture
def job(workspace: Workspace, tmp_path: Path) -> Iterator[RunningJob]:
    """A running job."""
    found = hold(workspace, tmp_path)
    yield found
    if not found.run.is_final:
        found.let_go()


def hold(workspace: Workspace, folder: Path, **options: Any) -> RunningJob:
    """Submit a job that writes its token to a file of the test and waits."""
    gate, token = folder / "gate", folder / "token"
    script = f"printf %s $AML_TOKEN > {token}.part && mv {token}.part {token}; while [ ! -e {gate} ]; do sleep 0.05; done"
    run = workspace.submit(command(script, **options))
    return RunningJob(run, until(lambda: token.exists() and token.read_text()), gate)
