"""Nobody else on the machine reads a workspace, whatever the umask of who uses it says (cases G20, E07)."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.client import launch
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service
from tests.security.conftest import hold, until


@pytest.fixture(params=[0o000, 0o077, 0o022], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """A umask of this process, and so of all it starts."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


class Modes(threading.Thread):
    """Looks at a folder all the time and keeps what others could have read or entered."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root, self.seen, self.open = root, set[str](), set[str]()
        self.done = threading.Event()

    def look(self) -> None:
        """One look at everything below the folder (a job's own folders aside, which lie in closed ones)."""
        for folder, folders, files in os.walk(self.root):
            for name in [*folders, *files]:
                path = Path(folder, name)
                if "work" in path.relative_to(self.root).parts:
                    continue
                try:
                    mode = path.lstat().st_mode
                except OSError:
                    continue
                self.seen.add(path.suffix or path.name)
                if stat.S_IMODE(mode) & 0o077 and not stat.S_ISLNK(mode):
                    self.open.add(f"{path.relative_to(self.root)} {stat.filemode(mode)}")

    def run(self) -> None:
        """Look until told to stop."""
        while not self.done.is_set():
            self.look()
            time.sleep(0.002)


def test_everything_is_for_its_owner_alone(tmp_path: Path, umask: int, workspace: Workspace) -> None:
    place = tmp_path / "place"
    own = Workspace.create("own", path=place)
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    modes = Modes(place)
    modes.start()
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "file").chmod(0o666)
    with own.experiments["x"].start_run() as run:
        run.log("a", 1.0)
        run.log_text("text", "x")
        run.upload_file("file", tmp_path / "file")
        own.client.call("upload_artifact", run_id=run.id, path="put", content=b"x")
        (tmp_path / "job").mkdir()
        job = hold(own, tmp_path / "job")
        job.run.log("b", 1.0)
        modes.look()
        job.let_go()
    outputs = own.submit(
        command("umask 0; echo x > outputs/open; chmod 777 outputs outputs/open; echo y > logs/open")
    )
    until(lambda: outputs.is_final)
    address = launch.read_address(own.client.location.folder)
    assert address is not None
    sockets = [Path(address.address.removeprefix("unix:"))]
    sockets += sockets[0].parent.glob("*.sock")
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in sockets)
    modes.done.set()
    modes.join()
    modes.look()
    assert {"aml.db", "token", "service.lock", "lock", ".journal", ".json", "attempt", "staging"} <= modes.seen | {
        "aml.db" if ".db" in modes.seen else "", "service.lock" if ".lock" in modes.seen else ""
    }  # fmt: skip
    assert modes.open == set()
    stop_service(own)


def test_a_download_trusts_no_name_that_was_there_before(workspace: Workspace, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "shared"
    folder.mkdir()
    with workspace.experiments["x"].start_run() as run:
        run.log_text("a.txt", "new")
    (folder / f".a.txt.{os.getpid()}.part").symlink_to(victim)
    (folder / "a.txt").symlink_to(victim)
    assert run.download_file("a.txt", folder / "a.txt").read_text() == "new"
    assert victim.read_text() == "precious" and not (folder / "a.txt").is_symlink()


def test_the_folder_for_a_long_socket_path_is_only_the_owner_s(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    shared = Path("/tmp") / f"aml-security-{os.getpid()}"
    shared.mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(shared))
    place = tmp_path / ("long" * 30)
    digest = hashlib.sha256(os.fsencode(place)).hexdigest()[:12]
    trap = shared / f"aml-{os.getuid()}-{digest}"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o777)
    trap.symlink_to(elsewhere)
    deep = Workspace.create("deep", path=place)
    deep.get_details()
    address = launch.read_address(deep.client.location.folder)
    assert address is not None
    socket = Path(address.address.removeprefix("unix:"))
    assert not list(elsewhere.iterdir()) and stat.S_IMODE(socket.parent.lstat().st_mode) == 0o700
    stop_service(deep)
    trap.unlink()
    for path in sorted(shared.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    shared.rmdir()
