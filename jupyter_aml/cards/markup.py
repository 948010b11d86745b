"""HTML and SVG built from elements, so that nothing from data can become markup.

`element` escapes every child and every attribute that is not already `Html`; only this module makes `Html`.
"""

from __future__ import annotations

import html
from base64 import b64encode

from jupyter_aml.cards.clean import one_line

_ANY_LENGTH = 1_000_000
_VOID = frozenset({"br", "img", "hr"})


class Html(str):
    """Markup that is safe as it stands."""

    __slots__ = ()


Child = Html | str | int | None


def escaped(text: object) -> Html:
    """Any text as harmless HTML text; a line break stays one, every other control character is shown."""
    lines = [one_line(part, _ANY_LENGTH) for part in str(text).split("\n")]
    return Html(html.escape("\n".join(lines), quote=True))


def element(name: str, *children: Child, **attributes: str | float | None) -> Html:
    """An element; attributes that are None are left out, an underscore in a name stands for a hyphen."""
    written = "".join(
        f' {key.strip("_").replace("_", "-")}="{escaped(one_line(value, _ANY_LENGTH))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Html:
    """Children one after the other; None is nothing."""
    return Html("".join(c if isinstance(c, Html) else escaped(c) for c in children if c is not None))


def name(text: object, limit: int = 60, **attributes: str | None) -> Html:
    """A text somebody chose, kept apart from the direction of what stands around it; whole in its tooltip."""
    shown = one_line(text, limit)
    whole = one_line(text, 500)
    return element("bdi", shown, title=whole if whole != shown else None, **attributes)


def image(*shapes: Html, width: int, height: int, alt: str, shrinks: bool = False) -> Html:
    """SVG shapes as an image: it runs and fetches nothing, and passes sanitizers that drop ``<svg>``.

    One that ``shrinks`` is never wider than the page; in the cell of a table that would cost it its room,
    so there the least width says no to the style sheets of front ends too.
    """
    svg = element(
        "svg",
        *shapes,
        xmlns="http://www.w3.org/2000/svg",
        width=width,
        height=height,
        viewBox=f"0 0 {width} {height}",
        font_family="system-ui,sans-serif",
        font_size=11,
    )
    source = f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode('ascii')}"
    style = f"vertical-align:middle;{'max-width:100%' if shrinks else f'min-width:{width}px'}"
    return element("img", src=source, width=width, height=height, alt=alt, style=style)
