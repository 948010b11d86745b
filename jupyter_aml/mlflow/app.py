"""The protocol's application: finds the endpoint, lets in who may, and answers in MLflow's JSON.

The service's `Gate` stands before it, so every caller is known here and no body is too long.
"""

from __future__ import annotations

import inspect
import json
import logging
from typing import Any
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from jupyter_aml.core.access import Principal, authorize
from jupyter_aml.core.database import storage_error
from jupyter_aml.core.operation import Context, Store
from jupyter_aml.core.strict_json import parse
from jupyter_aml.errors import AmlError, InternalError, InvalidError
from jupyter_aml.mlflow import PREFIX, routes
from jupyter_aml.mlflow.about import run_of_call
from jupyter_aml.mlflow.call import Call, Handler
from jupyter_aml.mlflow.errors import EndpointNotFoundError, problem
from jupyter_aml.mlflow.fields import Fields
from jupyter_aml.mlflow.handlers import HANDLERS
from jupyter_aml.tracking.reading import is_below

log = logging.getLogger("jupyter_aml.service")
_QUERY_FIELDS = 1_000


class MlflowApp:
    """See the module."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except AmlError as error:
            response = _refusal(error)
        except ClientDisconnect:
            response = _refusal(InvalidError("The request broke off before its end."))
        except Exception as error:
            storage = storage_error(getattr(error, "orig", error))
            if storage is None:
                log.exception("MLflow %s %a failed", request.method, scope["path"])
                storage = InternalError("The workspace service failed on this request.")
            response = _refusal(storage)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        found = routes.find(request.method, request.scope["path"].removeprefix(f"{PREFIX}/"))
        if found is None:
            raise EndpointNotFoundError("This workspace does not serve that endpoint of MLflow's.")
        route, path = found
        handler = HANDLERS[route.handler]
        streams = inspect.iscoroutinefunction(handler)
        fields = Fields({} if streams else await _parameters(request))
        principal: Principal = request.scope["principal"]
        call = Call(Context(self._store, principal), fields, path, request)
        if streams:
            await run_in_threadpool(self._authorize, route, call)
            return _response(await handler(call))
        return await run_in_threadpool(self._call, route, handler, call)

    def _call(self, route: routes.Route, handler: Handler, call: Call) -> Response:
        self._authorize(route, call)
        return _response(handler(call))

    def _authorize(self, route: routes.Route, call: Call) -> None:
        """Raise unless the caller may; the owner, whom nothing is denied, costs no look-up."""
        if call.principal.run_id is not None:
            authorize(call.principal, route.rule, run_of_call(route.about, call), self._is_own)

    def _is_own(self, run_id: str, ancestor: str) -> bool:
        with self._store.database.read() as connection:
            return is_below(connection, run_id, ancestor)


async def _parameters(request: Request) -> dict[str, Any]:
    """The parameters: of the query for GET, else of the JSON body."""
    if request.method == "GET":
        return _query(request.scope["query_string"])
    body = await request.body()
    if not body.strip():
        return {}
    try:
        given = parse(body)
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"The body is not valid JSON: {str(error)[:200]}.") from None
    if not isinstance(given, dict):
        raise InvalidError("The body must be a JSON object.")
    return given


def _query(raw: bytes) -> dict[str, Any]:
    try:
        found = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_QUERY_FIELDS
        )
    except ValueError:
        raise InvalidError("The query of this request is not valid.") from None
    given: dict[str, Any] = {}
    for name, value in found:
        if name in given:
            before = given[name]
            given[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            given[name] = value
    return given


def _response(result: Any) -> Response:
    if isinstance(result, Response):
        return result
    return Response(json.dumps(result, allow_nan=False, separators=(",", ":")), media_type="application/json")


def _refusal(error: AmlError) -> Response:
    headers = {"Retry-After": "2"} if error.http_status == 503 else None
    status = 404 if isinstance(error, EndpointNotFoundError) else error.http_status
    return Response(json.dumps(problem(error)), status, headers, media_type="application/json")
