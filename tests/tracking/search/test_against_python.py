"""Random runs, filters and orderings: the SQL finds what a plain reading in Python finds, page by page."""

from __future__ import annotations

import functools
import math
import re
import string
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_aml.tracking.search import find_runs

NUMBERS = st.sampled_from([0.0, -0.0, 0.5, 1.0, -1.0, 2.0, 1e300, math.inf, -math.inf, math.nan])
TEXTS = st.text(st.sampled_from("aAbé%_*?[]^-\\'\"`\n"), max_size=4)
NAMES = st.sampled_from(["a", "b", "a b", "%", 'q"`'])
RUN = st.fixed_dictionaries(
    {
        "metrics": st.dictionaries(NAMES, NUMBERS, max_size=3),
        "params": st.dictionaries(NAMES, TEXTS, max_size=3),
        "tags": st.dictionaries(NAMES, TEXTS, max_size=3),
        "display_name": TEXTS,
        "experiment": st.sampled_from(["one", "two"]),
        "status": st.sampled_from(["Completed", "Failed", "Running"]),
        "created_at": st.integers(0, 3),
        "ended_at": st.none() | st.integers(0, 3),
    }
)
Run = dict[str, Any]
AddRun = Callable[..., int]


class Clause(NamedTuple):
    """A filter's text and what it means."""

    text: str
    holds: Callable[[Run], bool]


def value_of(run: Run, place: tuple[str, str]) -> Any:
    return run[place[0]].get(place[1]) if place[0] in ("metrics", "params", "tags") else run[place[1]]


def folded(text: str) -> str:
    return text.translate(str.maketrans(string.ascii_uppercase, string.ascii_lowercase))


def matches(text: str, pattern: str) -> bool:
    special = {"%": ".*", "_": "."}
    return re.fullmatch("".join(special.get(c, re.escape(c)) for c in pattern), text, re.DOTALL) is not None


RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "LIKE": matches,
    "not like": lambda a, b: not matches(a, b),
    "ILIKE": lambda a, b: matches(folded(a), folded(b)),
    "NOT ILIKE": lambda a, b: not matches(folded(a), folded(b)),
    "IN": lambda a, b: a in b,
    "NOT IN": lambda a, b: a not in b,
}


def quoted(text: str, quote: str) -> str:
    return quote + text.replace(quote, quote * 2) + quote


@st.composite
def fields(draw: st.DrawFn, kinds: tuple[str, ...]) -> tuple[str, tuple[str, str]]:
    """The text of a field, and the place of its value in a run."""
    kind = draw(st.sampled_from(kinds))
    if kind in ("metrics", "params", "tags"):
        name = draw(NAMES)
        key = name if name.isalpha() and draw(st.booleans()) else quoted(name, draw(st.sampled_from('`"')))
        return f"{kind}.{key}", (kind, name)
    return draw(st.sampled_from(["", "attributes.", "attr."])) + kind, ("", kind)


@st.composite
def comparisons(draw: st.DrawFn) -> Clause:
    if draw(st.booleans()):
        field, place = draw(fields(("metrics", "metrics", "created_at", "ended_at")))
        operator = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]))
        number = draw(NUMBERS.filter(lambda value: not math.isnan(value)))
        constant: Any = number
        shown = repr(number).replace("inf", "1e999")
    else:
        field, place = draw(fields(("params", "tags", "display_name", "experiment")))
        operator = draw(
            st.sampled_from(["=", "!=", "LIKE", "not like", "ILIKE", "NOT ILIKE", "IN", "NOT IN"])
        )
        quote = draw(st.sampled_from("'\""))
        if operator.endswith("IN"):
            constant = draw(st.lists(TEXTS | st.just("one"), min_size=1, max_size=3))
            shown = "(" + ", ".join(quoted(text, quote) for text in constant) + ")"
        else:
            constant = draw(TEXTS | st.just("one"))
            shown = quoted(constant, quote)
    if draw(st.integers(0, 4)) == 0:
        return Clause(f"{field} IS NULL", lambda run: value_of(run, place) is None)

    def holds(run: Run) -> bool:
        value = value_of(run, place)
        return value is not None and RELATIONS[operator](value, constant)

    return Clause(f"{field} {operator} {shown}", holds)


def both(parts: list[Clause]) -> Clause:
    return Clause(" AND ".join(f"({p.text})" for p in parts), lambda run: all(p.holds(run) for p in parts))


def either(parts: list[Clause]) -> Clause:
    return Clause(" or ".join(f"({p.text})" for p in parts), lambda run: any(p.holds(run) for p in parts))


def negated(part: Clause) -> Clause:
    return Clause(f"NOT ({part.text})", lambda run: not part.holds(run))


def flat(parts: list[Clause]) -> Clause:
    return Clause(
        " and ".join(part.text for part in parts), lambda run: all(part.holds(run) for part in parts)
    )


TREES = st.recursive(
    comparisons(),
    lambda inner: (
        st.lists(inner, min_size=2, max_size=3).map(both)
        | st.lists(inner, min_size=2, max_size=3).map(either)
        | inner.map(negated)
    ),
    max_leaves=5,
)
FILTERS = (
    st.just(Clause("", lambda run: True)) | st.lists(comparisons(), min_size=1, max_size=4).map(flat) | TREES
)
ORDERING = st.tuples(
    fields(("metrics", "metrics", "params", "tags", "display_name", "experiment", "created_at", "ended_at")),
    st.sampled_from([("", 1), (" ASC", 1), (" desc", -1)]),
)
ORDERINGS = st.lists(ORDERING, max_size=3, unique_by=lambda ordering: ordering[0][1])

# Below how many rows a search sorts them instead of reading along the order.
FEW = st.sampled_from([0, 2, 2_000])


def in_order(runs: list[Run], orderings: list[Any]) -> list[int]:
    def compare(a: Run, b: Run) -> int:
        for (_, place), (_, sign) in orderings:
            x, y = value_of(a, place), value_of(b, place)
            missing = [value is None or (isinstance(value, float) and math.isnan(value)) for value in (x, y)]
            if any(missing):
                if missing[0] != missing[1]:
                    return 1 if missing[0] else -1
            elif x != y:
                return int(sign) * (1 if x > y else -1)
        return int(b["number"]) - int(a["number"])

    return [run["number"] for run in sorted(runs, key=functools.cmp_to_key(compare))]


@settings(max_examples=150, deadline=None)
@given(runs=st.lists(RUN, max_size=8), wanted=FILTERS, orderings=ORDERINGS, limit=st.integers(1, 4), few=FEW)
def test_sql_finds_what_python_finds(
    add_run: AddRun,
    engine: sa.Engine,
    runs: list[Run],
    wanted: Clause,
    orderings: list[Any],
    limit: int,
    few: int,
) -> None:
    runs = [{**run, "number": number} for number, run in enumerate(runs, 1)]
    expected = in_order([run for run in runs if wanted.holds(run)], orderings)
    order_by = [field + direction for (field, _), (direction, _) in orderings]
    with engine.connect() as connection, pytest.MonkeyPatch.context() as patch:
        patch.setattr("jupyter_aml.tracking.search._FEW", few)
        for run in runs:
            add_run(connection, **run)
        seen: list[int] = []
        token = None
        while token is not None or not seen:
            page, token = find_runs(
                connection, filter=wanted.text, order_by=order_by, limit=limit, page_token=token, secret=b"s"
            )
            seen += page
            if token is None:
                break
        assert seen == expected
