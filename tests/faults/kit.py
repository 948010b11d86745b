"""What the fault tests share: who holds a lock, how to kill, how to wait, jobs that leave traces."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_aml import command, notebook
from jupyter_aml.client import launch
from jupyter_aml.jobs.model import Job
from jupyter_aml.jobs.processes import marked
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service

T = TypeVar("T")
PYTHON_SPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}


def until(condition: Callable[[], T], seconds: float = 60.0) -> T:
    """Wait until ``condition()`` is true; its value. What it is about shows in the caller's line."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return value


def ended(*runs: Run, seconds: float = 60.0) -> None:
    """Wait until all of these are final."""
    until(lambda: all(run.is_final for run in runs), seconds)


def holder(lock: Path) -> int | None:
    """The process that holds the flock on ``lock``."""
    with contextlib.suppress(FileNotFoundError):
        inode = str(lock.stat().st_ino)
        for line in Path("/proc/locks").read_text().splitlines():
            fields = line.split()
            if fields[1] == "FLOCK" and fields[5].rpartition(":")[2] == inode:
                return int(fields[4])
    return None


def service_pid(workspace: Workspace) -> int | None:
    """The process that owns the workspace."""
    return holder(workspace.client.location.folder.lock)


def runner_pid(run: Run) -> int | None:
    """The process that holds the run's lock."""
    found = holder(run._folder().lock)
    service = holder(run._client.location.folder.lock)  # it looks at the lock every so often, by taking it
    return None if found == service else found


def kill(pid: int | None) -> None:
    """SIGKILL, to a process that may just have gone."""
    if pid is not None and pid > 1:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def processes(run: Run) -> list[int]:
    """The job's own processes: what carries its mark, the runner left out."""
    runner = runner_pid(run)
    return [pid for pid in marked(run.id) if pid != runner]


def gone(run: Run) -> bool:
    """Whether no process of the run is left (one that is exiting may still be listed for a moment)."""
    return not list(marked(run.id))


def with_failpoints(workspace: Workspace, patch: pytest.MonkeyPatch, points: str) -> None:
    """Let the workspace's service, and everything it starts from now on, meet these failpoints."""
    stop_service(workspace)
    patch.setenv("AML_TEST_MODE", "1")
    patch.setenv("AML_FAILPOINTS", points)


def without_failpoints(workspace: Workspace, patch: pytest.MonkeyPatch) -> None:
    """End the faults; the next call starts a sound service."""
    patch.delenv("AML_FAILPOINTS")
    kill(service_pid(workspace))
    until(lambda: not launch.is_running(workspace.client.location.folder))


def traced_job(counter: Path) -> Job:
    """A command that leaves a line in ``counter`` each time it starts, a log and an output."""
    return command(f"echo begun >> {counter}; echo one; echo two; mkdir -p outputs; echo kept > outputs/x")


def check_traced(run: Run, counter: Path, starts: int = 1) -> None:
    """The traces of an undisturbed `traced_job`."""
    assert run.status == "Completed", run.error
    assert run.logs() == "one\ntwo\n"
    assert run.read_file("outputs/x") == b"kept\n"
    assert counter.read_text() == "begun\n" * starts


def book(folder: Path, *cells: str, name: str = "book.ipynb", tags: Mapping[int, Sequence[str]] = {}) -> Path:
    """A notebook file with these code cells."""
    document = new_notebook(
        metadata={"kernelspec": PYTHON_SPEC}, cells=[new_code_cell(cell) for cell in cells]
    )
    for index, given in tags.items():
        document.cells[index].metadata["tags"] = list(given)
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(document, folder / name)
    return folder / name


def book_job(folder: Path, *cells: str, **options: object) -> Job:
    """The job of a notebook with these cells."""
    return notebook(book(folder, *cells), **options)  # type: ignore[arg-type]


def executed(run: Run) -> nbformat.NotebookNode:
    """The executed notebook the run kept; it must be valid."""
    (name,) = [name for name in run.get_file_names() if name.startswith("notebook/")]
    document = nbformat.reads(run.read_file(name).decode(), as_version=4)
    nbformat.validate(document)
    return document


def printed(cell: nbformat.NotebookNode) -> str:
    """What a cell wrote to its streams."""
    return "".join(output.get("text", "") for output in cell.get("outputs", ()))


def reason(run: Run) -> str:
    """Why it failed."""
    return str((run.error or {}).get("reason"))


def freeze(pid: int) -> None:
    """Stop a process, and come back when each of its threads has stopped."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: set(_thread_states(pid)) <= {"T"})


def _thread_states(pid: int) -> Iterator[str]:
    for status in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            yield status.read_text().rpartition(")")[2].split()[0]


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process does nothing inside the block."""
    freeze(pid)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
