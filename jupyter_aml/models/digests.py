"""The digest of a model: one sha256 for all its files, which service and client compute alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def model_digest(files: Iterable[tuple[str, str]]) -> str:
    """The sha256 in hex of a model's files, given as (path, sha256): the lines ``sha256  path`` by path.

    That is what ``sha256sum`` prints for them, so it can be checked with nothing but that.
    """
    lines = (f"{digest}  {path}\n" for path, digest in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
