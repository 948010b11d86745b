"""What every handler of the extension does before it does anything: who calls, and may they.

All of it happens in ``prepare``, when the headers have come and before a byte of the body is read: Jupyter's
own checks (host, identity, XSRF, origin), then an identity is demanded, then Jupyter's authorizer is asked
for each action and resource the request needs. A handler that needs nothing cannot be written: `needs` is
abstract and an empty answer is refused. Errors leave in the shape of the REST service.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, cast

from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

from jupyter_aml.errors import AmlError, ForbiddenError, InvalidError, NotFoundError, UnavailableError
from jupyter_aml.server.routes import WrongMethodError
from jupyter_aml.server.upstream import Service

SERVICE_SETTING = "jupyter_aml_service"
RELAY_SETTING = "jupyter_aml_relay"
CONTENT_SECURITY_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"
# Whatever comes from a workspace may have been written by anybody: no browser shall make anything of it.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
_BY_STATUS = {
    400: InvalidError("The server did not understand this request."),
    403: ForbiddenError(
        "This Jupyter server does not let you do that.", hint="Log in, or ask who runs the server."
    ),
    404: NotFoundError("There is no such route.", hint="See /aml/api/v1/openapi.json."),
}


def error_of_status(status: int) -> AmlError:
    """What a refusal of Jupyter's own says."""
    return _BY_STATUS.get(status) or AmlError("The Jupyter server failed on this request.")


class Refused(web.HTTPError):
    """An `AmlError` on its way to the browser."""

    def __init__(self, error: AmlError) -> None:
        super().__init__(error.http_status)
        self.error = error


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Within it, an `AmlError` becomes the request's answer."""
    try:
        yield
    except AmlError as error:
        raise Refused(error) from error


class AmlHandler(ExtensionHandlerMixin, APIHandler):
    """The base of our handlers, see the module."""

    @property
    def service(self) -> Service:
        """The workspace's service."""
        return cast(Service, self.settings[SERVICE_SETTING])

    @property
    def content_security_policy(self) -> str:
        """The strictest, whatever is configured for pages."""
        return CONTENT_SECURITY_POLICY

    def set_default_headers(self) -> None:
        """Jupyter's headers, then ours."""
        super().set_default_headers()
        for name, value in SECURITY_HEADERS.items():
            self.set_header(name, value)

    async def prepare(self) -> None:  # type: ignore[override]  # Jupyter's own API handlers narrow it too
        """Every check, before the body is read."""
        await super().prepare()
        if self._finished or self.request.method == "OPTIONS":
            return  # a CORS preflight tells nothing and does nothing
        if not self.current_user:
            raise web.HTTPError(403)
        self.settings[RELAY_SETTING].start()
        with refusing():
            needed = await self.needs()
            if not needed:
                raise ForbiddenError("This route names no permission, so nobody has it.")
            for action, resource in needed:
                await self._authorize(action, resource)
            self.begin()

    async def needs(self) -> list[tuple[str, str]]:
        """The actions and resources this request needs, all of them."""
        raise NotImplementedError

    def begin(self) -> None:
        """The request is allowed, and its body is about to come."""

    async def _authorize(self, action: str, resource: str) -> None:
        try:
            allowed = await ensure_async(
                self.authorizer.is_authorized(self, self.current_user, action, resource)
            )
        except web.HTTPError:
            raise
        except Exception as error:  # an authorizer that fails has not allowed anything
            self.log.exception("The authorizer failed on %s %s", action, resource)
            raise UnavailableError("This Jupyter server cannot tell what you may do right now.") from error
        if not allowed:
            raise ForbiddenError(
                f"You may not {action} {resource} on this Jupyter server.", hint="Ask who runs the server."
            )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every error in the service's shape; never a traceback."""
        exception = (kwargs.get("exc_info") or (None, None, None))[1]
        error = exception.error if isinstance(exception, Refused) else error_of_status(status_code)
        if isinstance(error, WrongMethodError):
            self.set_header("Allow", ", ".join(error.methods))
        if status_code == 503:
            self.set_header("Retry-After", "2")
        self.finish(json.dumps(error.to_json()))
