"""Which operation of the service a request means.

The table is made from what the service says of itself: method, path and query from its handshake, the rule
of access from its OpenAPI description. An operation without a rule is no route. A request's path is decoded
exactly once, must fit the one grammar of paths, and is refused instead of repaired (rule R2 of the security
cases); what is sent on is written anew from the decoded parts, so no other spelling reaches the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.errors import AmlError, InvalidError, NotFoundError

PREFIX = "/api/v1"
# The service's stream of events reaches browsers as Jupyter events instead, see `jupyter_aml.server.relay`;
# what opens the port for MLflow answers a token, and no token of the service's reaches a browser.
NOT_FRONTED = frozenset({"events", "open_mlflow"})
_QUERY_FIELDS = 100
# A segment of a path as RFC 3986 (section 3.3, pchar) writes it.
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+", re.ASCII)


class WrongMethodError(AmlError):
    """The path is known, the method is not one of its own; ``methods`` are."""

    code = "method_not_allowed"
    http_status: ClassVar[int] = 405

    def __init__(self, method: str, methods: Sequence[str]) -> None:
        super().__init__(f"{method} is not a method of this route.", hint=f"It takes {', '.join(methods)}.")
        self.methods = methods


@dataclass(frozen=True)
class Route:
    """An operation: its method, the segments of its path (``{name}`` takes one, ``{name:path}`` the rest)."""

    name: str
    method: str
    segments: tuple[str, ...]
    query: frozenset[str]
    action: str
    resource: str

    def fits(self, raw: Sequence[str]) -> bool:
        """Whether the path of these undecoded segments has this route's form."""
        rest = bool(self.segments) and self.segments[-1].endswith(":path}")
        if len(raw) < len(self.segments) or (len(raw) > len(self.segments) and not rest):
            return False
        return all(
            own.startswith("{") or own == given for own, given in zip(self.segments, raw, strict=False)
        )

    def target(self, decoded: Sequence[str], query: str) -> str:
        """What to ask of the service: the path written anew, and those query arguments the operation has."""
        for own, given in zip(self.segments, decoded, strict=False):
            if own.endswith(":path}"):
                _check("/".join(decoded[len(self.segments) - 1 :]))
            elif own.startswith("{"):
                _check(given)
        path = "/".join(quote(segment, safe="") for segment in decoded)
        arguments = urlencode([(name, value) for name, value in _arguments(query) if name in self.query])
        return f"{PREFIX}/{path}" + (f"?{arguments}" if arguments else "")


class RouteTable:
    """The operations of one instance of the service."""

    def __init__(self, operations: Mapping[str, Mapping[str, Any]], openapi: Mapping[str, Any]) -> None:
        """From the ``operations`` of the handshake and the service's OpenAPI document."""
        rules = dict(_rules(openapi))
        self._routes = [
            Route(name, found["method"], _segments(found["path"]), frozenset(found["query"]), *rules[name])
            for name, found in operations.items()
            if name in rules and name not in NOT_FRONTED
        ]

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def find(self, method: str, path: str, query: str) -> tuple[Route, str]:
        """The route of a request, and its target at the service.

        ``path`` is what follows ``/api/v1/``, undecoded. Of several routes the first wins, which is the one
        the service would choose too: both hold the operations in the same order.
        """
        raw = path.split("/")
        decoded = [_decoded(segment) for segment in raw]
        fitting = [route for route in self._routes if route.fits(raw)]
        if not fitting:
            raise NotFoundError("There is no such route.", hint="See /aml/api/v1/openapi.json.")
        for route in fitting:
            if route.method == method:
                return route, route.target(decoded, query)
        raise WrongMethodError(method, sorted({route.method for route in fitting}))


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.removeprefix("/").split("/"))


def _rules(openapi: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    for methods in openapi["paths"].values():
        for operation in methods.values():
            action, resource = operation.get("x-aml-action"), operation.get("x-aml-resource")
            if action and resource:
                yield operation["operationId"], (action, resource)


def _decoded(segment: str) -> str:
    """A segment, decoded once."""
    if _SEGMENT.fullmatch(segment):
        try:
            text = unquote_to_bytes(segment).decode("utf-8")
        except UnicodeDecodeError:
            raise _refusal() from None
        if "/" not in text:
            return text
    raise _refusal()


def _check(path: str) -> None:
    try:
        check_logical_path(path)
    except InvalidError:
        raise _refusal() from None


def _arguments(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_QUERY_FIELDS)
    except ValueError:
        raise InvalidError("The query of this request is not valid.") from None


def _refusal() -> InvalidError:
    # One sentence for every refused path: it tells nothing about what lies where.
    return InvalidError(
        "The path of this request is not valid.",
        hint="Inside a run, use a relative path such as 'plots/roc.png'.",
    )
