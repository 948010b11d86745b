"""The workspace's service as the Jupyter server reaches it: asynchronous, streaming, started where it is not.

Finding, starting and checking the service is the client's code, run in a thread; requests then go from the
event loop straight to its socket. Requests that come while it is being started wait for the same attempt.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jupyter_aml import limits
from jupyter_aml.client import Client, Location, launch, locate
from jupyter_aml.errors import AmlError, UnavailableError
from jupyter_aml.server.body import Body
from jupyter_aml.server.routes import PREFIX, RouteTable

if TYPE_CHECKING:
    import httpx

_EVENTS_SILENCE_SECONDS = 60.0  # the service says something every 15 s


@dataclass(frozen=True)
class Connection:
    """A service that answered: where it is, and what it can be asked."""

    location: Location
    http: httpx.AsyncClient
    routes: RouteTable
    openapi: dict[str, Any]


@dataclass(frozen=True)
class _Reached:
    location: Location
    address: str
    token: str
    operations: dict[str, Any]


class Service:
    """See the module."""

    def __init__(self, workspace: str, check: Callable[[Location], None]) -> None:
        """``workspace`` as `locate` takes it; ``check`` raises where it must not be served."""
        self._workspace = workspace
        self._check = check
        self._connection: Connection | None = None
        self._attempt: asyncio.Task[Connection] | None = None
        self._http: dict[tuple[str, str], httpx.AsyncClient] = {}

    async def connection(self) -> Connection:
        """The service, found or started; `UnavailableError` where that fails."""
        if self._connection is not None:
            return self._connection
        if self._attempt is None:
            self._attempt = asyncio.create_task(self._connect(), name="aml-connect")
            self._attempt.add_done_callback(self._attempted)
        return await asyncio.shield(self._attempt)

    def forget(self) -> None:
        """The service may be another one now: find it, and ask what it can do, before the next request."""
        self._connection = None

    async def send(
        self, method: str, target: str, headers: Mapping[str, str], body: Body | None = None
    ) -> httpx.Response:
        """Send a request and return the answer with its body still to be streamed; close it when done.

        ``target`` goes out byte for byte. A service that has gone is started again, and a request of which it
        saw nothing is repeated once.
        """
        for last in (False, True):
            connection = await self.connection()
            import httpx

            request = connection.http.build_request(
                method,
                PREFIX,
                headers=dict(headers),
                content=body,
                extensions={"target": target.encode("ascii")},
            )
            try:
                response = await connection.http.send(request, stream=True)
            except httpx.TransportError as error:
                self.forget()
                gone = isinstance(error, httpx.ConnectError) or (
                    method == "GET" and not isinstance(error, httpx.TimeoutException)
                )
                if last or not gone or (body is not None and body.started):
                    raise _broke_off(error) from error
                continue
            if response.status_code == 401 or response.status_code < 200 or 300 <= response.status_code < 400:
                await response.aclose()
                self.forget()
                raise UnavailableError("The workspace service did not accept this server's request.")
            return response
        raise AssertionError("the loop returns or raises")

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """The service's events, until its stream ends."""
        connection = await self.connection()
        import httpx  # by now a thread has imported it, which would have held up the event loop

        timeout = httpx.Timeout(limits.REQUEST_SECONDS, read=_EVENTS_SILENCE_SECONDS)
        try:
            async with connection.http.stream("GET", f"{PREFIX}/events", timeout=timeout) as response:
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        yield json.loads(line[6:])
        except httpx.TransportError as error:
            raise _broke_off(error) from error

    def is_announced(self) -> bool:
        """Whether a service says that it is there: not before one started, nor after one was stopped or left.

        One that was killed is still announced. Reads the disk.
        """
        try:
            location = locate(self._workspace or None)
        except AmlError:
            return False
        return location.url is not None or launch.read_address(location.folder) is not None

    async def close(self) -> None:
        """Close the connections. The service goes on."""
        self._connection = None
        if self._attempt is not None:
            self._attempt.cancel()
        clients, self._http = list(self._http.values()), {}
        for http in clients:
            await http.aclose()

    def _attempted(self, attempt: asyncio.Task[Connection]) -> None:
        self._attempt = None
        if not attempt.cancelled():
            attempt.exception()  # those who wait for it raise it; here it only counts as seen

    async def _connect(self) -> Connection:
        reached = await asyncio.to_thread(self._reach)
        import httpx

        http = self._client(reached)
        try:
            response = await http.get(f"{PREFIX}/openapi.json")
        except httpx.TransportError as error:
            raise _broke_off(error) from error
        if response.status_code != 200:
            raise UnavailableError(
                f"The workspace service answered {response.status_code} when asked what it can do."
            )
        openapi = response.json()
        self._connection = Connection(
            reached.location, http, RouteTable(reached.operations, openapi), openapi
        )
        return self._connection

    def _reach(self) -> _Reached:
        """Find the service, or start it. Blocks: it runs in a thread."""
        try:
            location = locate(self._workspace or None)
            self._check(location)
            client = Client(location)
            try:
                operations = client.call("handshake")["operations"]
            finally:
                client.close()
            if location.url is not None:
                return _Reached(location, location.url, os.environ.get("AML_TOKEN", ""), operations)
            address = launch.read_address(location.folder)
            if address is None:
                raise UnavailableError("The workspace service stopped as soon as it had started.")
            return _Reached(location, address.address, location.folder.token.read_text(), operations)
        except UnavailableError:
            raise
        except AmlError as error:
            raise UnavailableError(error.headline, error.detail, error.hint) from error
        except OSError as error:
            raise UnavailableError(f"The workspace cannot be opened: {error}.") from error

    def _client(self, reached: _Reached) -> httpx.AsyncClient:
        """The client for an address and token; a service that was started again usually has the same."""
        import httpx

        key = (reached.address, reached.token)
        if key not in self._http:
            unix = reached.address.startswith("unix:")
            self._http[key] = httpx.AsyncClient(
                base_url="http://aml" if unix else reached.address,
                # No environment: the service is on this machine, and its token must meet no proxy.
                transport=httpx.AsyncHTTPTransport(
                    uds=reached.address[5:] if unix else None, trust_env=False, limits=httpx.Limits()
                ),
                headers={"Authorization": f"Bearer {reached.token}", "Accept-Encoding": "identity"},
                timeout=httpx.Timeout(limits.REQUEST_SECONDS, connect=5.0),
                trust_env=False,
            )
        return self._http[key]


def _broke_off(error: Exception) -> UnavailableError:
    return UnavailableError(
        "The workspace service broke off the connection.",
        type(error).__name__,
        hint="Look whether the request took effect before trying again.",
    )
