"""The file a cell's variables travel in: one line of JSON that says what follows, then one pickle a name.

Whoever loads it reads the line first, so that another version of Python is told as such and not by
whatever an unpickler meets. All pickles come out of one pickler: objects that were shared stay shared.
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, dataclass, field
from typing import Any

from jupyter_aml.errors import AmlError, InvalidError

_FORMAT = 1


def python_version() -> str:
    """Such as ``3.11``: pickles of code are good for one of these only."""
    return ".".join(platform.python_version_tuple()[:2])


def cloudpickle_version() -> str:
    """The version of cloudpickle here."""
    import cloudpickle

    return str(cloudpickle.__version__)


@dataclass(frozen=True)
class Header:
    """What a payload says about itself: its names in order, and submodules to import before."""

    names: list[str]
    modules: list[str] = field(default_factory=list)
    python: str = field(default_factory=python_version)
    cloudpickle: str = field(default_factory=cloudpickle_version)
    format: int = _FORMAT

    def check(self) -> None:
        """Raise `InvalidError` where it cannot be loaded by this Python."""
        check_versions("The notebook", self.python, self.cloudpickle)


def check_versions(whose: str, python: str, cloudpickle: str) -> None:
    """Raise `InvalidError` unless pickles made with these versions can be loaded here."""
    for what, theirs, ours in (
        ("Python", python, python_version()),
        ("cloudpickle", cloudpickle, cloudpickle_version()),
    ):
        if theirs != ours:
            raise InvalidError(
                f"{whose} has {what} {theirs}, this is {what} {ours}, and variables cannot cross that.",
                hint=f"Use the same version of {what} on both sides.",
            )


def pack(header: Header, pickles: bytes) -> bytes:
    """The payload's bytes."""
    return json.dumps(asdict(header), separators=(",", ":")).encode() + b"\n" + pickles


def unpack(data: bytes, sha256: str) -> tuple[Header, memoryview]:
    """The header and the pickles in ``data``, after checking that these are the bytes that were submitted."""
    check_digest(data, sha256, "The cell's variables")
    line = data[: data.index(b"\n")]
    found: dict[str, Any] = json.loads(line)
    if found.get("format") != _FORMAT:
        raise InvalidError(
            "The cell's variables were written by another version of jupyter_aml.",
            hint="Submit the cell again.",
        )
    return Header(**found), memoryview(data)[len(line) + 1 :]


def check_digest(data: bytes, sha256: str, what: str) -> None:
    """Raise unless ``data`` has the digest that was recorded when it was made."""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise AmlError(
            f"{what} are not the bytes that were recorded (their digest differs), so they are not loaded.",
            hint="Submit the cell again.",
        )
