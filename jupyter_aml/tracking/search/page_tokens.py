"""Page tokens: where the next page of one search begins, and nothing a client can make up.

A token holds the ordering values and the number of the last run shown, so the next page begins right
after it whatever was added meanwhile. It is authenticated together with the search it belongs to: edited,
or shown with another filter, ordering or scope, it is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

from jupyter_aml import limits
from jupyter_aml.errors import InvalidError

_MAC_BYTES = 16
_DOMAIN = b"jupyter_aml search page token 1\0"
# As many ordering values as there may be, each the longest tag in characters of four bytes, coded as base64.
_LONGEST = limits.ORDER_BY_MAX * limits.TAG_VALUE_LENGTH * 4 * 4 // 3 + 1_000


def write_token(secret: bytes, search: object, place: list[Any]) -> str:
    """The token for the page after ``place`` (ordering values, then the run's number) of ``search``."""
    body = json.dumps(place, ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_mac(secret, search, body) + body).decode().rstrip("=")


def read_token(secret: bytes, search: object, token: str, length: int) -> list[Any]:
    """The place (``length`` values) a token stands for; `InvalidError` unless it is from this very search."""
    try:
        if len(token) > _LONGEST:
            raise ValueError("too long")
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise _refused() from error
    mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    # Base64 has several spellings of the same bytes; only the one given out counts.
    exact = base64.urlsafe_b64encode(raw).decode().rstrip("=") == token
    if not exact or not hmac.compare_digest(mac, _mac(secret, search, body)):
        raise _refused()
    place = json.loads(body)
    if not isinstance(place, list) or len(place) != length:
        raise _refused()
    return place


def _mac(secret: bytes, search: object, body: bytes) -> bytes:
    about = hashlib.sha256(json.dumps(search).encode()).digest()
    return hmac.digest(secret, _DOMAIN + about + body, "sha256")[:_MAC_BYTES]


def _refused() -> InvalidError:
    return InvalidError(
        "The page token does not belong to this search.",
        hint="Ask for the first page again, and pass on each next_page_token with the same filter and order.",
    )
