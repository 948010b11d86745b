"""Who may come in at all: checked on the headers, before a byte of the body is read.

A pure ASGI middleware. It wants ``Authorization: Bearer <token>`` on every request, a ``Host`` that is this
machine (a web page elsewhere that rebinds its name is turned away), bounds the body, and puts the headers
on every answer that keep a browser from making anything of it.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jupyter_aml import limits, mlflow
from jupyter_aml.core.access import Principal
from jupyter_aml.errors import (
    AmlError,
    ForbiddenError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
)
from jupyter_aml.mlflow.errors import problem

log = logging.getLogger("jupyter_aml.service")
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


class Gate:
    """See the module."""

    def __init__(self, app: ASGIApp, principal_of: Callable[[str], Principal | None]) -> None:
        self._app = app
        self._principal_of = principal_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no WebSocket is served, so none is accepted

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
            await send(message)

        try:
            headers = Headers(scope=scope)
            _check_host(headers.getlist("host"))
            scope["principal"] = self._principal(headers, scope["path"])
            bounded = _bounded(headers, scope, receive)
        except AmlError as error:
            # The connection ends with the answer, so that a body is not even read to be thrown away.
            is_mlflow = scope["path"].startswith(f"{mlflow.PREFIX}/")
            body = problem(error) if is_mlflow else error.to_json()
            refusal = JSONResponse(body, error.http_status, {"Connection": "close"})
            await refusal(scope, receive, send_safely)
            return
        await self._app(scope, bounded, send_safely)

    def _principal(self, headers: Headers, path: str) -> Principal:
        given = headers.getlist("authorization")
        if len(given) == 1 and given[0].startswith("Bearer "):
            try:
                principal = self._principal_of(given[0][7:])
            except AmlError:
                raise
            except Exception as error:  # who cannot be checked does not come in
                log.exception("A token could not be checked.")
                raise UnavailableError(
                    "The service cannot check now who calls.", hint="Its log says more: run/service.log."
                ) from error
            if principal is not None and path.startswith(principal.only):
                return principal
        raise UnauthenticatedError(
            "The workspace service does not know this token.",
            hint="Call it through jupyter_aml, which reads the token from the workspace's folder.",
        )


def _check_host(hosts: list[str]) -> None:
    host = hosts[0] if len(hosts) == 1 else ""
    name = host.rsplit(":", 1)[0].strip("[]") if not host.endswith("]") else host.strip("[]")
    if name in ("localhost", "aml"):
        return
    try:
        if ipaddress.ip_address(name).is_loopback:
            return
    except ValueError:
        pass
    raise ForbiddenError("The Host header does not name this machine.")


def _bounded(headers: Headers, scope: Scope, receive: Receive) -> Receive:
    """``receive`` for a JSON request: no more than the limit, whatever Content-Length says."""
    if scope["method"] == "PUT":
        return receive  # raw bytes, streamed to disk by the operation
    length = headers.get("content-length", "0")
    encoding = headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise AmlError("Compressed request bodies are not taken.")
    plain = length.isascii() and length.isdigit() and len(length) < 19
    if not plain or int(length) > limits.REQUEST_JSON_BYTES:
        raise TooLargeError(f"A request's JSON may have at most {limits.REQUEST_JSON_BYTES:,} bytes.")
    seen = 0

    async def bounded() -> Any:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limits.REQUEST_JSON_BYTES:
            raise TooLargeError(f"A request's JSON may have at most {limits.REQUEST_JSON_BYTES:,} bytes.")
        return message

    return bounded
