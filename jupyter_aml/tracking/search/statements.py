"""The statements a search runs: where it starts reading, and how it goes on after a page.

A search reads either along its order (an index on the first ordering, until the page is full) or from the
rows of its most selective comparison, sorted afterwards. SQLite's planner cannot choose well between the two,
for it does not know how many rows a value has; so each statement has one table in its FROM, and everything
else is a subquery that looks up that row's run. `Source` is that table.

Building a statement costs as much as running it. Statements hold no constants (see `compile.lift`), so that
searches of one shape share them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from jupyter_aml.tracking.search.compile import (
    TABLES,
    Condition,
    Slot,
    Value,
    attribute_condition,
    attribute_value,
    compared,
    condition,
    holds,
    is_named,
    lacks_value,
    value_of,
)
from jupyter_aml.tracking.search.fields import Field
from jupyter_aml.tracking.search.grammar import AllOf, Comparison, Node, Ordering
from jupyter_aml.tracking.tables import runs

_INDEXED = frozenset({"id", "status", "experiment", "parent_id"})
_NULLABLE = frozenset({"parent_id", "started_at", "ended_at"})
_KEPT = 64  # shapes of searches whose statements are kept
_chosen = runs.alias("chosen")
_ONE: Value = sa.literal_column("1")
_LIMIT = sa.bindparam("limit", type_=sa.Integer)


@dataclass(frozen=True)
class Search:
    """What to find, in which order.

    ``named`` are the comparisons on metrics, params and tags that must all hold, those on one name
    together; ``own`` is everything else that must hold, asked of the run itself. Constants are slots.
    """

    named: tuple[tuple[Comparison, ...], ...]
    own: tuple[Node, ...]
    orderings: tuple[Ordering, ...]

    @classmethod
    def of(cls, nodes: Sequence[Node], orderings: Sequence[Ordering]) -> Search:
        """The search for runs that fulfil all ``nodes``."""
        named: dict[Field, list[Comparison]] = {}
        own: list[Node] = []
        for node in nodes:
            for part in node.parts if isinstance(node, AllOf) else (node,):
                on_run = not isinstance(part, Comparison) or part.field.kind == "attribute"
                if isinstance(part, Comparison) and not on_run and part.operator != "IS NULL":
                    named.setdefault(part.field, []).append(part)
                else:
                    own.append(part)
        # A param or tag is found in one step, a metric in two.
        groups = sorted(named.values(), key=lambda group: group[0].field.kind == "metric")
        return cls(tuple(map(tuple, groups)), tuple(own), tuple(orderings))

    def group(self, field: Field) -> tuple[Comparison, ...]:
        """The comparisons on one metric, param or tag that must hold."""
        return next((group for group in self.named if group[0].field == field), ())

    def needs(self, field: Field) -> bool:
        """Whether only runs with a (not NaN) value of this metric, param or tag can be found."""
        return any(
            field.kind != "metric" or c.operator not in ("!=", "IS NOT NULL") for c in self.group(field)
        )


@dataclass(frozen=True, eq=False)
class Source:
    """The table a statement reads, the column with the run's number, and which rows.

    ``counted`` is what an index alone can tell about the rows, for an estimate of their number from above.
    """

    table: sa.FromClause
    number: Value
    conditions: tuple[Condition, ...] = ()
    counted: tuple[Condition, ...] = ()
    field: Field | None = None


EVERY_RUN = Source(runs, runs.c.number)


@dataclass(frozen=True, eq=False)
class Sources:
    """Where a search can read.

    ``natural`` yields runs in the order asked for without sorting (None where nothing does); ``selective``
    are others that an index narrows down, each with the statement that counts its rows (up to ``most``).
    """

    natural: Source | None
    selective: tuple[tuple[Source, sa.Select[Any]], ...]


@functools.lru_cache(_KEPT)
def sources(search: Search) -> Sources:
    """Where ``search`` can read."""
    natural = _natural(search)
    return Sources(natural, tuple((source, _count(source)) for source in _selective(search, natural)))


@functools.lru_cache(_KEPT)
def statements(
    search: Search, source: Source, missing: tuple[bool, ...] | None
) -> tuple[tuple[sa.Select[Any], bool], ...]:
    """The statements whose rows, one statement's after the other's, are the answer.

    ``missing`` tells which values are None in the place to go on from (no place: the first page). The
    statements are bound to the constants' slots, to ``place_0`` and on, ``place_number`` and ``limit``.

    Each row is the run's number and the values of the orderings. The flag says that the first ordering's
    value is left out of the rows: these runs have none, and come last.
    """
    first = search.orderings[0].field if search.orderings else None
    if first is None or source.field != first:
        return ((_statement(search, source, 0, missing), False),)
    found = []
    if missing is None or not missing[0]:
        conditions = (*source.conditions, value_of(first, source.table).is_not(None))
        found.append((_statement(search, replace(source, conditions=conditions), 0, missing), False))
    if not search.needs(first):
        without = replace(EVERY_RUN, conditions=(lacks_value(first, runs.c.number),))
        found.append((_statement(search, without, 1, missing if missing and missing[0] else None), True))
    return tuple(found)


def bound_place(place: Sequence[Any] | None) -> dict[str, Any]:
    """What `statements` are bound to when they go on from ``place``: ordering values, then the number."""
    if place is None:
        return {}
    return {f"place_{index}": value for index, value in enumerate(place[:-1])} | {"place_number": place[-1]}


def _natural(search: Search) -> Source | None:
    first = search.orderings[0].field if search.orderings else Field("attribute", "created_at")
    if first.kind != "attribute":
        return _named_source(first, search.group(first))
    return EVERY_RUN if first.key == "created_at" else None


def _selective(search: Search, natural: Source | None) -> Iterator[Source]:
    for group in search.named:
        if group[0].field != (natural and natural.field) and any(
            _narrows(comparison) for comparison in group
        ):
            yield _named_source(group[0].field, group)
    for node in search.own:
        if isinstance(node, Comparison) and node.field.key in _INDEXED and node.operator in ("=", "IN"):
            chosen = (attribute_condition(node, _chosen),)
            yield Source(_chosen, _chosen.c.number, chosen, chosen)


def _count(source: Source) -> sa.Select[Any]:
    most = sa.bindparam("most", type_=sa.Integer)
    rows = sa.select(_ONE).select_from(source.table).where(*source.counted).limit(most)
    return sa.select(sa.func.count()).select_from(rows.subquery())


def _named_source(field: Field, group: Sequence[Comparison]) -> Source:
    table = TABLES[field.kind]
    comparisons = [compared(value_of(field, table), comparison) for comparison in group]
    counted = (table.c.name == field.key, *comparisons)
    return Source(table, table.c.run, (*is_named(field, table), *comparisons), counted, field)


def _narrows(comparison: Comparison) -> bool:
    if comparison.operator == "LIKE":
        return isinstance(comparison.value, Slot) and comparison.value.has_beginning
    return comparison.operator in ("=", "<", "<=", ">", ">=", "IN")


def _statement(search: Search, source: Source, skip: int, missing: tuple[bool, ...] | None) -> sa.Select[Any]:
    """One statement; the first ``skip`` orderings have no value in its rows."""
    number, orderings = source.number, search.orderings[skip:]
    values = [_ordering_value(ordering.field, source) for ordering in orderings]
    labels = [value.label(f"order_{index}") for index, value in enumerate(values)]
    statement = sa.select(number, *labels).select_from(source.table).where(*source.conditions)
    for group in search.named:
        if group[0].field != source.field:
            statement = statement.where(holds(group, number))
    own = [condition(node, runs.c.number) for node in search.own]
    if source.table is not runs and own:
        own = [sa.exists(_ONE).where(runs.c.number == number, *own).correlate(source.table)]
    statement = statement.where(*own)
    if missing is not None:
        statement = statement.where(*_after(source, values, search.orderings, skip, missing))
    for label, ordering in zip(labels, orderings, strict=True):
        order = label.desc() if ordering.descending else label.asc()
        statement = statement.order_by(order.nulls_last() if _is_nullable(ordering.field, source) else order)
    return statement.order_by(number.desc()).limit(_LIMIT)


def _ordering_value(field: Field, source: Source) -> Value:
    if field == source.field:
        return value_of(field, source.table)
    if field.kind == "attribute":
        if source.table is runs:
            return attribute_value(field.key)
        value = sa.select(attribute_value(field.key)).where(runs.c.number == source.number)
        return value.correlate(source.table).scalar_subquery()
    probe = TABLES[field.kind].alias("ordered")
    value = sa.select(value_of(field, probe)).where(probe.c.run == source.number, *is_named(field, probe))
    return value.correlate(source.table).scalar_subquery()


def _is_nullable(field: Field, source: Source) -> bool:
    if field.kind == "attribute":
        return field.key in _NULLABLE
    return field != source.field


def _after(
    source: Source,
    values: Sequence[Value],
    orderings: Sequence[Ordering],
    skip: int,
    missing: Sequence[bool],
) -> Iterator[Condition]:
    """That a row comes after the place: later in the first ordering, or as late and later in the next, ..."""
    later: Condition = source.number < sa.bindparam("place_number", type_=sa.Integer)
    for index in range(len(orderings) - 1, skip - 1, -1):
        value, ordering = values[index - skip], orderings[index]
        if missing[index]:
            later = sa.and_(value.is_(None), later)
            continue
        place = sa.bindparam(f"place_{index}", type_=value.type)
        beyond = value < place if ordering.descending else value > place
        if _is_nullable(ordering.field, source):
            beyond = sa.or_(beyond, value.is_(None))
        later = sa.or_(beyond, sa.and_(value == place, later))
    yield later
    if values and not missing[skip] and not _is_nullable(orderings[skip].field, source):
        place = sa.bindparam(f"place_{skip}", type_=values[0].type)  # what an index can begin at
        yield values[0] <= place if orderings[skip].descending else values[0] >= place
