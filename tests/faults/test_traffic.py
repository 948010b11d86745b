"""R-F04, R-F10 and security cases M04, M06: big files and readers who read nothing; memory stays small."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jupyter_aml.client import launch
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.faults.kit import service_pid, until

MIB = 1 << 20
SIZE = 96 * MIB
AT_ONCE = 4


def memory(pid: int, kind: str = "VmHWM") -> int:
    """The memory of a process in bytes: the most it ever had, or (``VmRSS``) what it has now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(kind))


@pytest.fixture
def run(workspace: Workspace) -> Iterator[Run]:
    """A running run."""
    with workspace.experiments["x"].start_run() as found:
        yield found


@pytest.fixture
def service(workspace: Workspace, run: Run) -> int:
    """The service's process, after its first answers."""
    found = service_pid(workspace)
    assert found is not None
    return found


def test_big_files_go_up_and_down_beside_each_other_in_little_memory(
    workspace: Workspace, run: Run, service: int, tmp_path: Path
) -> None:
    """Four at once; meanwhile others are answered, and every byte is the same at the end."""
    paths = [tmp_path / f"{number}.bin" for number in range(AT_ONCE)]
    for path in paths:
        block = os.urandom(MIB)
        with path.open("wb") as file:
            for number in range(SIZE // MIB):
                file.write(number.to_bytes(4, "big") + block[4:])
    before, answered, done = memory(service), 0, threading.Event()

    def others() -> None:
        nonlocal answered
        while not done.wait(0.02):
            assert workspace.client.call("health")["status"] == "ok"
            answered += 1

    def up_and_down(path: Path) -> bool:
        run.upload_file(path.name, path)
        workspace.client.call("get_run", run_id=run.id)  # it is taken in now
        back = run.download_file(path.name, path.with_suffix(".back"))
        with path.open("rb") as one, back.open("rb") as other:
            return (
                hashlib.file_digest(one, "sha256").digest() == hashlib.file_digest(other, "sha256").digest()
            )

    def put(path: Path) -> None:
        with path.open("rb") as file:
            content = iter(lambda: file.read(MIB), b"")
            workspace.client.call("upload_artifact", run_id=run.id, path=f"put/{path.name}", content=content)

    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        asking = pool.submit(others)
        try:
            assert all(pool.map(up_and_down, paths))
            list(pool.map(put, paths[:2]))
        finally:
            done.set()
        asking.result()
    assert answered > 10
    assert memory(service) - before < 64 * MIB, "a file is held in memory"
    digests = {
        item["path"]: item["digest"]
        for item in workspace.client.call("list_artifacts", run_id=run.id)["items"]
    }
    for path in paths[:2]:
        assert digests[f"put/{path.name}"] == digests[path.name]


def test_readers_who_read_nothing_cost_little_and_keep_nobody_waiting(
    workspace: Workspace, run: Run, service: int
) -> None:
    """Sixty of them, on the stream of events and on a big file."""
    run.log_text("big.txt", "x" * (32 * MIB))
    assert len(run.read_file("big.txt")) == 32 * MIB
    address = launch.read_address(workspace.client.location.folder)
    assert address is not None
    token = workspace.client.location.folder.token.read_text()
    before, descriptors = memory(service), len(os.listdir(f"/proc/{service}/fd"))
    with contextlib.ExitStack() as stack:
        for number in range(60):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.connect(address.address.removeprefix("unix:"))
            path = "/api/v1/events" if number % 2 else f"/api/v1/runs/{run.id}/artifacts/big.txt"
            head = f"GET {path} HTTP/1.1\r\nHost: aml\r\nAuthorization: Bearer {token}\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(12) == b"HTTP/1.1 200"
        for number in range(50):
            workspace.client.call("set_tags", run_id=run.id, tags={"n": str(number)})
        assert workspace.client.call("health")["status"] == "ok"
        assert memory(service) - before < 64 * MIB
    until(lambda: len(os.listdir(f"/proc/{service}/fd")) <= descriptors + 5, 30)
    assert run.tags == {"n": "49"}
