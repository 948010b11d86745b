"""What the objects that a run keeps hold, as far as the OpenAPI document can promise it.

They are stored as they came and answered as they are stored: nothing here checks or changes them, and each
may hold more than is named.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import WithJsonSchema

_Schema = dict[str, Any]
_TEXT: _Schema = {"type": "string"}
_TEXT_OR_NULL: _Schema = {"type": ["string", "null"]}


def _holding(properties: dict[str, _Schema], required: tuple[str, ...] = ()) -> _Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": True,
    }


_GIT = _holding(
    {
        "repository": _TEXT_OR_NULL,
        "commit": _TEXT_OR_NULL,
        "branch": _TEXT_OR_NULL,
        "dirty": {"type": ["boolean", "null"]},
    }
)

# Why a run failed or was canceled; `cell` counts from 0.
Failure = Annotated[
    dict[str, Any],
    WithJsonSchema(
        _holding(
            {
                "class": _TEXT,
                "message": _TEXT,
                "reason": _TEXT,
                "cell": {"type": ["integer", "null"]},
                "traceback": _TEXT_OR_NULL,
                "log_tail": {"type": "array", "items": _TEXT},
            },
            required=("class", "message", "reason"),
        )
    ),
]
# Where a run comes from: the commit, the Python, the host.
Source = Annotated[
    dict[str, Any],
    WithJsonSchema(_holding({"git": {"anyOf": [_GIT, {"type": "null"}]}, "python": _TEXT})),
]
# The job a run was made from.
Spec = Annotated[
    dict[str, Any],
    WithJsonSchema(
        _holding(
            {
                "type": {"enum": ["command", "notebook", "cell"]},
                "parameters": _holding({}),
                "inputs": _holding({}),
            },
            required=("type",),
        )
    ),
]
