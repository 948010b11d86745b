"""P2 and R-A for the Jupyter server: it is killed at each moment, and no run, log or artifact notices."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from jupyter_aml.workspace import Workspace
from tests.browser.jupyter import Jupyter
from tests.faults.kit import book, ended, service_pid, until


class Killable(Jupyter):
    """A Jupyter server that can be killed with everything it has started, and started again."""

    def meet(self, failpoints: str) -> None:
        """Let the service that it starts meet these failpoints."""
        self._environment |= {"AML_TEST_MODE": "1", "AML_FAILPOINTS": failpoints, "AML_WARM": "0"}

    def kill(self, *, group: bool) -> None:
        """SIGKILL; with ``group`` to all of its process group, as a closing terminal does."""
        if group:
            os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait()

    def http(self) -> httpx.Client:
        """A client of its API, logged in."""
        headers = {"Authorization": f"token {self.token}"}
        url = f"{self.origin}/aml/api/v1"
        return httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Jupyter's root folder, with a notebook that goes on until it is let go."""
    wait = f"import os, time\nwhile not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.02)"
    cells = ["print('begun', flush=True)", wait, "print('over')\n_ = open('outputs/x', 'w').write('kept')"]
    book(tmp_path / "root" / "work", *cells)
    return tmp_path / "root"


@pytest.fixture
def servers(root: Path, workspace: Workspace, tmp_path: Path) -> list[Killable]:
    """Two Jupyter servers of one workspace, to be started one after the other."""
    home = Path(os.environ["AML_HOME"])
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        made.append(Killable("jupyter_server", root, home, tmp_path / name))
    return made


def test_a_killed_jupyter_takes_nothing_along(
    servers: list[Killable], workspace: Workspace, tmp_path: Path
) -> None:
    """Killed with its terminal while a run runs, a notebook is being submitted and a file is half uploaded."""
    reached, on = tmp_path / "reached", tmp_path / "on"
    first, second = servers
    first.meet(f"run.recorded=note:{reached}@2;run.recorded=wait:{on}@2")
    data = os.urandom(3 << 20)
    with first, first.http() as http:  # Jupyter starts the service
        run = workspace.runs.get(submit(http))
        until(lambda: "begun" in run.logs())
        service = service_pid(workspace)
        upload = f"/runs/{run.id}/artifacts/big.bin"
        broken_off = [Call(lambda: submit(http)), Call(lambda: http.put(upload, content=half(data, on)))]
        blobs = workspace.client.location.folder.blobs
        until(lambda: reached.exists() and any(path.stat().st_size > 0 for path in blobs.glob(".tmp-*")))
        first.kill(group=True)
        on.touch()
        assert [call.end() for call in broken_off] == [True, True]
    until(lambda: not any(blobs.glob(".tmp-*")), 20)
    with second, second.http() as http:
        assert http.get(f"/runs/{run.id}").json()["status"] == "Running"
        assert http.get(f"/runs/{run.id}/log").json()["text"] == "begun\n"
        assert "big.bin" not in run.get_file_names()
        stored = http.put(upload, content=data)
        assert stored.status_code == 201 and run.read_file("big.bin") == data
        (tmp_path / "go").touch()
        found = workspace.runs.list()
        assert len(found) == 2, "what was recorded when its sender died is a run, once"
        ended(*found)
        second.kill(group=False)
    for run in found:
        assert run.status == "Completed" and run.get_details()["attempt"] == 1
        assert run.logs() == "begun\nover\n" and run.read_file("outputs/x") == b"kept"
    assert service_pid(workspace) == service


class Call(threading.Thread):
    """A request that breaks off, in a thread of its own."""

    def __init__(self, request: Callable[[], object]) -> None:
        super().__init__()
        self._request = request
        self._broken = False
        self.start()

    def run(self) -> None:
        """Ask."""
        try:
            self._request()
        except httpx.TransportError:
            self._broken = True

    def end(self) -> bool:
        """Wait for its end; whether it broke off."""
        self.join(60)
        return self._broken


def submit(http: httpx.Client) -> str:
    """Submit the notebook; its run."""
    answer = http.post("/notebooks/submit", json={"path": "work/book.ipynb"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def half(data: bytes, on: Path) -> Iterator[bytes]:
    """The data, of which the second half comes when ``on`` is there."""
    yield data[: len(data) // 2]
    until(on.exists)
    yield data[len(data) // 2 :]
