"""The steps of a table: the part the reader does itself, and the part that is done on what it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_aml.data.definition import DropColumns, Filter, KeepColumns, Part, Skip, Step, Take
from jupyter_aml.data.tabular.expression import Expression, parse
from jupyter_aml.errors import InvalidError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

    Batches = Iterator[pa.RecordBatch]


@dataclass
class Plan:
    """What the reader is asked for: ``columns`` of the rows for which ``condition`` holds; then ``rest``.

    The reader does the steps up to the first that counts rows: what comes after depends on all before.
    """

    columns: list[str]
    condition: Expression | None = None
    rest: list[Step] = field(default_factory=list)
    result: list[str] = field(default_factory=list)


def make_plan(steps: Sequence[Step], columns: Sequence[str]) -> Plan:
    """The plan of a table whose reader has ``columns``; `InvalidError` for a column that is not there."""
    plan = Plan(list(columns))
    now = list(columns)
    for step in steps:
        if isinstance(step, Filter):
            condition = parse(step.expression)
            _known(condition.columns(), now)
            if not plan.rest:
                plan.condition = condition if plan.condition is None else plan.condition & condition
        elif isinstance(step, KeepColumns | DropColumns):
            _known(step.columns, now)
            kept = isinstance(step, KeepColumns)
            now = list(dict.fromkeys(step.columns)) if kept else [c for c in now if c not in step.columns]
            if not plan.rest:
                plan.columns = now
        if plan.rest or isinstance(step, Take | Skip | Part):
            plan.rest.append(step)
    plan.result = now
    return plan


def _known(wanted: Sequence[str] | set[str], columns: Sequence[str]) -> None:
    for name in wanted:
        if name not in columns:
            near = did_you_mean(name, columns)
            raise InvalidError(
                f"The table has no column {name!r}.", hint=near or f"It has: {', '.join(columns)[:500]}"
            )


def run_rest(batches: Batches, steps: Sequence[Step]) -> Batches:
    """What comes of batches after the steps; reads no further than the result needs."""
    for step in steps:
        batches = _RUN[type(step)](batches, step)
    return batches


def _filter(batches: Batches, step: Filter) -> Batches:
    import pyarrow as pa

    condition = parse(step.expression).to_arrow()
    for batch in batches:
        yield from pa.Table.from_batches([batch]).filter(condition).to_batches()


def _keep(batches: Batches, step: KeepColumns) -> Batches:
    for batch in batches:
        yield batch.select(list(dict.fromkeys(step.columns)))


def _drop(batches: Batches, step: DropColumns) -> Batches:
    for batch in batches:
        yield batch.drop_columns(step.columns)


def _take(batches: Batches, step: Take) -> Batches:
    left = step.count
    if left == 0:
        return
    for batch in batches:
        yield batch.slice(0, left)
        left -= batch.num_rows
        if left <= 0:
            return


def _skip(batches: Batches, step: Skip) -> Batches:
    left = step.count
    for batch in batches:
        if left < batch.num_rows:
            yield batch.slice(left)
        left = max(0, left - batch.num_rows)


def _part(batches: Batches, step: Part) -> Batches:
    """Rows by a random number each: drawn in order, so how rows lie in batches does not matter."""
    import numpy as np
    import pyarrow as pa

    numbers = np.random.default_rng(step.seed)
    for batch in batches:
        drawn = numbers.random(batch.num_rows)
        yield batch.filter(pa.array((drawn >= step.low) & (drawn < step.high)))


_RUN: dict[type, Callable[..., Batches]] = {
    Filter: _filter,
    KeepColumns: _keep,
    DropColumns: _drop,
    Take: _take,
    Skip: _skip,
    Part: _part,
}
