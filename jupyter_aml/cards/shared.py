"""What several runs have in common, said in one line below what they differ in."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_aml.cards import facts
from jupyter_aml.cards.clean import one_line
from jupyter_aml.cards.layout import quiet
from jupyter_aml.cards.markup import Child, Html, name

_PAIRS_MAX = 10


def shared_html(runs: Sequence[facts.Run]) -> Html | None:
    """``The same in all: seed = 0, folds = 5``; None where there is nothing."""
    shared = facts.shared_params(runs)
    if not shared:
        return None
    parts: list[Child] = ["The same in all: "]
    for place, (key, value) in enumerate(shared[:_PAIRS_MAX]):
        parts += [", " if place else None, name(key, 32), " = ", name(value, 32)]
    return quiet(*parts, _more(len(shared)), tag="div", style="margin-top:6px")


def shared_text(runs: Sequence[facts.Run]) -> list[str]:
    """The same as lines of text."""
    shared = facts.shared_params(runs)
    pairs = ", ".join(f"{one_line(key, 32)} = {one_line(value, 32)}" for key, value in shared[:_PAIRS_MAX])
    return [f"The same in all: {pairs}{_more(len(shared)) or ''}"] if shared else []


def _more(count: int) -> str | None:
    return f" and {count - _PAIRS_MAX} more" if count > _PAIRS_MAX else None
