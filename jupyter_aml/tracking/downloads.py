"""Bytes in and out of the blob store over HTTP: streamed, never held whole, never trusted by a browser."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect

from jupyter_aml import limits
from jupyter_aml.core.blobs import Blob, BlobStore, is_digest
from jupyter_aml.errors import InvalidError

_CHUNK = 256 * 1024
_UPLOADS = 16
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
# What a browser may show as itself; everything else is octet-stream.
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".txt": "text/plain; charset=utf-8",
    ".log": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
}


class RangeError(InvalidError):
    """The bytes asked for are not in the file."""

    http_status = 416


def attachment(blobs: BlobStore, digest: str, path: str, request: Request) -> StreamingResponse:
    """The answer that carries a blob: an attachment no browser sniffs or runs; one Range is served."""
    size = blobs.size(digest)
    start, stop, status = _range(request.headers.get("range"), size)
    name = path.rsplit("/", 1)[-1]
    suffix = "." + name.rsplit(".", 1)[-1].lower() if "." in name else ""
    ascii_name = re.sub(r"[^A-Za-z0-9._-]", "_", name) or "file"
    quoted = quote(name, safe="")
    headers = {
        "Content-Disposition": f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quoted}",
        "Content-Length": str(stop - start),
        "Accept-Ranges": "bytes",
        "X-AML-SHA256": digest,
    }
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    stream = blobs.open(digest)
    stream.seek(start)
    media_type = _TYPES.get(suffix, "application/octet-stream")
    return StreamingResponse(_part(stream, stop - start), status, headers, media_type=media_type)


def _range(header: str | None, size: int) -> tuple[int, int, int]:
    match = _RANGE.fullmatch(header) if header else None
    if match is None or not any(match.groups()):
        return 0, size, 200
    first, last = match.groups()
    if first:
        start, stop = int(first), min(size, int(last) + 1) if last else size
    else:
        start, stop = max(0, size - int(last)), size
    if start >= stop:
        raise RangeError(f"The range {header!r} lies outside the {size:,} bytes of the file.")
    return start, stop, 206


def _part(stream: BinaryIO, length: int) -> Iterator[bytes]:
    with stream:
        while length > 0 and (chunk := stream.read(min(_CHUNK, length))):
            length -= len(chunk)
            yield chunk


async def receive(blobs: BlobStore, request: Request, expected: str | None = None) -> Blob:
    """Store a request's body as a blob, as it arrives; ``X-AML-SHA256`` (or ``expected``) must match."""
    announced = expected or request.headers.get("x-aml-sha256")
    if announced is not None and not is_digest(announced):
        raise InvalidError("X-AML-SHA256 is not a sha256 in hex.")
    send, read = anyio.create_memory_object_stream[bytes](4)
    result: list[Blob] = []
    whole = anyio.Event()

    def store() -> None:
        result.append(blobs.put(_from_async(read, whole), announced))

    async def forward() -> None:
        stream = request.stream()
        async with send:
            while not whole.is_set():
                try:
                    with anyio.fail_after(limits.REQUEST_SECONDS):
                        chunk = await anext(stream)
                except StopAsyncIteration:
                    whole.set()
                    return
                if chunk:
                    await send.send(chunk)

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(forward)
            await anyio.to_thread.run_sync(store, limiter=_limiter())
            group.cancel_scope.cancel()
    except BaseExceptionGroup as many:
        first = many.exceptions[0]
        if isinstance(first, ClientDisconnect | ConnectionError | TimeoutError):
            raise InvalidError("The upload broke off before its end.", hint="Send it again.") from None
        raise first from None
    return result[0]


@functools.cache
def _limiter() -> anyio.CapacityLimiter:
    """Threads for uploads of their own, so that slow senders keep no other request waiting."""
    return anyio.CapacityLimiter(_UPLOADS)


def _from_async(stream: MemoryObjectReceiveStream[bytes], whole: anyio.Event) -> Iterator[bytes]:
    while True:
        try:
            yield anyio.from_thread.run(stream.receive)
        except anyio.EndOfStream:
            if not whole.is_set():  # what came is a part, and no part is kept
                raise ConnectionError("the sender broke off") from None
            return
