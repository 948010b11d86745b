"""The Python of an environment, as far as starting a kernel with it goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OtherPython:
    """A program; ``bounded``: its kernel can import our bounded output streams."""

    program: str
    bounded: bool
