"""Tables and bars in plain text: what text/plain shows, and what a terminal without colours shows."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

WIDTH = 120


def columns_of(text: str) -> int:
    """How many columns of a terminal ``text`` takes."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def bar(done: int, total: int, width: int = 20) -> str:
    """``██████░░░░``"""
    full = width if total <= 0 else done * width // total
    return "█" * full + "░" * (width - full)


def table(
    rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset(), indent: str = ""
) -> list[str]:
    """Lines with the cells of ``rows`` under each other; columns in ``right`` are aligned to the right."""
    widths = [max(columns_of(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        (indent + "  ".join(_pad(cell, widths[i], i in right) for i, cell in enumerate(row))).rstrip()
        for row in rows
    ]


def fitting(rows: Sequence[Sequence[str]], keep: int, width: int = WIDTH) -> int:
    """How many columns of ``rows`` fit into ``width``, never fewer than ``keep``."""
    taken, count = -2, 0
    for column in zip(*rows, strict=True):
        taken += 2 + max(columns_of(cell) for cell in column)
        if taken > width and count >= keep:
            break
        count += 1
    return count


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _pad(cell: str, width: int, right: bool) -> str:
    room = " " * (width - columns_of(cell))
    return room + cell if right else cell + room
