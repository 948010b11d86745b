"""The REST application: every registered operation as a route, and nothing else.

Callers are known before a body is read (`Gate`), rules of access are checked before an operation runs,
and errors leave in one shape, ``{"error": {code, message, detail, hint}}``, never with a traceback.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import Response

import jupyter_aml
from jupyter_aml import mlflow
from jupyter_aml.core.access import Principal, authorize
from jupyter_aml.core.database import storage_error
from jupyter_aml.core.operation import Context, Operation, Store
from jupyter_aml.core.strict_json import StrictRequest
from jupyter_aml.errors import AmlError, InternalError, InvalidError, NotFoundError
from jupyter_aml.mlflow.app import MlflowApp
from jupyter_aml.service.gate import SECURITY_HEADERS, Gate
from jupyter_aml.tracking.reading import is_below

PREFIX = "/api/v1"
log = logging.getLogger("jupyter_aml.service")


class Problem(BaseModel):
    """What went wrong, in the words every face shows."""

    code: str
    message: str
    detail: str | None
    hint: str | None


class Refusal(BaseModel):
    """The body of every answer that is an error."""

    error: Problem


class StrictRoute(APIRoute):
    """A route whose JSON bodies are read strictly."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """The handler, given a request that parses JSON by `strict_json`."""
        original = super().get_route_handler()

        async def handler(request: Request) -> Response:
            response: Response = await original(StrictRequest(request.scope, request.receive))
            return response

        return handler


def build_app(
    store: Store, operations: Iterable[Operation], gate: Callable[[str], Principal | None]
) -> FastAPI:
    """The application of ``store``. ``gate`` says who a token belongs to, or None."""
    app = FastAPI(
        title="jupyter_aml",
        version=jupyter_aml.__version__,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
    )
    app.router.route_class = StrictRoute
    for operation in operations:
        _add_route(app, store, operation)
    app.mount(mlflow.PREFIX, MlflowApp(store))
    app.add_middleware(Gate, principal_of=gate)
    app.add_exception_handler(AmlError, _aml_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected_error)
    return app


def _add_route(app: FastAPI, store: Store, operation: Operation) -> None:
    def context_of(request: Request) -> Context:
        principal: Principal = request.scope["principal"]
        authorize(
            principal, operation.rule, request.path_params.get("run_id"), lambda *ids: _is_own(store, *ids)
        )
        return Context(store, principal)

    endpoint = operation.function
    context = inspect.Parameter(
        "context",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        annotation=Annotated[Context, Depends(context_of)],
    )
    signature = inspect.Signature([context, *operation.parameters().values()])
    returns = inspect.get_annotations(endpoint, eval_str=True).get("return")
    structured = returns is not None and not (isinstance(returns, type) and issubclass(returns, Response))
    app.add_api_route(
        PREFIX + operation.path,
        _with_signature(endpoint, signature),
        methods=[operation.method],
        name=operation.name,
        status_code=operation.status,
        response_model=returns if structured else None,
        responses={"4XX": {"model": Refusal, "description": "The request was refused."}},
        openapi_extra={"x-aml-action": operation.rule.action, "x-aml-resource": operation.rule.resource},
    )


def _with_signature(function: Callable[..., Any], signature: inspect.Signature) -> Callable[..., Any]:
    async def awaited(**arguments: Any) -> Any:
        return await function(**arguments)

    def called(**arguments: Any) -> Any:
        return function(**arguments)

    endpoint: Callable[..., Any] = awaited if inspect.iscoroutinefunction(function) else called
    endpoint.__signature__ = signature  # type: ignore[attr-defined]
    endpoint.__doc__ = function.__doc__
    return endpoint


def _is_own(store: Store, run_id: str, ancestor: str) -> bool:
    with store.database.read() as connection:
        return is_below(connection, run_id, ancestor)


def _answer(error: AmlError) -> JSONResponse:
    headers = {"Retry-After": "2"} if error.http_status == 503 else None
    return JSONResponse(error.to_json(), error.http_status, headers)


async def _aml_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, AmlError)
    return _answer(error)


async def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    lines = [
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"[:300] for item in error.errors()[:10]
    ]
    problem = InvalidError("The request does not have the form this operation takes.", "\n".join(lines))
    return JSONResponse(problem.to_json(), 422)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    if isinstance(error.__cause__, AmlError):  # what the framework met while it read the body
        return _answer(error.__cause__)
    if error.status_code == 404:
        return _answer(NotFoundError("There is no such route.", hint="See /api/v1/openapi.json."))
    problem = InvalidError(str(error.detail))
    return JSONResponse(problem.to_json(), error.status_code, dict(error.headers or {}))


async def _unexpected_error(request: Request, error: Exception) -> Response:
    storage = storage_error(getattr(error, "orig", error))
    if storage is not None:
        return JSONResponse(storage.to_json(), storage.http_status, SECURITY_HEADERS)
    log.error("%s %a failed", request.method, request.url.path, exc_info=error)
    problem = InternalError(
        "The workspace service failed on this request.", hint="Its log says more: run/service.log."
    )
    return JSONResponse(problem.to_json(), 500, SECURITY_HEADERS)  # it does not pass the gate on its way out
