"""A service that lies: the client takes no path, no redirection and no class from it (cases P)."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from jupyter_aml import errors
from jupyter_aml.client import Client, Location
from jupyter_aml.core.durable import write_durably
from jupyter_aml.core.journal import LifeLock
from jupyter_aml.core.workspace import create_workspace_folder
from jupyter_aml.errors import AmlError, InvalidError, UnavailableError
from jupyter_aml.service.operations import handshake_table
from jupyter_aml.service.process import all_operations
from jupyter_aml.tracking.run import Run

Reply = Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]]
RUN = {
    "id": "0" * 32, "experiment": "x", "display_name": "liar", "description": "", "kind": "interactive", "attempt": 1,
    "status": "Completed", "parent_id": None, "user": "x", "compute": "local", "created_at": 0, "started_at": 0,
    "ended_at": 0, "archived": False, "cancel_requested_at": None, "tags": {}, "params": {}, "metrics": {},
    "progress": None, "error": None, "source": {}, "spec": None,
}  # fmt: skip


class Liar:
    """A service on a unix socket whose answers a test chooses; it keeps what it was asked."""

    def __init__(self, home: Path) -> None:
        self.folder = create_workspace_folder(home / "liar", {"name": "liar"}, exist_ok=True)
        self.asked: list[tuple[str, str, str]] = []
        self.reply: Reply = lambda _: (200, {}, b"{}")
        self.shake: Any = {
            "version": "0.0.0", "protocol": 1, "workspace_id": "x", "idle": False,
            "operations": {name: row.model_dump() for name, row in handshake_table(all_operations()).items()},
        }  # fmt: skip
        liar = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                liar.asked.append((self.command, self.path, self.headers.get("Authorization", "")))
                reply = (
                    (200, {}, json.dumps(liar.shake).encode())
                    if self.path.endswith("/handshake")
                    else liar.reply(self)
                )
                status, headers, body = reply
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                return

            def address_string(self) -> str:
                return "unix"

        path = self.folder.run / "service.sock"
        self.server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        self.lock = LifeLock(self.folder.lock)
        assert self.lock.take()
        self.folder.token.write_text("the-owner-s-token")
        address = {"address": f"unix:{path}", "version": "0.0.0", "protocol": 1, "instance": "x", "pid": 1}
        write_durably(self.folder.address, json.dumps(address).encode())
        self.client = Client(Location(self.folder.root))

    def close(self) -> None:
        """Stop it."""
        self.client.close()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.lock.release()

    def says(self, value: Any, status: int = 200, **headers: str) -> None:
        """Let every answer be this JSON."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.reply = lambda _: (
            status,
            {name.replace("_", "-"): text for name, text in headers.items()},
            body,
        )


@pytest.fixture
def liar(tmp_path: Path) -> Iterator[Liar]:
    """A service that answers what the test says."""
    found = Liar(tmp_path)
    yield found
    found.close()


def tree(root: Path) -> set[str]:
    """Every name below a folder."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*")}


BAD_NAMES = [
    "../../.bashrc", "/etc/x", "a/../../b", "..", ".", "", "a\\..\\..\\b", "C:\\x", "~/.ssh/authorized_keys/..", "a\0b",
    "a//b", "./a", "%2e%2e/x", "\u2025/x", "a\n", "file:///etc/passwd", 5, None, ["a"], {"a": 1}, "x" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=[ascii(name)[:20] for name in BAD_NAMES])
def test_a_listed_name_cannot_leave_the_folder(liar: Liar, tmp_path: Path, name: Any) -> None:
    target = tmp_path / "deep" / "er" / "target"
    target.mkdir(parents=True)
    run = Run(liar.client, RUN)
    item = {"path": name, "size": 1, "digest": "0" * 64, "created_at": 0}
    liar.says({"items": [item], "next_page_token": None})
    before = tree(tmp_path)
    with pytest.raises(InvalidError):
        run.download_files(output_directory=target)
    assert tree(tmp_path) == before
    if isinstance(name, str):
        with pytest.raises(InvalidError):
            run.download_file(name, target)
    assert tree(tmp_path) == before


def test_a_file_name_in_a_header_is_not_used(liar: Liar, tmp_path: Path) -> None:
    liar.says(b"content", Content_Disposition='attachment; filename="../../pwned"')
    target = tmp_path / "target"
    target.mkdir()
    assert Run(liar.client, RUN).download_file("a.txt", target) == target / "a.txt"
    assert tree(target) == {"a.txt"} and not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 300, 304])
def test_a_redirection_is_an_error_and_takes_the_token_nowhere(
    liar: Liar, tmp_path: Path, status: int
) -> None:
    elsewhere = Liar(tmp_path / "elsewhere")
    for location in (
        "/api/v1/elsewhere",
        "http://127.0.0.1:9/steal",
        "//127.0.0.1:9/x",
        f"unix:{elsewhere.folder.run}/service.sock",
    ):
        liar.says(b"", status, Location=location)
        liar.asked.clear()
        for call in (
            lambda: liar.client.call("get_workspace"),
            lambda: liar.client.call("start_run", experiment="x"),
            lambda: Run(liar.client, RUN).download_file("a", tmp_path / "a"),
        ):
            with pytest.raises(AmlError):
                call()
        assert not any("elsewhere" in path or "steal" in path for _, path, _ in liar.asked)
    assert elsewhere.asked == [] and not (tmp_path / "a").exists()
    elsewhere.close()


@pytest.mark.parametrize(
    "code",
    [
        "invalid", "not_found", "conflict", "no-such-code", "builtins.SystemExit", "KeyboardInterrupt", "os.system", "__class__",
        None, 5, ["invalid"], {"a": 1},
    ],
    ids=str,
)  # fmt: skip
def test_an_error_is_one_of_ours_and_nothing_it_names(liar: Liar, code: Any) -> None:
    hostile = {
        "module": "os",
        "class_name": "system",
        "args": ["touch pwned"],
        "__reduce__": ["os.system", ["x"]],
        "class": "x",
    }
    body = {
        "error": {"code": code, "message": {"a": [1]}, "detail": {"b": 2}, "hint": ["c"], **hostile},
        **hostile,
    }
    liar.says(body, 400)
    with pytest.raises(AmlError) as caught:
        liar.client.call("get_workspace")
    assert type(caught.value) in (AmlError, errors.ERROR_CLASSES.get(str(code), AmlError))
    assert str(caught.value) and caught.value.to_json()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{",
        b"[]",
        b"null",
        b"5",
        b'"x"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"error": 5}',
        b"9" * 5000,
    ],
    ids=lambda body: ascii(body[:10]),
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_an_answer_that_is_none_is_said_to_be_none(liar: Liar, status: int, body: bytes) -> None:
    liar.says(body, status)
    try:
        liar.client.call("get_workspace")
    except AmlError as error:
        assert str(error) and "Traceback" not in str(error)
    else:
        assert status == 200 and body in (b"", b"[]", b"null", b"5", b'"x"', b'{"error": 5}')


@pytest.mark.parametrize(
    "shake",
    [
        [],
        5,
        None,
        {},
        {"version": 5},
        {"version": "x", "protocol": 1},
        {"version": "0", "protocol": "1", "idle": 0, "operations": 5},
    ],
    ids=str,
)
def test_a_handshake_that_is_none_is_said_to_be_none(liar: Liar, shake: Any) -> None:
    liar.shake = shake
    with pytest.raises(UnavailableError):
        liar.client.call("get_workspace")


def test_a_run_s_token_goes_to_no_other_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    class Ear(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization", ""))
            self.send_error(401)

        def log_message(self, *_: object) -> None:
            return

    with socketserver.TCPServer(("127.0.0.1", 0), Ear) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("AML_WORKSPACE", str(tmp_path))
        monkeypatch.setenv("AML_TOKEN", "the-run-s-token")
        monkeypatch.setenv("HTTP_PROXY", url)
        client = Client(Location(None, url))
        with pytest.raises(AmlError):
            client.call("get_workspace")
        client.close()
        monkeypatch.setenv("AML_WORKSPACE", url)
        client = Client(Location(None, url))
        with pytest.raises(AmlError):
            client.call("get_workspace")
        client.close()
        server.shutdown()
        thread.join()
    assert heard[0] == "" and heard[-1] == "Bearer the-run-s-token"


def test_a_config_file_of_a_cloned_folder_names_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jupyter_aml.workspace import Workspace

    monkeypatch.setenv("AML_HOME", str(tmp_path / "home"))
    for config in (
        {"workspace_name": "x", "path": "http://127.0.0.1:9"},
        {"workspace_name": "x", "path": "https://evil.example"},
        {"workspace_name": "http://127.0.0.1:9"},
        {"workspace_name": "../../x"},
        {"workspace_name": "x", "path": 5},
        {"workspace_name": "x", "path": ["a"]},
    ):
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(AmlError):
            Workspace.from_config(tmp_path)
