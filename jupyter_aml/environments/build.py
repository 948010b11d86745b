"""From a definition to a Python that a job can be started with.

A built environment is found within milliseconds, without any process. Where there is none it is built under
a name nobody looks for, by one process while the others wait, and gets its name when it is whole.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.core.paths import make_private
from jupyter_aml.environments.folder import (
    Built,
    EnvironmentFolder,
    Marker,
    Resolution,
    bare,
    boot_id,
    contents,
    held,
    top_level,
)
from jupyter_aml.environments.lock import EnvironmentBuildError, failure, python_of, resolve
from jupyter_aml.environments.model import Definition
from jupyter_aml.environments.pythons import find_python, fits, minor_of, own_python, search_path
from jupyter_aml.environments.requirements import check_lock
from jupyter_aml.environments.uv_process import Stop, UvFailed, Write, run_uv

LOCK_NAME = "requirements.lock"  # within what is built, for who looks there


@dataclass(frozen=True)
class Ready:
    """An environment to run in. ``use`` is the descriptor that keeps it from being removed."""

    resolution: Resolution
    built: Built
    use: int


class Builder:
    """Builds environments below ``root``, a workspace's ``environments`` folder.

    Args:
        index: the variables that say where packages come from (`jupyter_aml.environments.index`).
        write: takes each line of the log.
        stop: why to stop now, or None; asked every 50 ms.
    """

    def __init__(self, root: Path, *, index: Mapping[str, str], write: Write, stop: Stop) -> None:
        self._folder = EnvironmentFolder(root)
        self._index = index
        self._write = write
        self._stop = stop

    def ready(self, definition: Definition, lock: str | None = None) -> Ready:
        """Have the environment of ``definition``; with ``lock``, the one of that lock.

        Raises `EnvironmentBuildError` or `NoPythonError` with the reason, and `BuildStopped`.
        """
        try:
            return self._ready(definition, lock)
        except UvFailed as error:
            raise failure(definition, error.text) from None
        except OSError as error:
            raise failure(definition, str(error)) from error

    def _ready(self, definition: Definition, lock: str | None) -> Ready:
        resolution = self._resolution(definition) if lock is None else self._of_lock(lock)
        built = self._folder.built(resolution.key)
        while True:
            make_private(built.path.parent)
            use = built.use()
            if built.sound():
                return Ready(resolution, built, use)
            os.close(use)
            with built.building(self._stop, self._wait):
                if not built.sound():
                    if built.marker() is not None:
                        self._write("what was built was changed since; it is built anew")
                    self._build(resolution, built)

    def _wait(self) -> None:
        self._write("another run is preparing this environment; waiting for it")

    def _resolution(self, definition: Definition) -> Resolution:
        file = self._folder.resolution_file(definition.resolution_digest(), own_python())
        found = self._folder.read_resolution(file)
        if found is not None:
            return found
        with held(file.with_suffix(".lock"), self._stop, self._wait):
            found = self._folder.read_resolution(file)
            if found is None:
                python = find_python(definition.python, write=self._write, stop=self._stop)
                self._write(f"resolving {len(definition.requirements)} requirements for {python.version}")
                found = resolve(definition, python, index=self._index, write=self._write, stop=self._stop)
                self._folder.keep_resolution(file, found)
            return found

    def _of_lock(self, lock: str) -> Resolution:
        """The resolution that a run kept: its packages, on the same Python or its nearest relative."""
        version = python_of(check_lock(lock))
        if version is None:
            raise EnvironmentBuildError("The lock that the run kept does not say its Python.")
        own = own_python()
        asked = version if fits(own.version, version) else minor_of(version)
        python = find_python(asked, write=self._write, stop=self._stop)
        if python.version != version:
            self._write(f"the lock is of Python {version}; {python.version} is used in its place")
        return Resolution(python, lock)

    def _build(self, resolution: Resolution, built: Built) -> None:
        begun = time.monotonic()
        temporary = built.temporary()
        python = resolution.python
        self._write(f"making an environment of {python.executable} ({python.version})")
        lock = temporary / LOCK_NAME
        try:
            self._run("venv", "--relocatable", "--python", python.executable, "--quiet", str(temporary))
            lock.write_text(resolution.lock)
            failpoint("environment.venv")
            self._run(
                "pip", "install", "--python", str(temporary / "bin" / "python"), "--no-deps",
                "--requirements", str(lock),
            )  # fmt: skip
            failpoint("environment.installed")
            marker = _marker(temporary, resolution)
            built.put(temporary, marker)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        seconds, size = time.monotonic() - begun, marker.size / 2**20
        self._write(f"ready after {seconds:.1f} s: {marker.packages} packages, {size:,.0f} MiB")

    def _run(self, *arguments: str) -> None:
        run_uv(arguments, index=self._index, search=search_path(), write=self._write, stop=self._stop)


def _marker(prefix: Path, resolution: Resolution) -> Marker:
    packages = sum(not line.startswith((" ", "\t")) for line in bare(resolution.lock).splitlines())
    files, size = contents(prefix)
    return Marker(
        python=resolution.python.version,
        packages=packages,
        size=size,
        built_at=time.time_ns() // 1_000_000,
        top=top_level(prefix),
        files=files,
        boot=boot_id(),
    )
