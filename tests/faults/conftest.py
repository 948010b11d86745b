"""Set-up of the fault tests: small disks of their own, and a count of what could not be tried here."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_aml.workspace import Workspace
from tests.conftest import reason, stop_service
from tests.faults.kit import kill


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _mount(*command: str) -> None:
    try:
        _run("mount", *command)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine does not let us mount ({getattr(error, 'stderr', '') or error})".strip())


@pytest.fixture(autouse=True)
def no_leftovers(tmp_path: Path) -> Iterator[None]:
    """Whatever was killed in a test, no process of it lives on after it."""
    yield
    deadline = time.monotonic() + 5  # a service gives its lock back before the process is quite gone
    while (left := _started_for(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        kill(pid)
    assert left == []


def _started_for(folder: Path) -> list[int]:
    return [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _belongs(pid, folder)]


def _belongs(pid: int, folder: Path) -> bool:
    """Whether the process was started for something below ``folder``, or works there."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        places = [os.readlink(f"/proc/{pid}/cwd"), *map(os.fsdecode, words)]
    except OSError:
        return False
    return pid != os.getpid() and any(place.startswith(f"{folder}/") for place in places)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Makes tmpfs mounts: ``small_disk("name", "24m")``; the same call with another size resizes it."""
    if os.getuid() != 0:
        pytest.skip("mounting a small disk needs root")
    mounted: list[Path] = []

    def make(name: str, options: str) -> Path:
        folder = tmp_path / name
        if folder in mounted:
            _mount("-o", f"remount,{options}", str(folder))
        else:
            folder.mkdir(exist_ok=True)
            _mount("-t", "tmpfs", "-o", options, "tmpfs", str(folder))
            mounted.append(folder)
        return folder

    yield make
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


class PowerDisk:
    """An ext4 file system in a file, whose power can be cut: what was not synced is gone then."""

    def __init__(self, folder: Path) -> None:
        self.image = folder / "disk.img"
        self.path = folder / "disk"
        self.path.mkdir()
        with self.image.open("wb") as file:
            file.truncate(256 * 2**20)
        try:
            _run("mkfs.ext4", "-q", "-F", str(self.image))
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no ext4 can be made here ({error})")
        self._mount()

    def _mount(self) -> None:
        _mount("-o", "loop", str(self.image), str(self.path))

    def cut(self) -> None:
        """No power from here on: every write fails (EXT4_IOC_SHUTDOWN, without flushing the journal)."""
        import fcntl
        import struct

        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, 0x8004587D, struct.pack("I", 2))
        except OSError as error:
            pytest.skip(f"the power of this kernel's ext4 cannot be cut ({error})")
        finally:
            os.close(descriptor)

    def restore(self) -> None:
        """Power is back: what the disk holds is there. Every process that used it must have ended."""
        deadline = time.monotonic() + 30
        while subprocess.run(["umount", str(self.path)], check=False, capture_output=True).returncode != 0:
            assert time.monotonic() < deadline, "somebody still uses the disk"
            time.sleep(0.1)  # a killed process lets go a moment after its end is seen
        self._mount()

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.path)], check=False, capture_output=True)


@pytest.fixture
def power_disk(tmp_path: Path) -> Iterator[PowerDisk]:
    """An ext4 whose power can be cut."""
    if os.getuid() != 0:
        pytest.skip("cutting the power of a disk needs root")
    disk = PowerDisk(tmp_path)
    yield disk
    disk.close()


@pytest.fixture
def workspace_on(home: Path) -> Iterator[Callable[[Path], Workspace]]:
    """Makes a workspace in a folder; at the end its service is stopped and the store must be whole."""
    made: list[Workspace] = []

    def make(folder: Path) -> Workspace:
        made.append(Workspace.create("faulty", path=folder / "workspace", exist_ok=True))
        return made[-1]

    yield make
    for workspace in made:
        problems = workspace.client.call("check_workspace")["problems"]
        stop_service(workspace)
        assert problems == []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Count the faults that could not be tried on this machine, with the reasons."""
    skipped = [r for r in terminalreporter.stats.get("skipped", ()) if "tests/faults/" in r.nodeid]
    if skipped:
        why = "; ".join(sorted({reason(report) for report in skipped}))
        terminalreporter.write_line(f"{len(skipped)} fault tests were skipped: {why}.", yellow=True)
