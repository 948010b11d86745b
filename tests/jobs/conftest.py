"""What the tests of jobs share: a pool that stays for the session, and a way to run a notebook through it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_aml.jobs.warm.pool import WarmPool

DRIVER = Path(__file__).parent / "notebook" / "driver.py"


@dataclass
class Ran:
    """What a notebook's execution left."""

    result: dict[str, Any]
    output: Path
    kernel_log: Path

    @property
    def ok(self) -> bool:
        return bool(self.result["ok"])

    @property
    def error(self) -> dict[str, Any]:
        return dict(self.result["error"] or {})

    @property
    def text(self) -> str:
        return str(self.result["text"])

    @property
    def told(self) -> list[Any]:
        return list(self.result["told"])

    @property
    def notebook(self) -> NotebookNode:
        notebook = nbformat.read(self.output, as_version=4)
        nbformat.validate(notebook)
        return notebook


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until ``condition()`` is true; its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return value


def as_notebook(cells: Sequence[str | NotebookNode]) -> NotebookNode:
    """A Python notebook with these cells."""
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(
        metadata={"kernelspec": spec},
        cells=[new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells],
    )


def _environment() -> dict[str, str]:
    # ipykernel does not capture what C code prints where it believes to be inside pytest.
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


class Runs:
    """Runs notebooks in processes forked from the pool, or started cold."""

    def __init__(self, folder: Path, pool: WarmPool) -> None:
        self._folder = folder
        self._pool = pool
        self._count = 0
        self._started: list[subprocess.Popen[bytes]] = []

    def begin(
        self,
        cells: Sequence[str | NotebookNode],
        *,
        parameters: dict[str, Any] | None = None,
        stop: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        files: dict[str, str] | None = None,
        cold: bool = False,
        **options: Any,
    ) -> Path:
        """Start a run; its folder."""
        self._count += 1
        folder = self._folder / str(self._count)
        (folder / "work").mkdir(parents=True)
        for name, text in (files or {}).items():
            (folder / "work" / name).write_text(text)
        specification = folder / "spec.json"
        specification.write_text(
            json.dumps(
                {
                    "notebook": as_notebook(cells),
                    "parameters": parameters or {},
                    "cwd": str(folder / "work"),
                    "output": str(folder / "executed.ipynb"),
                    "result": str(folder / "result.json"),
                    "kernel_log": str(folder / "kernel.log"),
                    "environment": _environment() | (environment or {}),
                    "stop": stop or {},
                    "options": options,
                }
            )
        )
        if cold:
            command = [sys.executable, "-I", str(DRIVER), str(specification)]
            self._started.append(subprocess.Popen(command, start_new_session=True))
        else:
            self._pool.fork_runner([str(specification)], dict(os.environ))
        return folder

    def close(self) -> None:
        """Wait for what was started cold."""
        for process in self._started:
            process.wait(30)

    def __call__(self, *cells: str | NotebookNode, **how: Any) -> Ran:
        """Run the cells to their end."""
        folder = self.begin(cells, **how)
        wait_for((folder / "result.json").exists)
        result = json.loads((folder / "result.json").read_text())
        return Ran(result, folder / "executed.ipynb", folder / "kernel.log")


@pytest.fixture(scope="session")
def pool() -> Iterator[WarmPool]:
    """A warm pool whose runners are the tests' driver."""
    pool = WarmPool(preload=["numpy"], entry=f"{DRIVER}:main")
    pool.start()
    wait_for(pool.is_ready)
    yield pool
    pool.close()


@pytest.fixture
def runs(tmp_path: Path, pool: WarmPool) -> Iterator[Runs]:
    """Runs notebooks."""
    runs = Runs(tmp_path, pool)
    yield runs
    runs.close()
