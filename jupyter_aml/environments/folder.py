"""Where built environments lie, and when one counts as whole.

``<workspace>/environments/<key>/`` is a virtual environment; its marker ``aml.json`` is the last file that is
written before the folder gets its name, so what has the name is whole. Beside it two locks of the kernel:
``<key>.build`` is held by who builds, ``<key>.use`` is shared by the runs that use it, for their life.
``locks/`` keeps, for each definition, what it was resolved to. The files of a built
environment are read-only, and each run has a folder of its own in front of it (`environments.overlay`); what
is added or taken away where imports look first is noticed before the next use, and it is built anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from jupyter_aml.core.durable import sync_folder, write_durably
from jupyter_aml.core.paths import make_private
from jupyter_aml.environments.pythons import Python
from jupyter_aml.environments.uv_process import BuildStopped, Stop

LAYOUT = 1
_MARKER = "aml.json"
_WAIT_SECONDS = 0.05


@dataclass(frozen=True)
class Marker:
    """What a built environment says of itself. ``size`` is in bytes, ``built_at`` ms since the epoch.

    ``top`` and ``files`` are digests of `top_level` and of all files' sizes, ``boot`` is the start of the
    machine since when the latter is known to hold.
    """

    python: str
    packages: int
    size: int
    built_at: int
    top: str
    files: str
    boot: str


@dataclass(frozen=True)
class Resolution:
    """What a definition was resolved to: a Python, and the lock's text."""

    python: Python
    lock: str

    @property
    def key(self) -> str:
        """The name of the environment that is built from it."""
        parts = [
            str(LAYOUT),
            platform.machine(),
            self.python.version,
            self.python.executable,
            bare(self.lock),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def bare(lock: str) -> str:
    """A lock without comments and empty lines, which decide nothing."""
    lines = (line.split(" #", 1)[0].rstrip() for line in lock.splitlines())
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


class EnvironmentFolder:
    """The built environments of a workspace on this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.locks = root / "locks"

    def built(self, key: str) -> Built:
        """The environment of that key, built or not."""
        return Built(self.root / key)

    def all_built(self) -> Iterator[Built]:
        """Every environment that is whole."""
        if self.root.is_dir():
            for path in sorted(self.root.iterdir()):
                if len(path.name) == 32 and (path / _MARKER).is_file():
                    yield Built(path)

    def resolution_file(self, digest: str, own: Python) -> Path:
        """Where it is kept what the definition of ``digest`` was resolved to for the Python ``own``."""
        name = hashlib.sha256(f"{LAYOUT}\0{digest}\0{own.version}\0{own.executable}".encode()).hexdigest()
        return self.locks / f"{name[:32]}.json"

    def read_resolution(self, file: Path) -> Resolution | None:
        """What is kept in ``file``; None where nothing is, or where its Python has gone since."""
        try:
            found = json.loads(file.read_bytes())
            resolution = Resolution(Python(found["executable"], found["version"]), found["lock"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return resolution if os.access(resolution.python.executable, os.X_OK) else None

    def keep_resolution(self, file: Path, resolution: Resolution) -> None:
        """Keep what a definition was resolved to."""
        make_private(file.parent)
        write_durably(file, json.dumps({**asdict(resolution.python), "lock": resolution.lock}).encode())


class Built:
    """One environment: its folder, which may not be there, and its locks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.python = path / "bin" / "python"

    def marker(self) -> Marker | None:
        """What it says of itself; None where it is not there, or not whole."""
        try:
            return Marker(**json.loads((self.path / _MARKER).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def sound(self) -> bool:
        """Whether it is there, whole, and as it was built: nothing added or taken away where imports look.

        The first time after the machine was started anew, all files are looked at: it may have lost its power
        before their bytes were on the disk.
        """
        marker = self.marker()
        if marker is None or marker.top != top_level(self.path):
            return False
        if marker.boot == boot_id():
            return True
        if marker.files != contents(self.path)[0]:
            return False
        write_durably(self.path / _MARKER, json.dumps(asdict(replace(marker, boot=boot_id()))).encode())
        return True

    def used_at(self) -> int:
        """When a run last used it, ms since the epoch."""
        with contextlib.suppress(OSError):
            return self._lock_file("use").stat().st_mtime_ns // 1_000_000
        return 0

    def in_use(self) -> bool:
        """Whether a run uses it now."""
        descriptor = _locked(self._lock_file("use"), fcntl.LOCK_EX)
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def use(self) -> int:
        """Share it for the life of this process; the descriptor that says so."""
        descriptor = os.open(self._lock_file("use"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.utime(descriptor)
        return descriptor

    @contextlib.contextmanager
    def building(self, stop: Stop, wait: Callable[[], None]) -> Iterator[None]:
        """Be the one who builds it; ``wait`` is called once where somebody else does."""
        with held(self._lock_file("build"), stop, wait):
            yield

    def temporary(self) -> Path:
        """A new name beside it to build under; what an earlier builder left there is removed."""
        for left in self.path.parent.glob(f".{self.path.name}.*"):
            if not left.name.endswith(".old"):  # which a run may still be in
                shutil.rmtree(left, ignore_errors=True)
        return self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")

    def put(self, temporary: Path, marker: Marker) -> None:
        """Give what was built its name; its marker is written last."""
        make_read_only(temporary)
        write_durably(temporary / _MARKER, json.dumps(asdict(marker)).encode())
        if self.path.exists():  # one that was changed since it was built; runs may still have it open
            self.path.rename(self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.old"))
        temporary.rename(self.path)
        sync_folder(self.path.parent)

    def remove(self) -> bool:
        """Remove it, unless a run uses or builds it; whether it went."""
        with self._nobody() as nobody:
            if nobody:
                gone = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.old")
                self.path.rename(gone)
                shutil.rmtree(gone, ignore_errors=True)
            return nobody

    def remove_left_behind(self) -> None:
        """Remove what a builder that died left, and what this one took the place of, unless it is in use."""
        with self._nobody() as nobody:
            for left in self.path.parent.glob(f".{self.path.name}.*") if nobody else ():
                shutil.rmtree(left, ignore_errors=True)

    @contextlib.contextmanager
    def _nobody(self) -> Iterator[bool]:
        """Whether nobody builds or uses it, which stays so for the block."""
        descriptors = [_locked(self._lock_file(kind), fcntl.LOCK_EX) for kind in ("build", "use")]
        try:
            yield None not in descriptors
        finally:
            for descriptor in descriptors:
                if descriptor is not None:
                    os.close(descriptor)

    def _lock_file(self, kind: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{kind}")


def _locked(path: Path, how: int) -> int | None:
    """A descriptor that holds the lock, or None where somebody else does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


@contextlib.contextmanager
def held(path: Path, stop: Stop, wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock ``path``; ``wait`` is called once where it must be waited for."""
    make_private(path.parent)
    told = False
    while (descriptor := _locked(path, fcntl.LOCK_EX)) is None:
        if not told:
            wait()
            told = True
        if reason := stop():
            raise BuildStopped(reason)
        time.sleep(_WAIT_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)


def site_packages(prefix: Path) -> Path:
    """Where the packages of a virtual environment are."""
    return next((prefix / "lib").glob("python*/site-packages"))


def top_level(prefix: Path) -> str:
    """A digest of the names in ``bin`` and ``site-packages``, and of size and time of files among them."""
    try:
        folders = (prefix / "bin", site_packages(prefix))
    except StopIteration:
        return ""
    found = hashlib.sha256()
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name == "__pycache__":
                    continue
                line = entry.name
                if entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    line += f"\0{status.st_size}\0{status.st_mtime_ns}"
                found.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return found.hexdigest()


def contents(prefix: Path) -> tuple[str, int]:
    """A digest of the files below ``prefix`` with their sizes, and the bytes they take on the disk."""
    found, total = hashlib.sha256(), 0
    for folder, folders, names in os.walk(prefix):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            status = os.lstat(os.path.join(folder, name))
            total += status.st_blocks * 512
            if name != _MARKER:
                found.update(
                    f"{folder[len(str(prefix)) :]}/{name}\0{status.st_size}\n".encode(errors="replace")
                )
    return found.hexdigest(), total


def boot_id() -> str:
    """What tells one start of the machine from another."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def make_read_only(prefix: Path) -> None:
    """Let nobody write to a file below ``prefix`` by accident; Python may still add its ``__pycache__``."""
    for folder, _, names in os.walk(prefix):
        for name in names:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode):
                os.chmod(path, status.st_mode & 0o555)
