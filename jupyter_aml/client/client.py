"""Calling the service's operations by name.

The service tells at the handshake which operations it has, with method, path and parameters; the client
keeps no table of its own, so there is one definition of each. A service that has gone is started again,
and a call is repeated where that is safe.
"""

from __future__ import annotations

import importlib.util
import os
import threading
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jupyter_aml
from jupyter_aml import limits
from jupyter_aml.client import launch
from jupyter_aml.client.locate import Location
from jupyter_aml.errors import InvalidError, UnavailableError, from_json

if TYPE_CHECKING:
    import httpx

PROTOCOL = 1
_HANDSHAKE = {"version": str, "protocol": int, "workspace_id": str, "idle": bool, "operations": dict}


class Client:
    """Speaks to the service of one workspace. Thread-safe; connects at the first call."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self._lock = threading.RLock()
        self._http: httpx.Client | None = None
        self._pid = 0
        self._operations: dict[str, dict[str, Any]] = {}
        self._workspace_id = ""

    @property
    def workspace_id(self) -> str:
        """The workspace's own id, by which a card in a saved notebook knows where it belongs."""
        self._connected()
        return self._workspace_id

    def call(self, operation: str, /, *, content: Any = None, **arguments: Any) -> Any:
        """Call an operation and return its JSON answer (None where there is none).

        Arguments named in the operation's path or query go there, those that are None are left out; the
        others make the JSON body. ``content`` (bytes or an iterable of them) is a raw body instead.
        """
        return _parsed(self.request(operation, content=content, **arguments))

    def request(self, operation: str, /, *, content: Any = None, **arguments: Any) -> httpx.Response:
        """As `call`, with the whole answer."""
        _need_httpx()
        import httpx

        for last in (False, True):
            http = self._connected(fresh=last)
            method, url, options, repeatable = self._prepare(operation, arguments)
            if content is not None:
                options = {**options, "content": content() if callable(content) else content}
                options.pop("json", None)
            try:
                return _checked(http.request(method, url, **options))
            except UnicodeEncodeError:
                raise InvalidError(f"What {operation!r} is given holds a lone surrogate, no text.") from None
            except httpx.ConnectError:
                if last:
                    raise self._unreachable() from None
            except httpx.TransportError as error:
                if last or not repeatable or isinstance(error, httpx.ReadTimeout):
                    raise UnavailableError(
                        f"The workspace service broke off while it answered {operation!r} ({error}).",
                        hint="Look whether it took effect before trying again.",
                    ) from error
        raise self._unreachable()

    def stream(self, operation: str, consume: Callable[[Iterable[bytes]], Any], /, **arguments: Any) -> Any:
        """Call an operation that answers bytes and hand their stream to ``consume``; its result."""
        http = self._connected()
        method, url, options, _ = self._prepare(operation, arguments)
        with http.stream(method, url, **options) as response:
            if not response.is_success:
                response.read()
            _checked(response)
            return consume(response.iter_bytes(1024 * 1024))

    def _prepare(self, operation: str, arguments: dict[str, Any]) -> tuple[str, str, dict[str, Any], bool]:
        found = self._operations.get(operation)
        if found is None:
            raise UnavailableError(
                f"The running service does not know {operation!r}.",
                hint="It is another version: stop it with 'aml service stop', then try again.",
            )
        rest = {name: value for name, value in arguments.items() if value is not None}
        path = found["path"]
        for name in list(rest):
            for form, safe in ((f"{{{name}}}", ""), (f"{{{name}:path}}", "/")):
                if form in path:
                    path = path.replace(form, quote(str(rest.pop(name)), safe=safe))
                    break
        query = {name: rest.pop(name) for name in found["query"] if name in rest}
        if found["keyed"]:
            rest.setdefault("key", uuid.uuid4().hex)
            arguments["key"] = rest["key"]
        options: dict[str, Any] = {"params": query}
        if rest:
            options["json"] = rest
        elif found["method"] in ("POST", "PATCH"):
            options["json"] = {}
        return found["method"], "/api/v1" + path, options, found["method"] != "POST" or found["keyed"]

    def _connected(self, *, fresh: bool = False) -> httpx.Client:
        with self._lock:
            if self._http is None or fresh or self._pid != os.getpid():
                self.close()
                self._http = self._connect()
                self._pid = os.getpid()
            return self._http

    def _connect(self) -> httpx.Client:
        _need_httpx()
        import httpx

        for last in (False, True):
            http = self._open(start=last)
            try:
                found = _shaken(_checked(http.get("/api/v1/handshake")))
            except httpx.TransportError:
                http.close()
                if last:
                    raise self._unreachable() from None
                continue
            if self._must_restart(found):
                http.post("/api/v1/service/stop", json={})
                http.close()
                launch.wait_until_gone(self.location.folder)
                continue
            self._operations = found["operations"]
            self._workspace_id = found["workspace_id"]
            return http
        raise self._unreachable()

    def _open(self, *, start: bool) -> httpx.Client:
        import httpx

        timeout = httpx.Timeout(limits.REQUEST_SECONDS, connect=5.0)
        if self.location.url is not None:
            # A token is for the workspace that the environment names with it, and goes to no other address.
            meant = os.environ.get("AML_WORKSPACE", self.location.url).rstrip("/") == self.location.url
            token = os.environ.get("AML_TOKEN") if meant else None
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return httpx.Client(base_url=self.location.url, headers=headers, timeout=timeout, trust_env=False)
        folder = self.location.folder
        address = launch.read_address(folder)
        if address is None or start:
            address = launch.start(folder) if not (address and launch.is_running(folder)) else address
        token = self._token()
        headers = {"Authorization": f"Bearer {token}", "User-Agent": f"jupyter_aml/{jupyter_aml.__version__}"}
        if address.address.startswith("unix:"):
            transport = httpx.HTTPTransport(uds=address.address[5:], limits=httpx.Limits(max_connections=20))
            return httpx.Client(base_url="http://aml", headers=headers, timeout=timeout, transport=transport)
        return httpx.Client(base_url=address.address, headers=headers, timeout=timeout, trust_env=False)

    def _must_restart(self, found: dict[str, Any]) -> bool:
        """Whether an older, idle service should make way; raises where it cannot and is too different."""
        newer = _version(jupyter_aml.__version__) > _version(found["version"])
        if newer and found["idle"] and self.location.url is None:
            return True
        if found["protocol"] == PROTOCOL:
            return False
        if newer:
            raise UnavailableError(
                f"The workspace's service is of version {found['version']} and has runs under way; "
                f"this is version {jupyter_aml.__version__}.",
                hint="Wait for its runs to end and try again, or stop it now with: aml service stop",
            )
        raise UnavailableError(
            f"The workspace's service is of version {found['version']}, newer than "
            f"this {jupyter_aml.__version__}.",
            hint="Upgrade here: pip install --upgrade jupyter_aml",
        )

    def _unreachable(self) -> UnavailableError:
        where = self.location.url or self.location.root
        return UnavailableError(
            f"The service of the workspace {where} cannot be reached.", hint="See: aml service status"
        )

    @property
    def is_inside_job(self) -> bool:
        """Whether this process belongs to a job of this workspace."""
        inside = os.environ.get("AML_WORKSPACE") == str(self.location.root)
        return inside and bool(os.environ.get("AML_TOKEN"))

    def _token(self) -> str:
        """The run's own token inside a job of this workspace, the owner's elsewhere."""
        if self.is_inside_job:
            return os.environ["AML_TOKEN"]
        return self.location.folder.token.read_text()

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._lock:
            if self._http is not None and self._pid == os.getpid():
                self._http.close()
            self._http = None


def _need_httpx() -> None:
    """Say clearly where the HTTP client is missing: an environment of a job need not have it."""
    if importlib.util.find_spec("httpx") is None:
        raise UnavailableError(
            "This environment has no httpx, which asking the workspace's service needs.",
            hint="Logging, tags and files work without it; to ask, add httpx to the environment.",
        )


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:  # a redirection is none: the token goes nowhere else
        return response
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    raise from_json(body, response.status_code)


def _parsed(response: httpx.Response) -> Any:
    try:
        return response.json() if response.content else None
    except (ValueError, RecursionError):
        raise UnavailableError("What the workspace service answered is no JSON.") from None


def _shaken(response: httpx.Response) -> dict[str, Any]:
    """What the service says of itself; `UnavailableError` where that is no handshake."""
    found = _parsed(response)
    if not isinstance(found, dict) or any(not isinstance(found.get(k), t) for k, t in _HANDSHAKE.items()):
        raise UnavailableError(
            "What answers at the workspace's address is no workspace service.", hint="See: aml service status"
        )
    return found


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())
