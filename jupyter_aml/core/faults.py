"""Faults of one thing among many: the others go on, and the first fault is told at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class Faults:
    """What went wrong in one step of a loop over things that have nothing to do with each other."""

    def __init__(self) -> None:
        self._first: Exception | None = None

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Whatever the block raises is kept, and what follows the block goes on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - it is not lost: `raise_first` raises it
            self._first = self._first or error

    def raise_first(self) -> None:
        """Raise the first fault, if there was one."""
        if self._first is not None:
            raise self._first
