"""The agent: on the other machine, it answers one courier over one connection, and ends with it.

It keeps ``~/.aml/hosts/<workspace id>/`` (``$AML_REMOTE_HOME`` in the place of ``~/.aml``), of the same form
as a workspace's folder: ``blobs/``, ``runs/<run id>/`` and ``environments/``. The runner it starts is the
ordinary one; whether it lives is told by two locks that the kernel frees when it dies: ``start.lock``, which
it has from its birth, and the run's own. What the agent says of an attempt:

* ``absent``: nothing of it is here; ``running``; ``ended``: there is a result;
* ``lost``: it began, nobody runs it and there is no result; ``unstarted``: its runner ended before that.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import jupyter_aml
from jupyter_aml.client.launch import index_environment, kept_environment
from jupyter_aml.compute.engines.ssh import frames
from jupyter_aml.core.blobs import BlobStore, is_digest, open_regular
from jupyter_aml.core.durable import write_durably
from jupyter_aml.core.paths import RunFolder, WorkspaceFolder, make_private
from jupyter_aml.errors import AmlError, InvalidError

PROTOCOL = 1
_ID = re.compile(r"[0-9a-f]{8,64}(?:-[0-9a-f]+)*", re.ASCII)
_LOOK_SECONDS = 0.03
_START_SECONDS = 5.0
_OLD_SECONDS = 30 * 86400.0
_LOCKS = ("lock", "start.lock")


def remote_home() -> Path:
    """Where everything of ours lies on this machine."""
    given = os.environ.get("AML_REMOTE_HOME")
    return Path(given).absolute() if given else Path.home() / ".aml"


def main() -> int:
    """Answer on standard output what is asked on standard input, until that ends."""
    os.umask(0o077)
    reader = os.fdopen(os.dup(0), "rb")
    writer = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(2, 1)  # whatever prints cannot get into the frames
    writer.write(frames.GREETING)
    writer.flush()
    agent = Agent(remote_home())
    with contextlib.suppress(EOFError, BrokenPipeError, frames.FrameError):
        while True:
            agent.answer(reader, writer)
    agent.close()
    return 0


class Agent:
    """What one connection may ask for."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._workspace = WorkspaceFolder(home / "hosts")
        self._upload = Upload()
        self._started: list[subprocess.Popen[bytes]] = []
        self._answers: dict[str, Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]] = {
            "hello": self._hello, "missing": self._missing, "put": self._put, "start": self._start,
            "look": self._look, "fetch": self._fetch, "bury": self._bury, "forget": self._forget,
        }  # fmt: skip

    def answer(self, reader: BinaryIO, writer: BinaryIO) -> None:
        """Take one question and answer it."""
        message, body = frames.receive(reader)
        try:
            reply, data = self._answers[str(message.get("ask"))](message, body)
        except (AmlError, OSError, KeyError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) else None
            cause = error.__cause__
            number = cause.errno if isinstance(cause, OSError) else number
            reply, data = {"error": {"message": str(error), "errno": number}}, b""
        if reply:
            frames.send(writer, reply, data)

    def close(self) -> None:
        """The connection has ended."""
        self._upload.drop()

    def _hello(self, message: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        self._workspace = WorkspaceFolder(self._home / "hosts" / _checked_id(message["workspace"]))
        make_private(self._workspace.runs)
        if not self._workspace.mirror.is_file():  # what tells a job that its workspace is elsewhere
            write_durably(self._workspace.mirror, json.dumps({"id": message["workspace"]}).encode())
        told = {"protocol": PROTOCOL, "version": jupyter_aml.__version__}
        return {**told, "python": platform.python_version(), "folder": str(self._workspace.root)}, b""

    def _missing(self, message: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        blobs = BlobStore(self._workspace.blobs)
        return {"missing": [digest for digest in message["digests"] if not blobs.has(digest)]}, b""

    def _put(self, message: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """A part of a blob; only the last part is answered."""
        self._upload.add(make_private(self._workspace.blobs), body)
        if not message["last"]:
            return {}, b""
        path = self._upload.finish()
        try:
            BlobStore(self._workspace.blobs).put_file(path, message["digest"])
        finally:
            path.unlink(missing_ok=True)
        return {"done": True}, b""

    def _folder(self, message: dict[str, Any]) -> RunFolder:
        return self._workspace.run_folder(_checked_id(message["run"]))

    def _start(self, message: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        """Start the runner of an attempt, unless it was started before; what is said of it then."""
        folder, attempt = self._folder(message), int(message["attempt"])
        make_private(folder.root)
        lock = _take(folder.root / "start.lock")
        if lock is None:
            return {"state": "running"}, b""
        try:
            if _is_held(folder.lock):
                return {"state": "running"}, b""
            state = _state(folder, attempt)
            if state in ("absent", "unstarted"):
                self._lay_out(folder, attempt, json.loads(body))
                self._spawn(folder, attempt, lock)
                state = "running"
            return {"state": state}, b""
        finally:
            os.close(lock)

    def _lay_out(self, folder: RunFolder, attempt: int, spec: dict[str, Any]) -> None:
        for entry in folder.root.iterdir():  # of earlier attempts, whose courier has everything of them
            if entry.name not in _LOCKS:
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        spec |= {"workspace": str(self._workspace.root), "environment": _job_environment()}
        if spec.get("python_environment") is not None:  # packages come from where this machine finds them
            spec["python_environment"] |= {"index": index_environment()}
        own = make_private(folder.attempt_folder(attempt))
        write_durably(own / "spec.json", json.dumps(spec).encode())
        write_durably(folder.attempt, str(attempt).encode())

    def _spawn(self, folder: RunFolder, attempt: int, lock: int) -> None:
        arguments = [sys.executable, "-P", "-m", "jupyter_aml.jobs.runner", str(folder.root), str(attempt)]
        self._started.append(
            subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                cwd=folder.root, env=kept_environment(), start_new_session=True, pass_fds=(lock,),
            )
        )  # fmt: skip

    def _look(self, message: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """What is new of an attempt; waits for something for up to ``wait`` seconds."""
        folder, attempt = self._folder(message), int(message["attempt"])
        if message["cancel"] and folder.root.is_dir():
            (folder.root / "cancel").touch()
        deadline = time.monotonic() + min(float(message["wait"]), 5.0)
        while True:
            for process in self._started:
                process.poll()
            # The state first: what is read after it of an attempt that has ended is all there is.
            state = "running" if _is_alive(folder, attempt) else _state(folder, attempt)
            files, body, more = _new_bytes(folder, attempt, message["files"])
            if files or state != "running" or time.monotonic() > deadline:
                break
            time.sleep(_LOOK_SECONDS)
        found = {"state": state, "files": files, "more": more}
        if state == "ended":
            found["result"] = _read(folder.attempt_folder(attempt) / "result.json").decode("utf-8", "replace")
        return found, body

    def _fetch(self, message: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """A part of a file that the run keeps."""
        digest = message["digest"]
        if not is_digest(digest):
            raise InvalidError(f"{digest!r:.80} is no digest.")
        with open_regular(self._folder(message).staging / digest) as stream:
            stream.seek(int(message["offset"]))
            data = stream.read(frames.PART)
            return {"size": os.fstat(stream.fileno()).st_size}, data

    def _bury(self, message: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """End what is left of an attempt nobody runs any more, keep what it left, and give it a result."""
        folder = self._folder(message)
        arguments = [str(folder.root), str(int(message["attempt"]))]
        subprocess.run(
            [sys.executable, "-P", "-m", "jupyter_aml.jobs.lost", *arguments],
            stdin=subprocess.DEVNULL, check=False, timeout=120, env=kept_environment(), cwd=folder.root,
        )  # fmt: skip
        return {"done": True}, b""

    def _forget(self, message: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        """The courier has everything of a run; bytes that no run asked for in a long time go too."""
        folder = self._folder(message)
        if not _is_held(folder.lock):
            shutil.rmtree(folder.root, ignore_errors=True)
        blobs = BlobStore(self._workspace.blobs)
        for digest in list(blobs.digests()):
            if blobs.age(digest) > _OLD_SECONDS:
                blobs.delete(digest)
        return {"done": True}, b""


class Upload:
    """A blob that is coming in parts. A part that cannot be written is told of with the last one."""

    def __init__(self) -> None:
        self._stream: BinaryIO | None = None
        self._path = Path()
        self._fault: OSError | None = None

    def add(self, folder: Path, part: bytes) -> None:
        """Take one part."""
        try:
            if self._stream is None and self._fault is None:
                self._path = folder / f".tmp-{os.urandom(8).hex()}"
                self._stream = self._path.open("xb")
            if self._stream is not None:
                self._stream.write(part)
        except OSError as error:
            self.drop()
            self._fault = error

    def finish(self) -> Path:
        """The file with all parts; `OSError` where one could not be written."""
        fault, stream = self._fault, self._stream
        self._fault = None
        if stream is None:
            raise fault or OSError("no bytes came")
        self._stream = None
        try:
            stream.close()
        except OSError:
            self._path.unlink(missing_ok=True)
            raise
        return self._path

    def drop(self) -> None:
        """Forget what came."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
            self._path.unlink(missing_ok=True)
            self._stream = None


def _checked_id(text: object) -> str:
    if isinstance(text, str) and _ID.fullmatch(text):
        return text
    raise InvalidError(f"{text!r:.80} is no id.")


def _is_held(lock: Path) -> bool:
    """Whether somebody holds the lock for life; looking takes nobody's place."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _take(lock: Path) -> int | None:
    """Take the lock; its descriptor, or None where somebody holds it."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
            time.sleep(_LOOK_SECONDS)
            continue
        return descriptor


def _is_alive(folder: RunFolder, attempt: int) -> bool:
    if _is_held(folder.lock):
        return True
    done = (folder.attempt_folder(attempt) / "result.json").exists()
    return not done and _is_held(folder.root / "start.lock")


def _state(folder: RunFolder, attempt: int) -> str:
    """What an attempt that nobody runs has come to."""
    try:
        present = int(_read(folder.attempt) or b"0")
    except ValueError:
        present = 0
    if present > attempt:
        raise InvalidError(f"Attempt {present} of this run is here already; {attempt} is past.")
    if present < attempt:
        return "absent"
    if (folder.attempt_folder(attempt) / "result.json").exists():
        return "ended"
    return "lost" if any(folder.journal.glob(f"{attempt}.*.journal")) else "unstarted"


def _new_bytes(folder: RunFolder, attempt: int, known: dict[str, int]) -> tuple[list[list[Any]], bytes, bool]:
    """``[name, offset, size]`` of what is new, the bytes themselves, and whether there are more."""
    found, parts, room = [], [], frames.PART
    for name, path in _files(folder, attempt):
        offset = int(known.get(name, 0))
        try:
            with open_regular(path) as stream:
                stream.seek(offset)
                data = stream.read(room)
        except OSError:
            continue
        if data:
            found.append([name, offset, len(data)])
            parts.append(data)
            room -= len(data)
        if room <= 0:
            return found, b"".join(parts), True
    return found, b"".join(parts), False


def _files(folder: RunFolder, attempt: int) -> Iterator[tuple[str, Path]]:
    """The journals and logs of an attempt by their names below the run's folder."""
    for path in sorted(folder.journal.glob(f"{attempt}.*.journal")):
        yield f"journal/{path.name}", path
    for path in sorted(folder.logs.glob("*/*")):
        yield path.relative_to(folder.root).as_posix(), path


def _read(path: Path) -> bytes:
    try:
        with open_regular(path) as stream:
            return stream.read(16 * 1024 * 1024)
    except FileNotFoundError:
        return b""


def _job_environment() -> dict[str, str]:
    """What a job sees of this machine; ``python`` is the Python that has this package."""
    environment = kept_environment()
    own = str(Path(sys.executable).parent)
    rest = [part for part in environment.get("PATH", os.defpath).split(os.pathsep) if part != own]
    return {**environment, "PATH": os.pathsep.join([own, *rest])}


if __name__ == "__main__":
    sys.exit(main())
