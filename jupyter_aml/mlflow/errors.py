"""Errors as MLflow's clients expect them: ``{"error_code", "message"}``, with MLflow's own codes."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from jupyter_aml.errors import AmlError, InvalidError, NotFoundError

_CODES = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    405: "ENDPOINT_NOT_FOUND",
    409: "RESOURCE_CONFLICT",
    413: "INVALID_PARAMETER_VALUE",
    416: "INVALID_PARAMETER_VALUE",
    503: "TEMPORARILY_UNAVAILABLE",
    507: "RESOURCE_EXHAUSTED",
}


class EndpointNotFoundError(NotFoundError):
    """The protocol has no such endpoint, or we do not serve it (traces, MLflow's own web pages)."""


class ExistsError(InvalidError):
    """There is one of that name already: 400 in MLflow's protocol, and its clients go on from there."""


class MissingValueError(InvalidError):
    """A parameter the endpoint needs was not given."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Missing value for required parameter '{name}'. "
            "See the API docs for more information about request parameters."
        )


class WrongValueError(InvalidError):
    """A parameter has a value it cannot have."""

    def __init__(self, name: str, value: Any, reason: str = "") -> None:
        shown = json.dumps(value)
        shown = shown if len(shown) <= 200 else shown[:197] + "..."
        super().__init__(
            f"Invalid value {shown} for parameter '{name}' supplied{': ' + reason if reason else '.'}"
        )


class BatchError(InvalidError):
    """A batch has more than the protocol allows."""

    http_status: ClassVar[int] = 400


def error_code(error: AmlError) -> str:
    """MLflow's name for an error of ours."""
    if isinstance(error, EndpointNotFoundError):
        return "ENDPOINT_NOT_FOUND"
    if isinstance(error, ExistsError):
        return "RESOURCE_ALREADY_EXISTS"
    return _CODES.get(error.http_status, "INTERNAL_ERROR")


def problem(error: AmlError) -> dict[str, str]:
    """The body of an answer that is an error."""
    return {"error_code": error_code(error), "message": str(error)}
