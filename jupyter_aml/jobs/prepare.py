"""Preparing: the environment a job names is found or built, and a folder of the run's own put before it.

What the build says goes to ``system_logs/environment.txt`` as it comes. Cancelling and the job's time-out
count from here on.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from jupyter_aml.core.paths import RunFolder, WorkspaceFolder
from jupyter_aml.environments.build import Builder
from jupyter_aml.environments.existing import inspect_interpreter
from jupyter_aml.environments.index import uv_environment
from jupyter_aml.environments.lock import LOCK_PATH, EnvironmentBuildError
from jupyter_aml.environments.model import Definition
from jupyter_aml.environments.overlay import make_overlay
from jupyter_aml.environments.package import can_import, package_folder
from jupyter_aml.environments.uv_process import BuildStopped
from jupyter_aml.jobs.logfile import LogFile
from jupyter_aml.jobs.other_python import OtherPython
from jupyter_aml.jobs.work import Assignment
from jupyter_aml.tracking.recorder import Recorder

__all__ = ["BuildStopped", "Preparation", "Prepared"]
LOG = "system_logs/environment.txt"
_UNWANTED = ("VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYTHONPATH")


@dataclass(frozen=True)
class Prepared:
    """What a job is started with.

    Attributes:
        kernel: the Python to start a kernel with.
        environment: the job's environment, but for what the job itself sets.
        lock: what is in it, as text; None for an interpreter that is used as it is.
    """

    kernel: OtherPython
    environment: dict[str, str]
    lock: str | None

    def keep_lock(self, recorder: Recorder) -> None:
        """Make the lock a file of the run, so that a rerun gets the same."""
        if self.lock is not None:
            recorder.add_bytes(LOCK_PATH, self.lock.encode())


class Preparation:
    """Prepares the environment of one attempt."""

    def __init__(self, assignment: Assignment, folder: RunFolder, tell: Callable[[str], None]) -> None:
        assert assignment.python_environment is not None
        self._assignment = assignment
        self._asked = assignment.python_environment
        self._definition = Definition.model_validate(self._asked["definition"])
        self._folder = folder
        self._tell = tell
        self._log = LogFile(folder.logs / LOG)
        self._begun = time.monotonic()
        self._told = False

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._begun

    def last_lines(self) -> list[str]:
        """The end of the build's log."""
        return self._log.last_lines()

    def run(self) -> Prepared:
        """Have the environment; `BuildStopped` where the run is stopped meanwhile, `AmlError` without it."""
        try:
            reference = self._asked["reference"]
            self._write(f"environment {reference}")
            for note in self._asked["notes"]:
                self._write(note)
                self._tell(note)
            if self._asked["problem"] is not None:
                raise EnvironmentBuildError(self._asked["problem"])
            if self._definition.interpreter is not None:
                return self._existing(self._definition.interpreter)
            return self._built()
        finally:
            self._log.close()

    def _built(self) -> Prepared:
        index = uv_environment(self._asked["index"], self._definition.extra_index_urls)
        root = WorkspaceFolder(Path(self._assignment.workspace)).environments
        builder = Builder(root, index=index, write=self._write_build, stop=self._stop)
        ready = builder.ready(self._definition, self._asked["lock"])
        version = ready.resolution.python.version
        if not can_import(version):
            self._tell(f"Python {version} cannot import jupyter_aml: this job logs by files in outputs/ only")
        overlay = self._folder.attempt_folder(self._assignment.attempt) / "environment"
        programs = make_overlay(ready.built, version, overlay)
        self._write(f"ready: Python {version}, {ready.built.path.name}")
        environment = self._environment([str(programs), str(ready.built.path / "bin")])
        # Our stream of a kernel's output is made for the ipykernel we have.
        same = f"ipykernel=={metadata.version('ipykernel')} " in ready.resolution.lock
        kernel = OtherPython(str(programs / "python"), bounded=same and can_import(version))
        environment["VIRTUAL_ENV"] = str(overlay)
        return Prepared(kernel, environment, ready.resolution.lock)

    def _existing(self, interpreter: str) -> Prepared:
        version = inspect_interpreter(interpreter, notebook=self._assignment.job["type"] != "command")
        self._write(f"{interpreter} is used as it is: Python {version}")
        environment = self._environment([str(Path(interpreter).parent)])
        if (Path(interpreter).parent.parent / "pyvenv.cfg").is_file():
            environment["VIRTUAL_ENV"] = str(Path(interpreter).parent.parent)
        if can_import(version):
            root = WorkspaceFolder(Path(self._assignment.workspace)).environments
            environment["PYTHONPATH"] = str(package_folder(root))
        return Prepared(OtherPython(interpreter, bounded=False), environment, None)

    def _environment(self, first: list[str]) -> dict[str, str]:
        """The job's environment with these folders of programs first, and the service's own left out."""
        kept = {k: v for k, v in self._assignment.environment.items() if k not in _UNWANTED}
        own = str(Path(sys.executable).parent)
        rest = [part for part in kept.get("PATH", os.defpath).split(os.pathsep) if part != own]
        path = os.pathsep.join([*first, *rest])
        return {**kept, "PATH": path, **self._definition.environment_variables}

    def _write(self, line: str) -> None:
        self._log.write(f"{line}\n".encode())

    def _write_build(self, line: str) -> None:
        """What is said only where there is something to build, which the job's own log mentions too."""
        self._write(line)
        if not self._told:
            self._told = True
            self._tell(f"preparing environment {self._asked['reference']}; its log is {LOG}")

    def _stop(self) -> str | None:
        if (self._folder.root / "cancel").exists():
            return "canceled"
        timeout = self._assignment.job["timeout"]
        return "timeout" if timeout is not None and self.seconds > timeout else None
