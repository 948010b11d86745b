"""What the columns of a table hold, found by duckdb in two passes and in bounded memory.

Counts, minimum, maximum, mean and standard deviation are exact; quantiles, the count of distinct values and
which values are most frequent are approximate (duckdb's t-digest, HyperLogLog and filtered space saving).
"""

from __future__ import annotations

import importlib.util
import math
import tempfile
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from jupyter_aml.errors import UnavailableError

if TYPE_CHECKING:
    import duckdb
    import pandas

    from jupyter_aml.data.tabular.dataset import TabularDataset

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BINS = 20
_TOP = 10
_MEMORY = "400MB"


@dataclass
class ColumnProfile:
    """One column. ``histogram`` counts in equal parts from ``min`` to ``max``; ``top`` is (value, count)."""

    name: str
    type: str
    count: int
    missing: int
    min: Any = None
    max: Any = None
    mean: float | None = None
    standard_deviation: float | None = None
    distinct: int | None = None
    quantiles: dict[float, float] = field(default_factory=dict)
    histogram: list[int] = field(default_factory=list)
    top: list[tuple[Any, int]] = field(default_factory=list)


@dataclass
class Profile:
    """The profile of a table: how many rows, and its columns."""

    rows: int
    columns: dict[str, ColumnProfile]

    def __getitem__(self, column: str) -> ColumnProfile:
        return self.columns[column]

    def to_dict(self) -> dict[str, Any]:
        """It as plain data."""
        return asdict(self)

    def to_pandas_dataframe(self) -> pandas.DataFrame:
        """It as a frame, a row a column."""
        import pandas

        return pandas.DataFrame([asdict(column) for column in self.columns.values()]).set_index("name")


def profile_of(table: TabularDataset) -> Profile:
    """The profile of a table."""
    if importlib.util.find_spec("duckdb") is None:
        raise UnavailableError("A profile needs duckdb.", hint="Install it: pip install 'jupyter_aml[data]'")
    import duckdb

    with tempfile.TemporaryDirectory(prefix="aml-") as folder:
        connection = duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": folder})
        try:
            return _Profiler(connection, table).run()
        finally:
            connection.close()


class _Profiler:
    def __init__(self, connection: duckdb.DuckDBPyConnection, table: TabularDataset) -> None:
        self._connection = connection
        self._table = table
        self._fields = list(table.schema)

    def run(self) -> Profile:
        rows, columns = self._first()
        self._second(columns)
        return Profile(rows, {column.name: column for column in columns})

    def _ask(self, wanted: list[str]) -> list[Any]:
        self._connection.register("aml_rows", self._table.to_reader())
        try:
            (row,) = self._connection.execute(f"SELECT {', '.join(wanted)} FROM aml_rows").fetchall()  # noqa: S608
        finally:
            self._connection.unregister("aml_rows")
        assert row is not None
        return list(row)

    def _first(self) -> tuple[int, list[ColumnProfile]]:
        wanted = ["count(*)"]
        for item in self._fields:
            name = _quoted(item.name)
            number = _is_number(item.type)
            value = f"CASE WHEN isfinite({name}::DOUBLE) THEN {name} END" if number else name
            wanted += [f"count({name})", f"min({value})", f"max({value})", f"approx_count_distinct({name})"]
            parts = ", ".join(map(str, QUANTILES))
            quantiles = f"approx_quantile(({value})::DOUBLE, [{parts}])"
            numbers = [f"avg({value})", f"stddev_samp(({value})::DOUBLE)", quantiles]
            wanted += numbers if number else [f"approx_top_k({name}, {_TOP})", "NULL", "NULL"]
        total, *found = self._ask(wanted)
        columns = []
        for index, item in enumerate(self._fields):
            present, low, high, distinct, a, b, c = found[index * 7 : index * 7 + 7]
            column = ColumnProfile(
                item.name, str(item.type), present, total - present, low, high, distinct=distinct
            )
            if _is_number(item.type):
                column.mean, column.standard_deviation = _float(a), _float(b)
                column.quantiles = dict(zip(QUANTILES, map(float, c), strict=True)) if c else {}
            else:
                column.top = [(value, 0) for value in a or []]
            columns.append(column)
        return total, columns

    def _second(self, columns: list[ColumnProfile]) -> None:
        """Counts that need to know the range, or the values, first."""
        wanted: list[str] = []
        for column, item in zip(columns, self._fields, strict=True):
            name = _quoted(column.name)
            if column.mean is not None and column.min != column.max:
                low, high = float(column.min), float(column.max)
                width = f"(({name}::DOUBLE - {low!r}) / {(high - low)!r} * {_BINS})"
                finite = f"FILTER (isfinite({name}::DOUBLE))"
                wanted.append(f"histogram(least({_BINS - 1}, floor({width})::INTEGER)) {finite}")
            elif not _is_number(item.type):
                wanted += [f"count(*) FILTER ({name} = {_literal(value)})" for value, _ in column.top]
        if not wanted:
            return
        found = iter(self._ask(wanted))
        for column, item in zip(columns, self._fields, strict=True):
            if column.mean is not None and column.min != column.max:
                bins = dict(next(found))
                column.histogram = [int(bins.get(number, 0)) for number in range(_BINS)]
            elif not _is_number(item.type):
                counted = [(value, int(next(found))) for value, _ in column.top]
                column.top = sorted(counted, key=lambda pair: -pair[1])


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: Any) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _float(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
