"""A real sshd on loopback, as another machine: with keys, a home and a folder of ours of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_aml.compute.compute import AttachedCompute
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import until

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def make_key(path: Path, passphrase: str = "") -> Path:
    """A new key pair; the file of its private half."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)]
    subprocess.run(command, check=True)
    return path


class Host:
    """The other machine."""

    def __init__(self, folder: Path, address: str = "127.0.0.1", within: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.address = address
        self._within = within  # the words before a command that is to run on it
        self.home = folder / "home"
        self.aml = folder / "there"  # what ~/.aml would be
        self.home.mkdir()
        self.key = make_key(folder / "id")
        make_key(folder / "host_key")
        self.authorized = folder / "authorized_keys"
        shutil.copy(folder / "id.pub", self.authorized)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))  # of which there is one like it on the other machine
            self.port = int(free.getsockname()[1])
        # What it has of its own: where its pip finds packages, as this machine's does.
        self.variables = {
            name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_CERT"))
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Let it be reached."""
        assert SSHD is not None
        config = self.folder / "sshd_config"
        variables = {**self.variables, "AML_REMOTE_HOME": self.aml, "HOME": self.home}
        given = " ".join(f'"{name}={value}"' for name, value in variables.items())
        config.write_text(
            f"Port {self.port}\nListenAddress {self.address}\nHostKey {self.folder}/host_key\n"
            f"AuthorizedKeysFile {self.authorized}\nPasswordAuthentication no\nUsePAM no\nStrictModes no\n"
            f"PidFile none\nSetEnv {given}\nPermitRootLogin yes\n"
            "KbdInteractiveAuthentication no\n"
        )
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._within, SSHD, "-D", "-e", "-f", str(config)], stderr=log, stdout=log
            )
        until(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.address, self.port)) == 0

    def connections(self) -> list[int]:
        """Its processes that serve a connection."""
        assert self._process is not None
        return children(self._process.pid)

    def cut(self) -> None:
        """Kill every connection."""
        for pid in self.connections():
            for below in [*children(pid), pid]:
                with_suppressed_kill(below)

    def stop(self) -> None:
        """Let it be reached no more; what runs on it goes on."""
        assert self._process is not None
        connections = self.connections()
        self._process.kill()
        self._process.wait()
        for pid in connections:
            for below in [*children(pid), pid]:
                with_suppressed_kill(below)


def with_suppressed_kill(pid: int) -> None:
    """SIGKILL, to a process that may just have gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def children(pid: int) -> list[int]:
    """The processes whose parent this is."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            fields = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(name))
    return found


@pytest.fixture(autouse=True)
def own_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No agent and no configuration of who runs the tests takes part."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """The other machine; nothing of ours lives on it after the test."""
    if SSHD is None:
        pytest.skip("no sshd on this machine (apt-get install openssh-server)")
    folder = tmp_path / "host"
    folder.mkdir()
    found = Host(folder)
    yield found
    clean_up(found)


def clean_up(found: Host) -> None:
    """End the machine; nothing of ours may live on it afterwards."""
    found.stop()
    deadline = time.monotonic() + 10
    while (left := processes_below(found.aml)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in left:
        with_suppressed_kill(pid)
    assert left == []


def processes_below(folder: Path) -> list[int]:
    """The processes that work in ``folder`` or were started for something in it."""
    found = []
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            places = [os.readlink(f"/proc/{pid}/cwd"), *map(os.fsdecode, words)]
        except OSError:
            continue
        if pid != os.getpid() and any(place.startswith(f"{folder}/") for place in places):
            found.append(pid)
    return found


def attach(workspace: Workspace, host: Host, **more: object) -> AttachedCompute:
    """Attach the host, whose Python is the tests' own."""
    given = {"private_key": str(host.key), "accept_host_key": True, "python": sys.executable, **more}
    return workspace.compute.attach_ssh("gpu-box", host.address, port=host.port, **given)  # type: ignore[arg-type]


@pytest.fixture
def attached(workspace: Workspace, host: Host) -> AttachedCompute:
    """The host, attached."""
    return attach(workspace, host)
