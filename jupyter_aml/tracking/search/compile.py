"""From a filter's tree to SQL: bound parameters only, every comparison on the table it speaks of.

`lift` takes the constants out of a tree and leaves slots, names of parameters; so trees of one shape are
equal, and their SQL is built once.

A comparison on a metric, param or tag becomes ``EXISTS (SELECT ... WHERE run = ... AND name = ? AND ...)``,
which is true or false and never null. Everything on the run itself stays on the ``runs`` table.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jupyter_aml.tracking.search.fields import Field, Kind
from jupyter_aml.tracking.search.grammar import AllOf, Comparison, Node, Not
from jupyter_aml.tracking.tables import experiments, metric_series, params, runs, tags

Condition = sa.ColumnElement[bool]
Value = sa.ColumnElement[Any]

TABLES: dict[Kind, sa.Table] = {"metric": metric_series, "param": params, "tag": tags}
# The same tables below another name, for subqueries inside a statement that reads the table itself.
PROBES = {kind: table.alias(f"probe_{table.name}") for kind, table in TABLES.items()}
_parents = runs.alias("parents")
# Attributes that live in another table: the column here that points there, and what is meant there.
_LINKED: dict[str, tuple[str, Value, Value]] = {
    "experiment": ("experiment", experiments.c.number, experiments.c.name),
    "parent_id": ("parent", _parents.c.number, _parents.c.id),
}
# A constant in the SQL, not a parameter, so that a partial index with this very condition can serve.
_SCALAR: Value = sa.literal_column("'scalar'")


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter in the place of a constant: its name, whether it is a list, and whether it is a pattern for
    LIKE that has a beginning to look up in an index.
    """

    name: str
    is_list: bool
    has_beginning: bool


def lift(node: Node, constants: dict[str, object]) -> Node:
    """``node`` with slots for its constants, which are added to ``constants`` as they are to be bound."""
    if isinstance(node, Not):
        return Not(lift(node.part, constants))
    if not isinstance(node, Comparison):
        return type(node)(tuple(lift(part, constants) for part in node.parts))
    value = node.value
    if value is None:
        return node
    has_beginning = isinstance(value, str) and value[:1] not in ("", "%", "_")
    slot = Slot(f"constant_{len(constants)}", isinstance(value, tuple), has_beginning)
    is_like = isinstance(value, str) and node.operator in ("LIKE", "NOT LIKE")
    constants[slot.name] = as_glob(str(value)) if is_like else value
    return Comparison(node.field, node.operator, slot)


def condition(node: Node, run: Value) -> Condition:
    """Whether run number ``run`` fulfils ``node``; for attributes the statement must read ``runs``."""
    if isinstance(node, Comparison):
        if node.field.kind == "attribute":
            return attribute_condition(node)
        return holds([node], run)
    if isinstance(node, Not):
        # What is null counts as false before it is turned round.
        return sa.func.coalesce(condition(node.part, run), sa.false()) == sa.false()
    parts = [condition(part, run) for part in node.parts]
    return sa.and_(*parts) if isinstance(node, AllOf) else sa.or_(*parts)


def holds(comparisons: Sequence[Comparison], run: Value) -> Condition:
    """Whether run number ``run`` has the metric, param or tag ``comparisons`` are all on, and they hold."""
    field = comparisons[0].field
    probe = PROBES[field.kind]
    named = sa.exists(sa.literal_column("1")).where(probe.c.run == run, *is_named(field, probe))
    if comparisons[0].operator == "IS NULL":
        return ~named
    return named.where(*(compared(value_of(field, probe), comparison) for comparison in comparisons))


def lacks_value(field: Field, run: Value) -> Condition:
    """Whether run number ``run`` comes last when ordered by this metric, param or tag: none, or NaN."""
    probe = PROBES[field.kind]
    named = sa.exists(sa.literal_column("1")).where(probe.c.run == run, *is_named(field, probe))
    return ~named.where(value_of(field, probe).is_not(None))


def is_named(field: Field, table: sa.FromClause) -> list[Condition]:
    """That a row of a metric, param or tag table is the one named by ``field``."""
    named: list[Condition] = [table.c.name == field.key]
    if field.kind == "metric":
        named.append(table.c.kind == _SCALAR)
    return named


def value_of(field: Field, table: sa.FromClause) -> Value:
    """The column of the value a metric, param or tag is compared and ordered by."""
    return table.c.last_value if field.kind == "metric" else table.c.value


def attribute_value(key: str, table: sa.FromClause = runs) -> Value:
    """The value of an attribute of a row of ``runs``."""
    if key not in _LINKED:
        return table.c[key]
    link, number, value = _LINKED[key]
    return sa.select(value).where(number == table.c[link]).scalar_subquery()


def attribute_condition(comparison: Comparison, table: sa.FromClause = runs) -> Condition:
    """A comparison on an attribute of a row of ``runs``."""
    key = comparison.field.key
    if key not in _LINKED:
        return compared(table.c[key], comparison)
    link, number, value = _LINKED[key]
    if comparison.operator in ("IS NULL", "IS NOT NULL"):
        return compared(table.c[link], comparison)
    return table.c[link].in_(sa.select(number).where(compared(value, comparison)))


def compared(value: Value, comparison: Comparison) -> Condition:
    """``value operator slot``. A metric's null is NaN, which differs from every number."""
    slot = comparison.value
    bound: Value | None = sa.bindparam(slot.name, expanding=slot.is_list) if isinstance(slot, Slot) else None
    if comparison.field.kind == "metric" and comparison.operator in ("!=", "IS NOT NULL"):
        return sa.true() if bound is None else sa.or_(value != bound, value.is_(None))
    return _OPERATORS[comparison.operator](value, bound)


def _like(value: Value, pattern: Value) -> Condition:
    """SQLite's own LIKE has no regard for case; GLOB has, and can use an index."""
    return value.op("GLOB", is_comparison=True)(pattern)


def as_glob(pattern: str) -> str:
    """LIKE's pattern in the words of GLOB, in which ``*``, ``?`` and ``[`` are special."""
    return pattern.translate(_TO_GLOB)


_TO_GLOB = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})

_OPERATORS: dict[str, Callable[[Value, Any], Condition]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "IN": lambda value, texts: value.in_(texts),
    "NOT IN": lambda value, texts: value.not_in(texts),
    "LIKE": _like,
    "NOT LIKE": lambda value, pattern: sa.not_(_like(value, pattern)),
    "ILIKE": lambda value, pattern: value.like(pattern),
    "NOT ILIKE": lambda value, pattern: value.not_like(pattern),
    "IS NULL": lambda value, _: value.is_(None),
    "IS NOT NULL": lambda value, _: value.is_not(None),
}
