"""The courier: one process for one attempt of a run that another machine runs.

Here it stands in the place of the runner: it holds the run's lock for its life, so that everybody sees the
run alive, and writes the result file last. ``carried`` in the attempt's folder is how far it has come, for
the courier that takes its place when it is killed:

* no such file: nothing was started there, so a refusal ends the run, and so does cancelling;
* ``sent``: the runner may have been started; it is asked for again, which starts none twice;
* ``started``: it was. From here on only the other machine's word ends the run: one that cannot be reached is
  waited for.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

from jupyter_aml.compute.engines.ssh.bring import open_channel
from jupyter_aml.compute.engines.ssh.channel import Channel, ConnectionLostError, RefusedError, printable
from jupyter_aml.compute.engines.ssh.connection import TargetFolder
from jupyter_aml.compute.engines.ssh.mirror import Mirror, answers
from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.core.durable import write_durably
from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.core.journal import LifeLock
from jupyter_aml.core.paths import RunFolder, WorkspaceFolder, make_private
from jupyter_aml.errors import AmlError

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_WAIT_SECONDS = 0.25  # how long an agent waits for something new; a wish to cancel waits no longer
_STATUSES = ("Completed", "Failed", "Canceled")
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def main(arguments: list[str]) -> int:
    """Carry one attempt: ``RUN_FOLDER ATTEMPT``. 0 when it ended, or is somebody else's."""
    folder, attempt = RunFolder(Path(arguments[0])), int(arguments[1])
    os.umask(0o077)
    lock = LifeLock(folder.lock)
    if not lock.take(wait=1.0) or folder.attempt.read_text() != str(attempt):
        return 0
    _own_log(folder)
    courier = Courier(folder, attempt, lock)
    try:
        courier.run()
    finally:
        courier.hand_over()
    return 0


def _own_log(folder: RunFolder) -> None:
    path = make_private(folder.logs / "system_logs") / "ssh.txt"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


class Courier:
    """One attempt."""

    def __init__(self, folder: RunFolder, attempt: int, lock: LifeLock) -> None:
        self._folder = folder
        self._lock = lock
        self._own = folder.attempt_folder(attempt)
        self._attempt = attempt
        self._spec: dict[str, Any] = json.loads((self._own / "spec.json").read_bytes())
        self._run = str(self._spec["run_id"])
        workspace = WorkspaceFolder(Path(self._spec["workspace"]))
        self._place = TargetFolder(workspace.computes / self._spec["compute"])
        self._workspace_id = str(json.loads(workspace.description.read_bytes())["id"])
        self._blobs = BlobStore(workspace.blobs)
        self._mirror = Mirror(folder, attempt, self._blobs)
        self._said = ""
        self._carried = self._own / "carried"

    def run(self) -> None:
        """Carry it to its end, through however many connections that takes."""
        pause = _FIRST_PAUSE
        while (self._own / "result.json").exists() is False:
            begun = time.monotonic()
            try:
                target = self._place.load()
                with open_channel(target, self._place, self._say, self._is_given_up) as channel:
                    self._say(f"connected to {target.shown}")
                    self._carry(channel)
                    self.hand_over()  # before the connection ends, which takes its time
                return
            except (ConnectionLostError, RefusedError, AmlError, OSError) as error:
                if self._is_final(error):
                    return
            pause = _FIRST_PAUSE if time.monotonic() - begun > _LONGEST_PAUSE else pause
            if self._pause(pause):
                return
            pause = min(pause * 2, _LONGEST_PAUSE)

    def hand_over(self) -> None:
        """Let the service take what is there."""
        self._lock.release()
        self.ring()

    def _is_final(self, error: Exception) -> bool:
        """Whether a fault ends the run: only where it is certain that nothing was started, nor will be."""
        if self._stage() or isinstance(error, ConnectionLostError):
            self._say(f"{printable(str(error))}\nit is tried again; what runs there goes on")
            return False
        if isinstance(error, OSError) and error.errno in _PASSING:
            self._say(f"this machine's disk: {error.strerror}; it is tried again")
            return False
        message = error.headline if isinstance(error, AmlError) else f"{type(error).__name__}: {error}"
        detail = "\n".join(filter(None, (error.detail, error.hint))) if isinstance(error, AmlError) else ""
        self._say(f"{message}\n{detail}".strip())
        log_tail = detail.splitlines() or []
        self._finish("Failed", {"class": type(error).__name__, "message": printable(message),
                                "reason": "start_failed", "log_tail": log_tail})  # fmt: skip
        return True

    def _pause(self, seconds: float) -> bool:
        """Wait before the next connection; whether the run has ended meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._is_canceled() and (not self._stage() or self._place.given_up.exists()):
                detached = "canceled; its machine was detached, and nobody looked what runs there"
                message = detached if self._stage() else "canceled"
                self._finish("Canceled", _error("Canceled", message, "canceled"))
                return True
            time.sleep(0.05)
        return False

    def _carry(self, channel: Channel) -> None:
        hello, _ = channel.ask("hello", workspace=self._workspace_id)
        if hello.get("protocol") != 1:
            raise RefusedError("The agent there is of another version of jupyter_aml.")
        if self._stage() != "started":
            self._start(channel)
        while True:
            reply, body = channel.ask(
                "look", run=self._run, attempt=self._attempt, files=self._mirror.offsets(),
                cancel=self._is_canceled(), wait=_WAIT_SECONDS,
            )  # fmt: skip
            files = answers(reply)
            if files:
                self._mirror.take(files, body, lambda digest, path: self._fetch(channel, digest, path))
                failpoint("courier.copied")
                self.ring()
            elif reply.get("state") != "running" and not self._goes_on(channel, reply):
                return

    def _start(self, channel: Channel) -> None:
        """Bring there what the run needs and have it started."""
        data = [file for given in self._spec.get("inputs", []) for file in given["files"]]
        digests = sorted({str(file["digest"]) for file in [*self._spec["files"], *data]})
        missing = channel.ask("missing", digests=digests)[0]["missing"] if digests else []
        for digest in digests:
            if digest in missing:
                channel.send_blob(self._blobs, digest)
        if self._is_canceled() and not self._stage():
            self._finish("Canceled", _error("Canceled", "canceled", "canceled"))
            return
        # Nobody there has a use for its token, and nothing of this machine's environment goes along.
        environment = self._spec["python_environment"]
        spec = {
            **self._spec,
            "python_environment": environment and {**environment, "index": {}},
            "token": "",
            "doorbell": "",
            "slices": [],
            "environment": {},
            "tracking": {},  # the port it names is this machine's
            "compute": "local",
        }
        failpoint("courier.brought")
        write_durably(self._carried, b"sent")
        failpoint("courier.sent")
        channel.ask("start", json.dumps(spec).encode(), run=self._run, attempt=self._attempt)
        failpoint("courier.started")
        write_durably(self._carried, b"started")

    def _fetch(self, channel: Channel, digest: str, path: Path) -> None:
        try:
            channel.fetch(self._run, digest, path)
        except (ConnectionLostError, OSError):
            raise
        except AmlError as error:  # it is not there; ingest says so on the run
            self._say(str(error))

    def _goes_on(self, channel: Channel, reply: dict[str, Any]) -> bool:
        """What to do of an attempt that nobody runs there any more; whether to look again."""
        state = reply.get("state")
        if (self._own / "result.json").exists():
            return False
        if state == "ended":
            self._end(channel, str(reply.get("result")))
            return False
        if state == "lost":
            self._say("its runner there is gone; what is left of it is ended, what it left is kept")
            channel.ask("bury", run=self._run, attempt=self._attempt)
            return True
        if state == "absent":
            error = _error("RunnerLost", "its machine knows nothing of it any more", "runner_lost")
        else:
            message = "its runner ended before it could begin; see its system_logs/runner.txt"
            error = _error("NotStarted", message, "start_failed")
        self._finish("Failed", error)
        return False

    def _end(self, channel: Channel, text: str) -> None:
        result = _sound_result(text)
        is_lost = (result["error"] or {}).get("reason") == "runner_lost"
        if is_lost and self._is_canceled():
            result = {**result, "status": "Canceled", "error": _error("Canceled", "canceled", "canceled")}
        failpoint("courier.collected")
        self._finish(result["status"], result["error"], result["ended_at"])
        with contextlib.suppress(AmlError, OSError):  # it stays there a while, which harms nobody
            channel.ask("forget", run=self._run, attempt=self._attempt)

    def _finish(self, status: str, error: dict[str, Any] | None, ended_at: int | None = None) -> None:
        """Write how it ended, last of all."""
        result = {"status": status, "error": error, "ended_at": ended_at or _now()}
        while True:
            try:
                write_durably(self._own / "result.json", json.dumps(result).encode())
            except OSError as fault:
                if fault.errno not in _PASSING:
                    raise
                time.sleep(1.0)
            else:
                return

    def _stage(self) -> str:
        try:
            return self._carried.read_text()
        except FileNotFoundError:
            return ""

    def _is_given_up(self) -> bool:
        return self._is_canceled() or self._place.given_up.exists()

    def _is_canceled(self) -> bool:
        return (self._folder.root / "cancel").exists()

    def _say(self, text: str) -> None:
        """A line in ``system_logs/ssh.txt``, once in a row."""
        if text != self._said:
            self._said = text
            with contextlib.suppress(OSError):
                sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
                sys.stderr.flush()

    def ring(self) -> None:
        """Wake the service, if there is one."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bell:
            bell.setblocking(False)
            bell.sendto(b"!", str(self._spec["doorbell"]))


def _sound_result(text: str) -> dict[str, Any]:
    """A result file of the other machine, where a job may have written anything."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("status") not in _STATUSES:
        return {"status": "Failed", "error": _error("RunnerLost", "its result cannot be read", "runner_lost"),
                "ended_at": _now()}  # fmt: skip
    error, ended_at = found.get("error"), found.get("ended_at")
    return {
        "status": found["status"],
        "error": error if isinstance(error, dict) else None,
        "ended_at": ended_at if type(ended_at) is int and 0 <= ended_at < 2**53 else _now(),
    }


def _error(kind: str, message: str, reason: str) -> dict[str, Any]:
    return {"class": kind, "message": message, "reason": reason}


def _now() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
