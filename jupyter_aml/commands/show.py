"""Results as a person at a terminal reads them: a run as a card, lists as tables."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

_WIDE = 10_000  # where nobody sees a line's end, a table is as wide as its contents
_CELL = 200  # characters of a value in a table


def show(value: Any) -> None:
    """Print ``value`` on standard output for a person."""
    if value is None:
        return
    shown = value if isinstance(value, str) else _renderable(value)
    if not isinstance(shown, str):
        shown = _drawn(shown)
    elif sys.stdout.isatty():
        from jupyter_aml.cards.clean import for_terminal

        shown = for_terminal(shown)
    sys.stdout.write(shown if shown.endswith("\n") else shown + "\n")


def _drawn(shown: RenderableType) -> str:
    """What rich draws for this terminal; without one, plain text whose lines are never cut."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDE)
    with console.capture() as capture:
        console.print(shown)
    return "".join(line.rstrip() + "\n" for line in capture.get().splitlines())


def _renderable(value: Any) -> RenderableType:
    from jupyter_aml.tracking.experiment import Comparison, RunList
    from jupyter_aml.tracking.run import Run

    if isinstance(value, RunList):
        from jupyter_aml.cards.terminal import runs_table

        return runs_table(value.to_dicts(), now=int(time.time() * 1000)) if value else "No runs."
    if isinstance(value, Run | Comparison):
        return str(value._repr_mimebundle_()["text/plain"])
    if isinstance(value, Mapping):
        return _pairs_table(value)
    if isinstance(value, list | tuple):
        if not value:
            return "Nothing."
        if all(isinstance(item, Mapping) for item in value):
            return _dictionaries_table(value)
        return "\n\n".join(str(_renderable(item)) for item in value if isinstance(item, Run)) or "\n".join(
            map(str, value)
        )
    return str(value)


def _pairs_table(value: Mapping[str, Any]) -> RenderableType:
    """A dictionary, one entry a line."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, item in value.items():
        table.add_row(Text(str(name)), Text(_cell(item)))
    return table


def _dictionaries_table(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Dictionaries, one a line; entries that are no single value are left out, as in Azure's tables."""
    from rich.table import Table
    from rich.text import Text

    columns = [name for name, item in rows[0].items() if not isinstance(item, Mapping | list | tuple)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.upper(), no_wrap=True)
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    return table


def _cell(value: Any) -> str:
    """A value in one line, with nothing in it that could move the cursor or colour the rest."""
    from jupyter_aml.cards.clean import one_line

    if value in (None, "", {}, [], ()):
        return "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{one_line(str(name), 40)}={_cell(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    return one_line(str(value), _CELL)
