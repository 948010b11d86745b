"""A request's body on its way through the server: chunk by chunk, at most two of them held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator


class Body:
    """Takes the chunks tornado reads and gives them to the one who sends them on.

    `put` waits until there is room, which is how a slow receiver slows the sender down.
    """

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._wanted = True
        self._broken = False
        self._ended = False
        self.started = False

    async def put(self, chunk: bytes | None) -> None:
        """Add a chunk (None: the body ends here); it is dropped where nobody wants it any more."""
        self._ended = self._ended or chunk is None
        if self._wanted:
            await self._chunks.put(chunk)

    def refuse(self) -> None:
        """Nobody reads on: let a waiting `put`, and all later ones, return."""
        self._wanted = False
        self._drain()

    def abort(self) -> None:
        """The sender has gone in the middle: whoever reads gets `ConnectionError`, never a short body."""
        if not self._ended:
            self._broken = True
            self._drain()
            self._chunks.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            self.started = True
            yield chunk
        if self._broken:
            raise ConnectionError("the sender went away in the middle of the body")

    def _drain(self) -> None:
        while not self._chunks.empty():
            self._chunks.get_nowait()
