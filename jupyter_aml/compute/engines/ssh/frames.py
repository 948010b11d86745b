"""What courier and agent say to each other: a JSON object and some bytes, with their lengths before."""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

GREETING = b"\nAML-AGENT-1\n"  # what the agent says first; a login shell may have said something before
NO_RUNNER = b"\nAML-NO-RUNNER\n"  # instead of it, where nobody has brought the package there
PART = 2 * 1024 * 1024
_HEADER = struct.Struct(">4sII")
_MAGIC = b"AMLF"
_MOST = 32 * 1024 * 1024


class FrameError(Exception):
    """What came is no frame."""


def send(stream: BinaryIO, message: dict[str, Any], body: bytes = b"") -> None:
    """Write one frame."""
    text = json.dumps(message, separators=(",", ":")).encode()
    stream.write(_HEADER.pack(_MAGIC, len(text), len(body)) + text + body)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read one frame; `EOFError` where the other side has gone, `FrameError` for anything else."""
    magic, length, size = _HEADER.unpack(_exactly(stream, _HEADER.size))
    if magic != _MAGIC or length > _MOST or size > _MOST:
        raise FrameError("what came over the connection is not ours")
    try:
        message = json.loads(_exactly(stream, length))
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise FrameError("a message is no JSON object")
    return message, _exactly(stream, size)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    parts, left = [], count
    while left:
        part = stream.read(left)  # of a raw stream this may be a part only
        if not part:
            raise EOFError
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
