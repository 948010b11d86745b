"""Reading log streams: from the live folder while a run lasts, from the blobs after it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from jupyter_aml.core.blobs import BlobStore, open_regular
from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.tracking.model import LogChunk


def live_streams(folder: Path) -> dict[str, int]:
    """The streams below a run's live log folder and their sizes in bytes."""
    if not folder.is_dir():
        return {}
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def read_stream(folder: Path, stream: str, offset: int, limit: int, *, ended: bool) -> LogChunk:
    """A part of a live stream; a stream that is not there yet reads as empty."""
    path = folder / check_logical_path(stream)
    if path.resolve() != folder.resolve() / stream:  # a link somewhere on the way
        return LogChunk(text="", offset=0, next_offset=0, complete=ended)
    try:
        file = open_regular(path)
    except OSError:
        return LogChunk(text="", offset=max(0, offset), next_offset=max(0, offset), complete=ended)
    with file:
        return _chunk(file, os.fstat(file.fileno()).st_size, offset, limit, ended=ended)


def read_stored(blobs: BlobStore, digest: str, offset: int, limit: int) -> LogChunk:
    """A part of a stream whose run has ended."""
    with blobs.open(digest) as file:
        return _chunk(file, blobs.size(digest), offset, limit, ended=True)


def _chunk(file: BinaryIO, size: int, offset: int, limit: int, *, ended: bool) -> LogChunk:
    start = max(0, size + offset) if offset < 0 else min(offset, size)
    file.seek(start)
    data = file.read(limit)
    at_end = start + len(data) >= size
    data = data[: len(data) - _cut(data)] if not (at_end and ended) else data
    return LogChunk(
        text=data.decode("utf-8", "replace"),
        offset=start,
        next_offset=start + len(data),
        complete=ended and at_end,
    )


def _cut(data: bytes) -> int:
    """How many bytes at the end belong to a character that is not whole yet (at most 3)."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        need = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return back if need > back else 0
    return 0
