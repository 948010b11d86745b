"""JSON as it is received: RFC 8259 and nothing more, with bounds on size and depth.

Python's parser alone accepts NaN, repeated keys (the last one silently wins), lone surrogates, integers of
any length and nesting until it fails; each is refused here with a sentence.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from jupyter_aml import limits

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)  # one that never ends too: linear
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


def _refuse_constant(text: str) -> Any:
    raise ValueError(f'{text} is no JSON number; send it as the string "{text}"')


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object names a key twice")
    return result


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError("a number has too many digits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is out of range")
    return value


def parse(data: bytes) -> Any:
    """The value ``data`` stands for; `ValueError` with a reason where it is not strict JSON."""
    if _depth(data) > limits.JSON_DEPTH:
        raise ValueError(f"it is nested deeper than {limits.JSON_DEPTH} levels")
    text = data.decode("utf-8")
    if "\\ud" in text.lower():
        value = _load(text)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # refuses a lone surrogate
        return value
    return _load(text)


def _load(text: str) -> Any:
    return json.loads(
        text,
        parse_constant=_refuse_constant,
        parse_int=_integer,
        parse_float=_number,
        object_pairs_hook=_pairs,
    )


def _depth(data: bytes) -> int:
    """The greatest nesting, counting brackets outside strings only as far as needed to refuse."""
    if data.count(b"[") + data.count(b"{") <= limits.JSON_DEPTH:
        return 0
    depth = deepest = 0
    for byte in _STRING.sub(b"", data).translate(None, _NO_BRACKET):
        if byte in (0x5B, 0x7B):
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


class StrictRequest(Request):
    """A request whose ``json()`` is strict and whose JSON body is bounded."""

    async def json(self) -> Any:
        """The body as strict JSON; 400 with the reason, 413 when it is too large."""
        try:
            return parse(await self.body())
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, f"The body is not valid JSON: {str(error)[:200]}.") from None
