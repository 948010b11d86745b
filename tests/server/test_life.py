"""The service comes, goes and is killed; the extension copes, and drags nothing back that was sent away."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_server.serverapp import ServerApp

from jupyter_aml.client import Client, launch
from jupyter_aml.core.paths import WorkspaceFolder
from jupyter_aml.server import relay
from jupyter_aml.server.app import AmlApp
from jupyter_aml.server.relay import SCHEMA_ID
from jupyter_aml.workspace import Workspace

Browser = Callable[..., Any]
# httpcore drops the unix socket of a connect that was refused without closing it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket.socket .*family=1,:ResourceWarning")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay that looks often."""
    monkeypatch.setattr(relay, "_FIRST_DELAY", 0.02)
    monkeypatch.setattr(relay, "_LOOK_SECONDS", 0.02)


@pytest.fixture
def events(jp_serverapp: ServerApp) -> asyncio.Queue[dict[str, Any]]:
    """What the server gives out about runs."""
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def listen(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        received.put_nowait(data)

    assert jp_serverapp.event_logger is not None
    jp_serverapp.event_logger.add_listener(schema_id=SCHEMA_ID, listener=listen)
    return received


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            if condition():
                return
            await asyncio.sleep(0.02)


def pid_of(folder: WorkspaceFolder) -> int:
    address = launch.read_address(folder)
    return 0 if address is None else address.pid


def is_up(folder: WorkspaceFolder) -> bool:
    return launch.read_address(folder) is not None and launch.is_running(folder)


async def kill(folder: WorkspaceFolder) -> int:
    pid = pid_of(folder)
    os.kill(pid, signal.SIGKILL)
    await wait_until(lambda: not launch.is_running(folder))
    return pid


async def test_loading_starts_nothing_and_the_running_server_starts_the_service(
    jp_serverapp: ServerApp, aml_app: AmlApp, folder: WorkspaceFolder
) -> None:
    assert not folder.lock.exists()
    await jp_serverapp.extension_manager.start_all_extensions()
    await wait_until(lambda: is_up(folder))


async def test_a_killed_service_is_there_again_at_the_next_request(
    browser: Browser, folder: WorkspaceFolder
) -> None:
    async with browser() as http:
        before = (await http.get("workspace")).json()
        killed = await kill(folder)
        response = await http.get("workspace")
        assert response.status_code == 200, response.text
        assert response.json()["id"] == before["id"]
        assert pid_of(folder) != killed
        killed = await kill(folder)
        created = await http.post("experiments", json={"name": "after the kill"})
        assert created.status_code == 201, created.text


async def test_a_download_cut_off_by_a_kill_does_not_look_whole(
    browser: Browser, folder: WorkspaceFolder
) -> None:
    workspace = Workspace.default()
    run = workspace.experiments["cut"].start_run()
    async with browser() as http:
        stored = await http.put(f"runs/{run.id}/artifacts/big.bin", content=bytes(64 << 20))
        assert stored.status_code == 201
        async with http.stream("GET", f"runs/{run.id}/artifacts/big.bin") as response:
            pieces = response.aiter_raw(1000)
            await anext(pieces)
            await kill(folder)
            with pytest.raises(httpx.TransportError):
                async for _ in pieces:
                    pass
    await asyncio.to_thread(run.complete)
    workspace.client.close()


async def test_many_requests_at_once_bring_one_service(browser: Browser, folder: WorkspaceFolder) -> None:
    async with browser() as http:
        await http.get("workspace")
        await kill(folder)
        answers = await asyncio.gather(*(http.get("workspace") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}


async def test_a_killed_service_comes_back_by_itself(
    quick: None, browser: Browser, folder: WorkspaceFolder
) -> None:
    async with browser() as http:
        await http.get("workspace")
    killed = await kill(folder)
    await wait_until(lambda: is_up(folder) and pid_of(folder) != killed)


async def test_a_stopped_service_stays_stopped_until_it_is_needed(
    quick: None, browser: Browser, folder: WorkspaceFolder
) -> None:
    async with browser() as http:
        await http.get("workspace")
        stopped = await http.post("service/stop", json={})
        assert stopped.status_code == 202
        await wait_until(lambda: not launch.is_running(folder))
        await asyncio.sleep(0.5)
        assert not launch.is_running(folder)
        assert (await http.get("workspace")).status_code == 200


async def test_the_end_of_jupyter_is_not_the_end_of_the_service(
    browser: Browser, aml_app: AmlApp, folder: WorkspaceFolder
) -> None:
    async with browser() as http:
        assert (await http.get("workspace")).status_code == 200
    await aml_app.stop_extension()
    assert is_up(folder)


async def test_a_run_s_changes_become_jupyter_events(
    quick: None,
    events: asyncio.Queue[dict[str, Any]],
    jp_serverapp: ServerApp,
    client: Client,
) -> None:
    await jp_serverapp.extension_manager.start_all_extensions()
    seen: dict[str, set[str]] = {}
    async with asyncio.timeout(60):
        while "Completed" not in seen.get("Running", set()):
            run = await asyncio.to_thread(client.call, "start_run", experiment="watched")
            await asyncio.to_thread(client.call, "finish_run", run_id=run["id"], status="Completed")
            await asyncio.sleep(0.1)
            while not events.empty():
                event = events.get_nowait()
                fields = {name for name in event if not name.startswith("__")}
                assert fields == {"run_id", "experiment", "status", "progress"}
                assert event["experiment"] == "watched"
                seen.setdefault("Running", set()).add(event["status"])


async def test_an_event_that_does_not_fit_does_not_end_the_relay(
    aml_app: AmlApp, events: asyncio.Queue[dict[str, Any]]
) -> None:
    good = {"run_id": "0" * 32, "experiment": "e", "status": "Running", "progress": {"done": 1, "total": 2}}
    for event in ({"status": "Exploded"}, {**good, "value": 0.5}, {**good, "progress": {"done": "x"}}, good):
        aml_app.relay._relay(event)
    async with asyncio.timeout(10):
        received = [await events.get(), await events.get()]
    assert all(event["run_id"] == "0" * 32 and "value" not in event for event in received)
    assert events.empty()


class TestReachableState:
    """The workspace lies where Jupyter's file browser reaches (security case A18)."""

    @pytest.fixture
    def aml_home(self, jp_root_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """In the open below the root folder."""
        monkeypatch.setenv("AML_HOME", str(jp_root_dir / "aml"))
        monkeypatch.delenv("AML_WORKSPACE", raising=False)
        return jp_root_dir / "aml"

    async def test_nothing_is_served_and_nothing_started(self, browser: Browser, aml_home: Path) -> None:
        async with browser() as http:
            for method, path in (("GET", "workspace"), ("GET", "openapi.json"), ("POST", "notebooks/submit")):
                response = await http.request(method, path)
                error = response.json()["error"]
                assert (response.status_code, error["code"]) == (503, "unavailable")
                assert "file browser" in error["message"]
                assert "AML_HOME" in error["hint"]
        assert not (aml_home / "workspaces" / "default" / "run" / "service.json").exists()


class TestMissingWorkspace:
    """The configured workspace does not exist."""

    @pytest.fixture
    def jp_server_config(self, aml_home: Path) -> dict[str, Any]:
        """A name nobody made a workspace by."""
        return {
            "ServerApp": {"jpserver_extensions": {"jupyter_aml": True, "jupyter_server_terminals": False}},
            "AmlApp": {"workspace": "defualt"},
        }

    async def test_the_answer_says_so(self, browser: Browser) -> None:
        async with browser() as http:
            response = await http.get("workspace")
        assert response.status_code == 503
        assert response.headers["Retry-After"]
        assert "'defualt'" in response.json()["error"]["message"]

    async def test_and_nothing_is_open_though_jupyter_allows_the_anonymous(self, browser: Browser) -> None:
        async with browser(anonymous=True) as http:
            for path in ("workspace", "openapi.json", "nothing"):
                assert (await http.get(path)).status_code == 403
            assert (await http.post("notebooks/submit")).status_code == 403
