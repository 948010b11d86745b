"""The courier's end of the one connection: ``ssh`` with the agent behind it, asked one thing at a time."""

from __future__ import annotations

import errno
import io
import re
import select
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from jupyter_aml.compute.engines.ssh import frames
from jupyter_aml.compute.engines.ssh.connection import (
    CONNECT_SECONDS,
    Target,
    TargetFolder,
    ssh_arguments,
    ssh_environment,
)
from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.errors import AmlError, ConflictError, StorageFullError, UnavailableError

_GREETING_SECONDS = 60.0
_ANSWER_SECONDS = 180.0
_NOISE = 256 * 1024
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class ConnectionLostError(UnavailableError):
    """The machine cannot be reached now, or the connection ended; nothing is known of what goes on there."""


class RefusedError(ConflictError):
    """The machine, or our own check of it, says no, and will until somebody changes something."""


class HostKeyChangedError(RefusedError):
    """The machine shows another host key than the one that was confirmed."""


class NoRunnerError(Exception):
    """The package is not on the machine yet."""


class Channel:
    """A connection with an agent at its end.

    Args:
        command: starts the agent, for ``/bin/sh`` there.
    """

    def __init__(self, target: Target, folder: TargetFolder, command: str) -> None:
        self._target = target
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        self._process = subprocess.Popen(
            ssh_arguments(target, folder, command),
            bufsize=0,  # what was read ahead would not be seen by select
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=ssh_environment(folder),
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._writer = io.BufferedWriter(self._process.stdin)
        self._reader: BinaryIO = self._process.stdout  # type: ignore[assignment]
        try:
            self._wait_for_greeting()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; what runs on the machine goes on."""
        for stream in (self._writer, self._reader):
            try:
                stream.close()
            except OSError:
                continue
        if self._process.poll() is None:
            try:
                self._process.wait(0.5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._errors.close()

    def ask(self, ask: str, body: bytes = b"", **message: Any) -> tuple[dict[str, Any], bytes]:
        """Ask the agent; its answer. `ConnectionLostError` without one, `AmlError` where it could not."""
        self.tell(ask, body, **message)
        try:
            if not select.select([self._reader], [], [], _ANSWER_SECONDS)[0]:
                raise ConnectionLostError(f"{self._target.shown} did not answer in {_ANSWER_SECONDS:g} s.")
            reply, data = frames.receive(self._reader)
        except (OSError, EOFError, frames.FrameError) as error:
            raise self._lost() from error
        if (fault := reply.get("error")) is not None:
            if fault.get("errno") in (errno.ENOSPC, errno.EDQUOT):
                raise StorageFullError(
                    f"The disk of {self._target.name} is full.", hint="Free some space there."
                )
            raise AmlError(f"{self._target.name}: {printable(str(fault.get('message')))}")
        return reply, data

    def tell(self, ask: str, body: bytes = b"", **message: Any) -> None:
        """Say something that is not answered."""
        try:
            frames.send(self._writer, {"ask": ask, **message}, body)
        except (OSError, ValueError) as error:
            raise self._lost() from error

    def send_blob(self, blobs: BlobStore, digest: str) -> None:
        """Bring a blob there."""
        size, sent = blobs.size(digest), 0
        with blobs.open(digest) as stream:
            while True:
                part = stream.read(frames.PART)
                sent += len(part)
                if sent >= size or not part:
                    self.ask("put", part, digest=digest, last=True)
                    return
                self.tell("put", part, digest=digest, last=False)

    def fetch(self, run: str, digest: str, path: Path) -> None:
        """Bring a file of the run's here, into ``path``."""
        with path.open("xb") as file:
            offset = 0
            while True:
                reply, data = self.ask("fetch", run=run, digest=digest, offset=offset)
                file.write(data)
                offset += len(data)
                if not data or offset >= int(reply["size"]):
                    return

    def _wait_for_greeting(self) -> None:
        """Read until the agent says that it is there, past what a login shell may print."""
        deadline, seen = time.monotonic() + _GREETING_SECONDS, b"\n"
        while time.monotonic() < deadline and len(seen) < _NOISE:
            if not select.select([self._reader], [], [], 1.0)[0]:
                continue
            byte = self._reader.read(1)
            if not byte:
                raise self._lost()
            seen += byte
            if seen.endswith(frames.GREETING):
                return
            if seen.endswith(frames.NO_RUNNER):
                raise NoRunnerError
        raise ConnectionLostError(f"No agent of ours answered on {self._target.shown}.")

    def _lost(self) -> AmlError:
        """Why the connection is gone, in the words of ``ssh``."""
        try:
            code = self._process.wait(CONNECT_SECONDS)
        except subprocess.TimeoutExpired:
            return ConnectionLostError(f"The connection to {self._target.shown} does not answer.")
        self._errors.seek(0)
        return explained(self._target, code, self._errors.read()[-4000:].decode("utf-8", "replace"))


def explained(target: Target, code: int, said: str) -> AmlError:
    """The error for an ``ssh`` that ended with ``code``, having said ``said``."""
    said = printable(said).strip()
    if "HOST IDENTIFICATION HAS CHANGED" in said or "Host key verification failed" in said:
        return HostKeyChangedError(
            f"{target.shown} shows another host key than the one that was confirmed for {target.name}.",
            "Either the machine was installed anew, or somebody stands between you and it. Nothing was sent.",
            f"If you know why it changed: aml compute detach -n {target.name} --yes, and attach it again.",
        )
    if "Permission denied" in said or "Too many authentication failures" in said:
        return RefusedError(
            f"{target.shown} does not let us in: {said.splitlines()[-1]}",
            hint="Check the user name, and that the key's public half is in its ~/.ssh/authorized_keys.",
        )
    if "incorrect passphrase" in said or "bad permissions" in said or "no such identity" in said.lower():
        return RefusedError(f"The private key cannot be used: {said.splitlines()[-1]}")
    last = said.splitlines()[-1] if said else f"ssh ended with {code}"
    if code not in (255, -9, -15):
        return RefusedError(f"{target.shown} cannot run our agent: {last}", said or None)
    return ConnectionLostError(f"{target.shown} cannot be reached: {last}")


def printable(text: str) -> str:
    """``text`` of another machine without what steers a terminal."""
    return _CONTROL.sub("", text)
