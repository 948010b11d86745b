"""One connection to an attached machine that many ``ssh`` commands go through, for a kernel that runs there.

It is made with all that `ssh_arguments` asks for: the pinned host key, the user's own configuration, nothing
forwarded but what its clients ask of it. Its clients read no configuration but ours: they know its socket,
and where it is gone they fail at once instead of connecting by themselves. When this process dies the
connection ends, and its forwarded ports with it.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from jupyter_aml.compute.engines.ssh.bring import open_channel, runner_python
from jupyter_aml.compute.engines.ssh.channel import ConnectionLostError, RefusedError, explained
from jupyter_aml.compute.engines.ssh.connection import (
    CONNECT_SECONDS,
    Target,
    TargetFolder,
    ssh_arguments,
    ssh_environment,
)
from jupyter_aml.compute.engines.ssh.kernel_place import GREETING
from jupyter_aml.errors import NotFoundError

_GREETING_SECONDS = 60.0
_END_SECONDS = 2.0
_AGAIN_SECONDS = 3.0
_NOISE = 256 * 1024
_SAID = re.compile(rb"(?:^|\n)" + GREETING.encode() + rb"([^\n]*)\n")
_PLAIN_PATH = re.compile(r"/[A-Za-z0-9_./+-]{1,900}", re.ASCII)  # sshpyk puts it into a shell's command


class SharedConnection:
    """A connection, made again when it was lost and somebody asks for it.

    Attributes:
        config: the file of the SSH configuration for its clients; ``target.alias`` is the Host in it.
        place: the folder there that `kernel_place` has made; "" before the first connection.
    """

    def __init__(self, target: Target, folder: TargetFolder) -> None:
        self._target = target
        self._folder = folder
        # A socket's path has 107 bytes, of which ssh wants some for itself: the workspace's may be too long.
        self._root = Path(tempfile.mkdtemp(prefix="aml-ssh-"))
        self._socket = self._root / "s"
        self.config = self._root / "config"
        self.config.write_text(_client_config(target, self._socket))
        self.place = ""
        self._lock = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._tried: float | None = None

    async def ensure(self) -> None:
        """Have the connection. Raises why it cannot be had: at once, where it was tried a moment ago."""
        async with self._lock:
            if self._process is not None and self._process.poll() is None and self._socket.exists():
                return
            if self._tried is not None and time.monotonic() - self._tried < _AGAIN_SECONDS:
                raise ConnectionLostError(f"{self._target.shown} cannot be reached now.")
            try:
                await asyncio.to_thread(self._open)
            except BaseException:
                self._tried = time.monotonic()
                raise
            self._tried = None

    async def close(self) -> None:
        """End the connection, and remove what was kept for it. It is not used again."""
        async with self._lock:
            await asyncio.to_thread(self._end)
            shutil.rmtree(self._root, ignore_errors=True)

    def _open(self) -> None:
        self._end()
        if not self._folder.target.is_file():
            raise NotFoundError(f"{self._target.name} was detached: there is no such compute any more.")
        if not self.place and not self._target.has_package:  # it is brought there, once
            open_channel(self._target, self._folder, lambda _: None, lambda: False).close()
        self._socket.unlink(missing_ok=True)
        command = f"exec {runner_python(self._target)} -P -m jupyter_aml.compute.engines.ssh.kernel_place"
        with (self._root / "said").open("wb") as errors:
            process = subprocess.Popen(
                _arguments(self._target, self._folder, command, self._socket),
                bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                env=ssh_environment(self._folder), start_new_session=True,
            )  # fmt: skip
        self._process = process
        try:
            self.place = self._read_place(process)
        except BaseException:
            self._end()
            raise

    def _read_place(self, process: subprocess.Popen[bytes]) -> str:
        """What `kernel_place` said, past what a login shell may print."""
        assert process.stdout is not None
        deadline, seen = time.monotonic() + _GREETING_SECONDS, b""
        while time.monotonic() < deadline and len(seen) < _NOISE:
            if not select.select([process.stdout], [], [], 1.0)[0]:
                continue
            part = process.stdout.read(4096)
            if not part:
                code = process.wait(CONNECT_SECONDS)
                said = (self._root / "said").read_bytes()[-4000:].decode("utf-8", "replace")
                raise explained(self._target, code, said)
            seen += part
            if found := _SAID.search(seen):
                return self._checked(found[1].decode("utf-8", "replace"))
        raise ConnectionLostError(f"No runner of ours answered on {self._target.shown}.")

    def _checked(self, place: str) -> str:
        if _PLAIN_PATH.fullmatch(place):
            return place
        raise RefusedError(
            f"Kernels cannot be kept on {self._target.name} below {ascii(place)[:200]}.",
            hint="Give AML_REMOTE_HOME there a path of plain letters, digits, '_', '.', '+' and '-'.",
        )

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _arguments(target: Target, folder: TargetFolder, command: str, socket: Path) -> list[str]:
    """`ssh_arguments`, and that others may come through ``socket``, and have ports on loopback alone."""
    mine = {
        "ControlMaster": "yes", "ControlPath": str(socket), "ControlPersist": "no", "GatewayPorts": "no",
    }  # fmt: skip
    # Of an option that is given twice, ssh takes the first.
    given = [part for name, value in mine.items() for part in ("-o", f"{name}={value}")]
    program, *rest = ssh_arguments(target, folder, command)
    return [program, *given, *rest]


def _client_config(target: Target, socket: Path) -> str:
    """Only ever through the socket. sshpyk wants some of these, whether or not they have a meaning."""
    return (
        f"Host {target.alias}\n  HostName {target.alias}.invalid\n  User {os.getuid()}\n  BatchMode yes\n"
        f"  IdentityFile /dev/null\n  ControlMaster auto\n  ControlPersist yes\n  ControlPath {socket}\n"
        "  ProxyCommand false\n  GatewayPorts no\n"
    )
