"""Compute instances in a Jupyter server: their kernels are offered, run there, keep them on, and end with them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import HTTPClientError

from jupyter_aml.client import Client
from jupyter_aml.compute.engines.local import cgroups
from jupyter_aml.server import kernels
from jupyter_aml.server.relay import COMPUTE_SCHEMA_ID

Fetch = Callable[..., Awaitable[Any]]
Call = Callable[..., Awaitable[Any]]
IDLE_SECONDS = 6.0
pytestmark = [
    pytest.mark.skipif(cgroups.means() == "soft", reason="this account may not make control groups"),
    pytest.mark.filterwarnings("ignore:unclosed <socket.socket .*family=1,:ResourceWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def short_times() -> Iterator[None]:
    """The service takes idle times of seconds, and the extension looks often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AML_INSTANCE_IDLE_SECONDS", "1")
        patch.setattr(kernels, "_LOOK_SECONDS", 0.5)
        yield


@pytest.fixture
def call(
    jp_serverapp: ServerApp, jp_asyncio_loop: asyncio.AbstractEventLoop, client: Client
) -> Iterator[Call]:
    """Calls the service; the server is up, and at the end the computes are deleted."""
    jp_asyncio_loop.run_until_complete(jp_serverapp.extension_manager.start_all_extensions())

    async def called(operation: str, **arguments: Any) -> Any:
        return await asyncio.to_thread(client.call, operation, **arguments)

    client.call("get_workspace")
    yield called
    for compute in client.call("list_computes")["items"]:
        client.call("delete_compute", name=compute["name"], force=True)
    wait_until(lambda: client.call("list_computes")["items"] == [])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def until(ask: Callable[[], Awaitable[Any]], condition: Callable[[Any], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            if condition(await ask()):
                return
            await asyncio.sleep(0.1)


async def is_on_the_instance(kernel: Any) -> None:
    """It enters with its very first step, which its start does not wait for."""

    async def groups() -> str:
        path = Path(f"/proc/{kernel.provisioner.pid}/cgroup")
        return await asyncio.to_thread(path.read_text)

    await until(groups, lambda found: "ci-ada" in found)


async def in_state(call: Call, state: str) -> None:
    await until(lambda: call("get_compute", name="ci-ada"), lambda found: found["state"] == state)


async def make(call: Call, **settings: Any) -> None:
    wanted = {"kind": "instance", "name": "ci-ada", "cpus": 0.5, "memory": "250MiB", **settings}
    await call("create_compute", compute=wanted)
    await in_state(call, "Running")


async def start_kernel(jp_fetch: Fetch) -> Any:
    """Start a session as JupyterLab does for a notebook; the kernel's model."""
    session = {"path": "a.ipynb", "name": "a.ipynb", "type": "notebook", "kernel": {"name": "aml-ci-ada"}}
    response = await jp_fetch("api", "sessions", method="POST", body=json.dumps(session))
    return json.loads(response.body)["kernel"]


async def offered(jp_fetch: Fetch) -> dict[str, str]:
    found = json.loads((await jp_fetch("api", "kernelspecs")).body)["kernelspecs"]
    return {name: spec["spec"]["display_name"] for name, spec in found.items()}


async def test_the_kernels_of_instances_come_and_go(call: Call, jp_fetch: Fetch) -> None:
    assert "aml-ci-ada" not in await offered(jp_fetch)
    await make(call)
    assert (await offered(jp_fetch))["aml-ci-ada"] == "Python 3 on ci-ada"
    await call("delete_compute", name="ci-ada")
    await until(lambda: offered(jp_fetch), lambda found: "aml-ci-ada" not in found)


async def test_a_notebook_s_kernel_runs_on_the_instance_and_ends_with_it(
    call: Call, jp_fetch: Fetch, jp_serverapp: ServerApp
) -> None:
    await make(call)
    kernel_id = (await start_kernel(jp_fetch))["id"]
    kernel = jp_serverapp.kernel_manager.get_kernel(kernel_id)
    await is_on_the_instance(kernel)
    await call("stop_compute", name="ci-ada")

    async def kernels() -> Any:
        return json.loads((await jp_fetch("api", "kernels")).body)

    # Jupyter gives a kernel up that is dead, and does not try to start it again and again.
    await until(kernels, lambda found: found == [])
    await call("start_compute", name="ci-ada")
    await in_state(call, "Running")
    again = await start_kernel(jp_fetch)
    await is_on_the_instance(jp_serverapp.kernel_manager.get_kernel(again["id"]))
    await jp_fetch("api", "kernels", again["id"], method="DELETE")


async def test_a_killed_kernel_is_started_again_on_its_instance(
    call: Call, jp_fetch: Fetch, jp_serverapp: ServerApp
) -> None:
    await make(call)
    kernel_id = (await start_kernel(jp_fetch))["id"]
    kernel = jp_serverapp.kernel_manager.get_kernel(kernel_id)
    killed = kernel.provisioner.pid
    os.kill(killed, signal.SIGKILL)

    async def pid() -> Any:
        return kernel.provisioner.pid

    await until(pid, lambda found: found != killed)
    await is_on_the_instance(kernel)
    await jp_fetch("api", "kernels", kernel_id, method="DELETE")


async def test_the_user_of_a_stopped_instance_reads_why_no_kernel_starts(call: Call, jp_fetch: Fetch) -> None:
    await make(call)
    await call("stop_compute", name="ci-ada")
    await in_state(call, "Stopped")
    with pytest.raises(HTTPClientError) as refused:
        await start_kernel(jp_fetch)
    assert refused.value.response is not None
    said = json.loads(refused.value.response.body)["message"]
    assert "The compute instance ci-ada is stopped." in said and "aml compute start -n ci-ada" in said


@pytest.mark.slow
async def test_a_cell_that_waits_keeps_its_instance_on(
    call: Call, jp_fetch: Fetch, jp_serverapp: ServerApp
) -> None:
    await make(call, idle_seconds=IDLE_SECONDS)
    kernel_id = (await start_kernel(jp_fetch))["id"]
    client = jp_serverapp.kernel_manager.get_kernel(kernel_id).client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    client.execute("import time; time.sleep(600)")
    seen = set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(3 * IDLE_SECONDS):
            while True:
                seen.add((await call("get_compute", name="ci-ada"))["state"])
                await asyncio.sleep(0.2)
    assert seen == {"Running"}
    await jp_fetch("api", "kernels", kernel_id, "interrupt", method="POST", allow_nonstandard_methods=True)
    await in_state(call, "Stopped")
    client.stop_channels()
    await jp_fetch("api", "kernels", kernel_id, method="DELETE")


async def test_what_happens_to_computes_becomes_jupyter_events(call: Call, jp_serverapp: ServerApp) -> None:
    received: list[dict[str, Any]] = []

    async def listen(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        received.append({name: value for name, value in data.items() if not name.startswith("__")})

    assert jp_serverapp.event_logger is not None
    jp_serverapp.event_logger.add_listener(schema_id=COMPUTE_SCHEMA_ID, listener=listen)
    # The stream of events is joined some moments after the server has come up.
    async with asyncio.timeout(60):
        while not received:
            await call("create_compute", compute={"kind": "cluster", "name": "try-it"}, exist_ok=True)
            await asyncio.sleep(0.2)
    received.clear()
    await make(call, idle_seconds=IDLE_SECONDS)
    await in_state(call, "Stopped")
    await asyncio.sleep(0.5)
    told = [event for event in received if event["compute"] == "ci-ada"]
    assert [event["state"] for event in told] == ["Creating", "Running", "Running", "Stopping", "Stopped"]
    said = [event["message"] for event in told if event["message"]]
    assert said[0].startswith("ci-ada will be stopped in ")
    assert said[1] == "ci-ada was idle and is being stopped."
    assert all(set(event) == {"compute", "state", "message"} for event in told)
