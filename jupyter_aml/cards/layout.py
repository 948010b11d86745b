"""The building blocks of every card: frame, table, state and bar.

Styles are inline, few, and of those that JupyterLab's sanitizer keeps; colours are either inherited,
see-through greys, or middle tones, so that one output is readable on light and on dark ground.
"""

from __future__ import annotations

from collections.abc import Iterable

from jupyter_aml.cards.formatting import status_look
from jupyter_aml.cards.markup import Child, Html, element, joined

GREY = "rgba(128,128,128,0.35)"

# MathJax typesets what it finds between dollar signs in any output, links included, except in these classes.
_NO_MATH = "mathjax_ignore tex2jax_ignore"
_FRAME = f"border:1px solid {GREY};border-radius:6px;padding:10px 14px;margin:4px 0"
_TEXT = "line-height:1.5;text-align:left"
_CELL = "white-space:nowrap;padding:2px 12px 2px 0;text-align:"
_TRACK = (
    "display:inline-block;width:220px;max-width:40%;height:6px;vertical-align:middle;border-radius:3px;"
    "background-color:rgba(128,128,128,0.25)"
)


def frame(*children: Child, color: str = GREY) -> Html:
    """The box around a whole output, with a stripe of ``color``."""
    return element("div", *children, _class=_NO_MATH, style=f"{_FRAME};{_TEXT};border-left:4px solid {color}")


def div(style: str, *children: Child) -> Html:
    """A block with a style."""
    return element("div", *children, style=style)


def quiet(*children: Child, tag: str = "span", style: str = "") -> Html:
    """Text of second rank, on any ground."""
    return element(tag, *children, style=";".join(filter(None, ("opacity:0.7;font-size:0.9em", style))))


def cell(*children: Child, right: bool = False, head: str | None = None, span: int | None = None) -> Html:
    """A cell of a table; with ``head`` (``col``, ``row`` or ``colgroup``) a heading of that scope."""
    style = f"{_CELL}{'right' if right else 'left'}"
    if span is not None:
        style += ";font-weight:normal;opacity:0.7"
    return element("th" if head else "td", *children, scope=head, colspan=span, style=style)


def row(*cells: Html | None, line: bool = False) -> Html:
    """A row of a table, with a faint line above."""
    style = "border-top:1px solid rgba(128,128,128,0.2);background:none" if line else "background:none"
    return element("tr", *cells, style=style)


def table(head: Iterable[Html | None], *bodies: Iterable[Html]) -> Html:
    """A table with its header rows and groups of rows; wider than the page it scrolls."""
    parts = (element("tbody", *rows) for rows in bodies)
    style = "table-layout:auto;margin:0;border-collapse:collapse"
    return div("overflow-x:auto", element("table", element("thead", *head), *parts, style=style))


def details(summary: str, text: str, *, is_open: bool = False) -> Html:
    """Lines of a log under a heading that opens and closes."""
    style = "margin:4px 0;padding:6px 8px;white-space:pre-wrap;font-size:0.85em;max-height:24em;overflow:auto"
    body = element("pre", text, style=style)
    return element("details", element("summary", summary), body, open="" if is_open else None)


def status_pill(status: object) -> Html:
    """A state as symbol and word, in a coloured outline."""
    look = status_look(status)
    style = f"border:1px solid {look.color};border-radius:10px;padding:0 9px;font-size:0.9em"
    symbol = element("span", look.symbol, style=f"color:{look.color}")
    return element("span", symbol, f" {look.word}", style=f"{style};font-weight:normal;white-space:nowrap")


def progress_bar(done: int, total: int, color: str) -> Html:
    """Cells done of all, as a bar with the figures beside it."""
    share = 100 * done / total if total else 0
    full = div(f"background-color:{color};height:6px;width:{share:.1f}%;border-radius:3px")
    return joined(div(_TRACK, full), f" {done} of {total} cells")
