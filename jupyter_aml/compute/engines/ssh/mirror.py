"""A run folder kept equal to the one on the other machine: journals, the files they name, and logs.

A file is only ever appended to, so its size here is how far it was copied, for whoever goes on. A journal's
record that names a file is written when the file's bytes are here. Names, sizes and digests come from a
machine where the job may have written anything: what is not of the form of ours is not taken.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_aml import limits
from jupyter_aml.core.blobs import BlobStore, file_digest, is_digest
from jupyter_aml.core.durable import sync_folder
from jupyter_aml.core.journal import Scalar, parse_journal, read_journal
from jupyter_aml.core.paths import RunFolder, check_logical_path, make_private
from jupyter_aml.errors import InvalidError

Fetch = Callable[[str, Path], None]  # brings the file with a digest to a path
_JOURNAL = re.compile(r"journal/([0-9]{1,9})\.[0-9a-f]{1,64}\.journal", re.ASCII)
_LOG = re.compile(r"logs/(?:user|system)_logs/[^/]+", re.ASCII)
_OUR_LOG = "logs/system_logs/ssh.txt"  # the courier's own
_STREAMS = 500
_NEVER = 2**62  # an offset from which nothing will come
_PENDING_MOST = 80 * 1024 * 1024
_LOG_MOST = limits.LOG_BYTES + 1024 * 1024


@dataclass
class _Journal:
    """How far a journal was copied: whole records up to ``offset``; ``pending`` is a part of the next."""

    offset: int = 0
    sequence: int = 0
    pending: bytes = b""


class Mirror:
    """The local side of one attempt."""

    def __init__(self, folder: RunFolder, attempt: int, blobs: BlobStore) -> None:
        self._folder = folder
        self._attempt = attempt
        self._blobs = blobs
        self._journals = {
            f"journal/{p.name}": _taken_up(p) for p in folder.journal.glob(f"{attempt}.*.journal")
        }
        self._logs: dict[str, int] = {}

    def offsets(self) -> dict[str, int]:
        """How far each file is here, by its name below the run's folder there."""
        journals = {name: found.offset + len(found.pending) for name, found in self._journals.items()}
        return {**journals, **self._logs}

    def take(self, files: Sequence[Sequence[Any]], body: bytes, fetch: Fetch) -> bool:
        """Take what an agent found new, ``[name, offset, size]`` each; whether a journal has grown."""
        position, grown = 0, False
        for name, offset, size in files:
            data = body[position : position + size]
            position += size
            if self.offsets().get(name, 0) != offset:
                continue
            if (match := _JOURNAL.fullmatch(name)) and int(match[1]) == self._attempt:
                grown |= self._take_journal(name, data, fetch)
            elif _LOG.fullmatch(name) and name != _OUR_LOG and len(self._logs) < _STREAMS:
                self._take_log(name, data)
            else:
                self._logs[name] = _NEVER
        return grown

    def _take_journal(self, name: str, data: bytes, fetch: Fetch) -> bool:
        found = self._journals.setdefault(name, _Journal())
        found.pending += data
        chunk = parse_journal(found.pending, found.offset, found.sequence)
        count = chunk.offset - found.offset
        if count <= 0:
            if len(found.pending) > _PENDING_MOST:  # no record is so long: what follows cannot be read
                del self._journals[name]
                self._logs[name] = _NEVER
            return False
        for record in chunk.records:
            if not isinstance(record, Scalar) and record.get("op") == "artifact":
                self._bring(record.get("digest"), fetch)
        _append(self._folder.root / name, found.pending[:count])
        found.pending = found.pending[count:]
        found.offset, found.sequence = chunk.offset, chunk.sequence
        return True

    def _bring(self, digest: object, fetch: Fetch) -> None:
        """Have the bytes of an artifact; those that are not what they are called are left: ingest says so."""
        if not isinstance(digest, str) or not is_digest(digest) or self._blobs.has(digest):
            return
        staging = make_private(self._folder.staging)
        if (staging / digest).exists():
            return
        temporary = staging / f".{secrets.token_hex(8)}"
        try:
            fetch(digest, temporary)
            if file_digest(temporary).digest == digest:
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
                os.rename(temporary, staging / digest)
                sync_folder(staging)
        finally:
            temporary.unlink(missing_ok=True)

    def _take_log(self, name: str, data: bytes) -> None:
        try:
            path = self._folder.root / check_logical_path(self._local_name(name))
        except InvalidError:
            self._logs[name] = _NEVER
            return
        if name not in self._logs:
            size = path.stat().st_size if path.is_file() else 0
            self._logs[name] = size  # a courier before this one had come so far
            if size:
                return  # what follows is asked for from there
        self._logs[name] += len(data)
        if self._logs[name] <= _LOG_MOST:
            _append(path, data)

    def _local_name(self, name: str) -> str:
        """Logs of the system are told apart by attempt; the user's log is, by who begins the next attempt."""
        if self._attempt == 1 or not name.startswith("logs/system_logs/"):
            return name
        path = Path(name)
        return path.with_name(f"{path.stem}.attempt{self._attempt}{path.suffix}").as_posix()


def _taken_up(path: Path) -> _Journal:
    """How far a courier before this one had come; what it did not write whole is cut off."""
    found = _Journal()
    while True:
        chunk = read_journal(path, found.offset, found.sequence)
        if chunk.offset == found.offset:
            break
        found.offset, found.sequence = chunk.offset, chunk.sequence
    os.truncate(path, found.offset)
    return found


def _append(path: Path, data: bytes) -> None:
    """Append to a file of ours; where the disk takes a part only, the part is taken back."""
    make_private(path.parent)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(descriptor, view) :]
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def answers(files: Mapping[str, Any]) -> list[list[Any]]:
    """The list of files in an agent's answer, if it has the form of one."""
    found = files.get("files")
    sound = isinstance(found, list) and all(
        isinstance(item, list) and len(item) == 3 and isinstance(item[0], str)
        and type(item[1]) is int and type(item[2]) is int and item[2] >= 0
        for item in found
    )  # fmt: skip
    return found if sound and found is not None else []
