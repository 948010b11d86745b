"""A Jupyter server with the extension, and the workspace's service behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from jupyter_server.auth import Authorizer
from jupyter_server.serverapp import ServerApp
from pytest_jupyter.jupyter_server import *  # noqa: F403  (its fixtures, for this folder only)
from tornado.httpserver import HTTPServer

from jupyter_aml.client import Client, launch, locate
from jupyter_aml.core.paths import WorkspaceFolder
from jupyter_aml.server.app import AmlApp
from jupyter_aml.server.routes import RouteTable
from jupyter_aml.service.app import build_app
from jupyter_aml.service.operations import handshake_table
from jupyter_aml.service.process import all_operations

RawRequest = Callable[[bytes], Awaitable[tuple[int, dict[str, str], bytes]]]


@pytest.fixture(scope="module")
def aml_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh ``AML_HOME``; the service of its default workspace is stopped at the end."""
    home = tmp_path_factory.mktemp("aml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AML_HOME", str(home))
        patch.setenv("AML_WARM", "0")
        patch.delenv("AML_WORKSPACE", raising=False)
        yield home
        stop_service(WorkspaceFolder(home / "workspaces" / "default"))


def stop_service(folder: WorkspaceFolder) -> None:
    """Stop the service of ``folder``, if one runs."""
    if folder.lock.exists() and launch.is_running(folder):
        client = Client(locate(str(folder.root)))
        client.call("stop_service")
        client.close()
        assert launch.wait_until_gone(folder)


@pytest.fixture
def folder(aml_home: Path) -> WorkspaceFolder:
    """The folder of the workspace that is served."""
    return WorkspaceFolder(aml_home / "workspaces" / "default")


@pytest.fixture
def client(aml_home: Path) -> Iterator[Client]:
    """The workspace's client, past the Jupyter server."""
    client = Client(locate())
    yield client
    client.close()


@pytest.fixture
def authorizer() -> type[Authorizer] | None:
    """The server's authorizer class; tests override it."""
    return None


@pytest.fixture
def jp_server_config(aml_home: Path, authorizer: type[Authorizer] | None) -> dict[str, Any]:
    """The extension enabled; nothing for the anonymous."""
    server: dict[str, Any] = {
        "jpserver_extensions": {"jupyter_aml": True, "jupyter_server_terminals": False},
        "allow_unauthenticated_access": False,
    }
    if authorizer is not None:
        server["authorizer_class"] = authorizer
    return {"ServerApp": server}


@pytest.fixture
def aml_app(jp_serverapp: ServerApp) -> AmlApp:
    """The extension as the server loaded it."""
    return cast(AmlApp, jp_serverapp.extension_manager.extension_apps["jupyter_aml"].copy().pop())


@pytest.fixture
def root_url(http_server: HTTPServer, jp_http_port: int, jp_base_url: str) -> str:
    """Where the API is."""
    return f"http://127.0.0.1:{jp_http_port}{jp_base_url}aml/api/v1/"


@pytest.fixture
def browser(root_url: str, jp_auth_header: dict[str, str]) -> Callable[..., Any]:
    """An HTTP client for ``/aml/api/v1/``, logged in unless told otherwise."""

    @asynccontextmanager
    async def opened(*, anonymous: bool = False) -> AsyncIterator[httpx.AsyncClient]:
        headers = {} if anonymous else jp_auth_header
        async with httpx.AsyncClient(base_url=root_url, headers=headers, timeout=60, trust_env=False) as http:
            yield http

    return opened


@pytest.fixture
def raw_request(http_server: HTTPServer, jp_http_port: int) -> RawRequest:
    """Send bytes as they are and read one answer: status, headers, body."""

    async def send(request: bytes) -> tuple[int, dict[str, str], bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
        try:
            writer.write(request)
            head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode("latin-1")
            status, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            return int(status.split(" ")[1]), headers, body
        finally:
            writer.close()

    return send


@pytest.fixture(scope="session")
def route_table() -> RouteTable:
    """The routes of this version's service, with no service running."""
    operations = all_operations()
    openapi = build_app(cast(Any, None), operations, lambda token: None).openapi()
    table = {name: found.model_dump() for name, found in handshake_table(operations).items()}
    return RouteTable(table, openapi)
