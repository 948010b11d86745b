"""Capability tokens: 256 random bits, stored as a hash, compared in constant time (rule R8)."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def new_token() -> str:
    """A fresh token; whoever holds it can do what it stands for, so it goes into no argv, URL or log."""
    return secrets.token_urlsafe(32)


def token_digest(token: str) -> str:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def same_token(given: str, digest: str) -> bool:
    """Whether ``given`` is the token whose digest is stored."""
    return hmac.compare_digest(token_digest(given), digest)
