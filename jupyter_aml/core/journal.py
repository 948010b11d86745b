"""The run journal: how a running process says anything, in microseconds and without asking anybody.

Each process that logs to a run appends to a file of its own, ``journal/<attempt>.<writer>.journal``; one
``write`` a call, so what was logged stays with the operating system when the process is killed. The
format, little-endian:

* the file begins with ``AMLJ`` and a version byte (1);
* a record is ``length: u32, crc32: u32, sequence: u64`` and ``length`` bytes of payload; the CRC covers
  sequence and payload, and sequences count from 0 without a gap;
* payload ``0x01``: a scalar metric, ``time: i64 (ms since the epoch), step: i64 (the least value stands
  for "none given"), value: f64``, then the metric's name in UTF-8;
* payload ``0x02``: an operation as a JSON object with the key ``op``.

A reader stops at the first record that is cut off or does not match its CRC; everything before it holds.
Replaying is idempotent because the reader keeps (file, offset) beside what it has taken in.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import struct
import threading
import time
import weakref
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from jupyter_aml.core.paths import make_private

MAGIC = b"AMLJ\x01"
NO_STEP = -(2**63)
_HEADER = struct.Struct("<IIQ")
_METRIC = struct.Struct("<Bqqd")
_SEQUENCED_METRIC = struct.Struct("<QBqqd")
_MAX_PAYLOAD = 64 * 1024 * 1024


_held: weakref.WeakSet[JournalWriter | LifeLock] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for holder in list(_held):
        holder.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)


class Scalar(NamedTuple):
    """One metric point: ``step`` is None where the caller gave none, ``time`` is ms since the epoch."""

    name: str
    value: float
    step: int | None
    time: int


class JournalWriter:
    """Appends records to a journal file of this process. Thread-safe; a forked child opens its own file."""

    def __init__(self, folder: Path, attempt: int) -> None:
        self._folder = folder
        self._attempt = attempt
        self._lock = threading.Lock()
        self._names: dict[str, tuple[bytes, int]] = {}
        self._open()
        _held.add(self)

    def _open(self) -> None:
        make_private(self._folder)
        path = self._folder / f"{self._attempt}.{secrets.token_hex(4)}.journal"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self.path = path
        descriptor = os.open(path, flags, 0o600)
        try:
            if os.write(descriptor, MAGIC) != len(MAGIC):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        except OSError:  # what would follow could not be read
            os.close(descriptor)
            path.unlink()
            raise
        self._descriptor = descriptor
        self._sequence = 0

    def after_fork(self) -> None:
        """In a forked child: go on in a file of its own."""
        self._lock = threading.Lock()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            try:
                self._open()
            except OSError:  # the run has ended and its folder is gone; writing will say so
                self._descriptor = -1

    def metric(self, name: str, value: float, step: int | None = None, time_ms: int | None = None) -> None:
        """Append one scalar point. ``name`` and the types are the caller's to check."""
        found = self._names.get(name)
        if found is None:
            encoded = name.encode()
            found = self._names[name] = (encoded, _METRIC.size + len(encoded))
        encoded, length = found
        if time_ms is None:
            time_ms = time.time_ns() // 1_000_000
        if step is None:
            step = NO_STEP
        elif step == NO_STEP:
            raise struct.error("this step stands for none")
        with self._lock:
            sequence = self._sequence
            body = _SEQUENCED_METRIC.pack(sequence, 1, time_ms, step, value) + encoded
            record = length.to_bytes(4, "little") + crc32(body).to_bytes(4, "little") + body
            if (written := os.write(self._descriptor, record)) != len(record):
                self._torn(written, len(record))
            self._sequence = sequence + 1

    def write(self, operation: dict[str, Any], *, sync: bool = False) -> None:
        """Append an operation; with ``sync`` it is on the disk before this returns."""
        payload = b"\x02" + json.dumps(operation, separators=(",", ":")).encode()
        with self._lock:
            sequenced = self._sequence.to_bytes(8, "little") + payload
            record = struct.pack("<II", len(payload), crc32(sequenced)) + sequenced
            if (written := os.write(self._descriptor, record)) != len(record):
                self._torn(written, len(record))
            self._sequence += 1
            if sync:
                os.fsync(self._descriptor)

    def _torn(self, written: int, length: int) -> None:
        """A full disk took only a part of the record: take the part back, and say that it is not kept."""
        try:
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
        except OSError:  # nothing behind the part could be read, so nothing more is written
            os.close(self._descriptor)
            self._descriptor = -1
        raise OSError(errno.ENOSPC, f"No space left for a {length}-byte record", str(self.path))

    def close(self) -> None:
        """Close the file; further writing fails."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


class JournalChunk(NamedTuple):
    """Records read from a journal: the scalars and operations in order, and where to go on."""

    records: list[Scalar | dict[str, Any]]
    offset: int
    sequence: int
    torn: bool


def read_journal(
    path: Path, offset: int = 0, sequence: int = 0, limit: int = 16 * 1024 * 1024
) -> JournalChunk:
    """The whole records of ``path`` from byte ``offset`` on, about ``limit`` bytes of them.

    ``sequence`` is the number the first of them must have. ``torn`` says that bytes are left which are no
    whole record: the last write is still under way, or was cut off.
    """
    with path.open("rb") as stream:
        stream.seek(offset)
        data = stream.read(limit)
    return parse_journal(data, offset, sequence, whole=len(data) < limit)


def parse_journal(data: bytes, offset: int, sequence: int, *, whole: bool = True) -> JournalChunk:
    """As `read_journal`, for bytes already read from position ``offset``."""
    records: list[Scalar | dict[str, Any]] = []
    position = 0
    if offset == 0:
        if data[: len(MAGIC)] != MAGIC:
            return JournalChunk(records, 0, 0, bool(data))
        position = len(MAGIC)
    end = len(data)
    names: dict[bytes, str] = {}
    unpack_header, unpack_metric, metric_size = _HEADER.unpack_from, _METRIC.unpack_from, _METRIC.size
    append, new = records.append, tuple.__new__  # a named tuple's own constructor takes twice as long
    while position + 16 <= end:
        length, crc, number = unpack_header(data, position)
        start, stop = position + 16, position + 16 + length
        if (
            stop > end
            or number != sequence
            or length > _MAX_PAYLOAD
            or crc32(data[position + 8 : stop]) != crc
        ):
            break
        if length >= metric_size and data[start] == 1:
            _, milliseconds, step, value = unpack_metric(data, start)
            raw = data[start + metric_size : stop]
            name = names.get(raw)
            if name is None:
                name = names[raw] = raw.decode("utf-8", "replace")
            append(new(Scalar, (name, value, None if step == NO_STEP else step, milliseconds)))
        else:
            append(_operation(data[start:stop]))
        position, sequence = stop, sequence + 1
    return JournalChunk(records, offset + position, sequence, whole and position < end)


def _operation(payload: bytes) -> dict[str, Any]:
    """The operation in a sound record. One that is none is the run's problem, and ends no reading."""
    try:
        found = json.loads(payload[1:]) if payload[:1] == b"\x02" else None
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"op": "problem", "message": "a record holds no operation"}


class LifeLock:
    """A kernel lock held for life: as long as it cannot be taken, its holder lives (no pid, no time-out).

    A forked child closes it, a program that is started does not inherit it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def take(self, wait: float = 0.0) -> bool:
        """Take the lock, trying for ``wait`` seconds; False where somebody else holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(descriptor)
                    return False
                time.sleep(0.01)
                continue
            self._descriptor = descriptor
            _held.add(self)
            return True

    def after_fork(self) -> None:
        """In a forked child: close the copy, which leaves the parent's lock in place."""
        self.release()

    def release(self) -> None:
        """Let go of the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
