"""The dispatcher: a request under ``/aml/`` becomes one of the service's operations, or nothing.

Both directions are streamed. Only headers of two short lists pass; the service never sees the browser's
cookies, tokens or addresses, and the browser never sees the service's token.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tornado import web
from tornado.iostream import StreamClosedError

from jupyter_aml.errors import InvalidError, NotFoundError
from jupyter_aml.server.body import Body
from jupyter_aml.server.handler import AmlHandler, refusing

if TYPE_CHECKING:
    import httpx

_ROOT = "aml/api/v1/"
_REQUEST_HEADERS = ("Content-Type", "Content-Length", "Range", "X-AML-SHA256")
_RESPONSE_HEADERS = (
    "Content-Length", "Content-Range", "Accept-Ranges", "Content-Disposition", "Retry-After", "X-AML-SHA256",
)  # fmt: skip
_UPLOAD_BYTES = 2**62  # what a body may have is the service's to say, and it streams to disk
_CHUNK = 256 * 1024


@web.stream_request_body
class ServiceHandler(AmlHandler):
    """Every route of the service, see the module."""

    _body: Body | None = None
    _answer: asyncio.Task[httpx.Response] | None = None
    _discarding: asyncio.Task[None] | None = None
    _responding = False
    _method = ""
    _target = ""

    async def needs(self) -> list[tuple[str, str]]:
        """What the operation itself asks of its caller."""
        if self.request.headers.get("Content-Encoding", "identity") != "identity":
            raise InvalidError("Compressed request bodies are not taken.")
        root = self.base_url + _ROOT
        path = self.request.path
        if not path.startswith(root):
            raise NotFoundError("There is no such route.", hint="See /aml/api/v1/openapi.json.")
        connection = await self.service.connection()
        self._method = self.request.method or ""
        route, self._target = connection.routes.find(self._method, path[len(root) :], self.request.query)
        return [(route.action, route.resource)]

    def begin(self) -> None:
        """Start sending, so that the body can go through as it comes."""
        headers = {
            name: self.request.headers[name] for name in _REQUEST_HEADERS if name in self.request.headers
        }
        if not self.takes_body():
            headers.pop("Content-Length", None)
        else:
            self.request.connection.set_max_body_size(_UPLOAD_BYTES)  # type: ignore[union-attr]
            self._body = Body()
        self._answer = asyncio.create_task(self._send(headers))

    def takes_body(self) -> bool:
        """Whether a request of this method has a body that goes on."""
        return self._method in ("POST", "PUT", "PATCH")

    async def _send(self, headers: dict[str, str]) -> httpx.Response:
        try:
            return await self.service.send(self._method, self._target, headers, self._body)
        finally:
            if self._body is not None:
                self._body.refuse()

    async def data_received(self, chunk: bytes) -> None:
        """Hand a part of the body on; the next is read when this one has gone."""
        if self._body is not None:
            await self._body.put(chunk)

    def on_connection_close(self) -> None:
        """The browser went away: a body that is not whole must not be taken for one."""
        super().on_connection_close()
        if self._body is not None:
            self._body.abort()
        if self._answer is not None and not self._responding:
            self._discarding = asyncio.create_task(_discard(self._answer))

    async def _respond(self) -> None:
        """End the body, wait for the answer and stream it to the browser."""
        assert self._answer is not None
        self._responding = True
        if self._body is not None:
            await self._body.put(None)
        with refusing():
            response = await self._answer
        async with contextlib.aclosing(response):
            self.set_status(response.status_code)
            for name in _RESPONSE_HEADERS:
                if name in response.headers:
                    self.set_header(name, response.headers[name])
            content_type = response.headers.get("Content-Type", "application/octet-stream")
            self.set_header("Content-Type", content_type)
            if content_type != "application/json" and "Content-Disposition" not in response.headers:
                self.set_header("Content-Disposition", "attachment")
            await self._stream(response, content_type)

    async def _stream(self, response: httpx.Response, content_type: str) -> None:
        """Pass the answer's body on, no faster than the browser takes it."""
        import httpx

        try:
            async for chunk in response.aiter_raw(_CHUNK):
                self.write(chunk)
                await self.flush()
            await self.finish(set_content_type=content_type)
        except StreamClosedError:
            pass  # the browser went away
        except httpx.TransportError as error:
            # The headers have gone out, so the only way to say that the rest is missing is to hang up.
            self.log.warning("The workspace service broke off an answer: %s", error)
            self.request.connection.stream.close()  # type: ignore[union-attr]

    @web.authenticated
    async def get(self) -> None:
        """Read."""
        await self._respond()

    @web.authenticated
    async def post(self) -> None:
        """Create, search or command."""
        await self._respond()

    @web.authenticated
    async def put(self) -> None:
        """Store bytes."""
        await self._respond()

    @web.authenticated
    async def patch(self) -> None:
        """Change."""
        await self._respond()

    @web.authenticated
    async def delete(self) -> None:
        """Remove."""
        await self._respond()


async def _discard(answer: asyncio.Task[httpx.Response]) -> None:
    """Wait for an answer nobody will read, and close it."""
    await asyncio.wait([answer])
    if not answer.cancelled() and answer.exception() is None:
        await answer.result().aclose()
