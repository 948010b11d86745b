"""The `TabularDataset`: a lazy table. Operations give a new one; reading happens in the ``to_`` methods."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from jupyter_aml.data.definition import (
    DropColumns,
    Filter,
    KeepColumns,
    Part,
    Skip,
    Step,
    TableDefinition,
    Take,
)
from jupyter_aml.data.sources import Content
from jupyter_aml.data.tabular.expression import Expression, as_expression, col
from jupyter_aml.data.tabular.plan import Plan, make_plan, run_rest
from jupyter_aml.errors import ConflictError, InvalidError

if TYPE_CHECKING:
    import duckdb
    import pandas

    from jupyter_aml.data.datastore import Datastore, DatastorePath
    from jupyter_aml.data.tabular.profile import Profile

    Paths = str | Path | DatastorePath | Sequence[str | Path | DatastorePath]
_ROW_GROUP = 262_144
_SEED_BITS = 32


class Source(Protocol):
    """Where a table's rows come from."""

    @property
    def schema(self) -> pa.Schema:
        """The columns and their types."""

    def batches(self, columns: list[str], condition: Expression | None) -> Generator[pa.RecordBatch]:
        """The rows for which the condition holds, always in the same order."""


class TabularDataset:
    """A table that is read when it is needed: files, a query of a database, or a frame."""

    def __init__(self, source: Source, definition: TableDefinition, content: Callable[[], Content]) -> None:
        self._source = source
        self._definition = definition
        self._content = content

    def __repr__(self) -> str:
        steps = " ".join(step.op for step in self._definition.steps)
        return f"<TabularDataset {self._definition.format}{' | ' + steps if steps else ''}>"

    @classmethod
    def from_delimited_files(
        cls,
        path: Paths,
        separator: str = ",",
        header: bool = True,
        *,
        encoding: str = "utf8",
        quote: str = '"',
        bad_lines: str = "error",
        column_types: Mapping[str, str] | None = None,
        partition_format: str | None = None,
        include_path: bool = False,
    ) -> TabularDataset:
        """A table in delimited files, packed or not.

        Args:
            path: a file, a folder, a pattern (``2024/**/*.csv``), several, or a place in a datastore.
            header: whether the first line of each file names the columns; else ``Column1`` and on.
            bad_lines: ``error`` or ``skip`` for lines with another number of values.
            column_types: ``text, integer, decimal, boolean, datetime`` by column; found from the data else.
            partition_format: columns from paths: ``/{country}/{day:yyyy/MM/dd}/data.csv``.
            include_path: adds the column ``Path``.
        """
        return cls._from_files(
            path, format="delimited", separator=separator, header=header, encoding=encoding, quote=quote,
            bad_lines=bad_lines, column_types=dict(column_types or {}), partition_format=partition_format,
            include_path=include_path,
        )  # fmt: skip

    @classmethod
    def from_parquet_files(
        cls, path: Paths, *, partition_format: str | None = None, include_path: bool = False
    ) -> TabularDataset:
        """A table in parquet files; ``path`` and the rest as for `from_delimited_files`."""
        return cls._from_files(
            path, format="parquet", partition_format=partition_format, include_path=include_path
        )

    @classmethod
    def from_json_lines_files(
        cls, path: Paths, *, partition_format: str | None = None, include_path: bool = False
    ) -> TabularDataset:
        """A table in files with a JSON object a line; ``path`` and the rest as for `from_delimited_files`."""
        return cls._from_files(
            path, format="json_lines", partition_format=partition_format, include_path=include_path
        )

    @classmethod
    def from_sql_query(cls, datastore: Datastore, query: str) -> TabularDataset:
        """The rows of a SELECT on a datastore of type ``sql``."""
        from jupyter_aml.data.tabular.open import open_query

        return open_query(datastore, TableDefinition(format="sql", query=query))

    @classmethod
    def from_frame(cls, frame: Any) -> TabularDataset:
        """A frame of pandas or polars, or a pyarrow table."""
        from jupyter_aml.data.tabular.open import open_frame

        return open_frame(frame)

    @classmethod
    def _from_files(cls, path: Paths, **definition: Any) -> TabularDataset:
        from jupyter_aml.data.tabular.open import open_paths

        return open_paths(path, TableDefinition.model_validate(definition))

    def _with(self, *steps: Step) -> TabularDataset:
        definition = self._definition.model_copy(update={"steps": [*self._definition.steps, *steps]})
        return TabularDataset(self._source, definition, self._content)

    def __getitem__(self, column: str) -> Expression:
        """A column, to make a condition of: ``table.filter(table["age"] > 50)``."""
        return col(column)

    def filter(self, condition: Expression | str) -> TabularDataset:
        """The rows for which the condition holds: ``col("age") > 50``, or that as text."""
        return self._with(Filter(expression=repr(as_expression(condition))))

    def keep_columns(self, columns: str | Sequence[str]) -> TabularDataset:
        """These columns only, in this order."""
        return self._with(KeepColumns(columns=_names(columns)))

    def drop_columns(self, columns: str | Sequence[str]) -> TabularDataset:
        """All but these columns."""
        return self._with(DropColumns(columns=_names(columns)))

    def take(self, count: int) -> TabularDataset:
        """The first ``count`` rows."""
        return self._with(Take(count=count))

    def skip(self, count: int) -> TabularDataset:
        """All but the first ``count`` rows."""
        return self._with(Skip(count=count))

    def sample(self, probability: float, seed: int | None = None) -> TabularDataset:
        """Each row with this probability; the same rows for the same seed."""
        return self._with(Part(low=0, high=probability, seed=_seed(seed)))

    def random_split(
        self, percentage: float, seed: int | None = None
    ) -> tuple[TabularDataset, TabularDataset]:
        """Two tables that have every row between them, about ``percentage`` (0 to 1) of them in the first."""
        number = _seed(seed)
        first, second = Part(low=0, high=percentage, seed=number), Part(low=percentage, high=1, seed=number)
        return self._with(first), self._with(second)

    def with_timestamp_columns(self, timestamp: str) -> TabularDataset:
        """Say which column holds the time of a row, for the ``time_`` methods."""
        definition = self._definition.model_copy(update={"timestamp": timestamp})
        return TabularDataset(self._source, definition, self._content)

    def time_before(self, end: datetime, include_boundary: bool = True) -> TabularDataset:
        """The rows up to a time."""
        column = self._timestamp()
        return self.filter(column <= end if include_boundary else column < end)

    def time_after(self, start: datetime, include_boundary: bool = True) -> TabularDataset:
        """The rows from a time on."""
        column = self._timestamp()
        return self.filter(column >= start if include_boundary else column > start)

    def time_between(self, start: datetime, end: datetime, include_boundary: bool = True) -> TabularDataset:
        """The rows between two times."""
        return self.time_after(start, include_boundary).time_before(end, include_boundary)

    def time_recent(self, delta: timedelta, include_boundary: bool = True) -> TabularDataset:
        """The rows of the last ``delta``, counted from now, in UTC."""
        return self.time_after((datetime.now(UTC) - delta).replace(tzinfo=None), include_boundary)

    def _timestamp(self) -> Expression:
        if self._definition.timestamp is None:
            raise InvalidError(
                "The table does not say which column holds its times.",
                hint="Say it: table.with_timestamp_columns('time')",
            )
        return col(self._definition.timestamp)

    @cached_property
    def _plan(self) -> Plan:
        return make_plan(self._definition.steps, self._source.schema.names)

    @property
    def columns(self) -> list[str]:
        """The columns' names."""
        return list(self._plan.result)

    @property
    def schema(self) -> pa.Schema:
        """The columns and their types."""
        return pa.schema([self._source.schema.field(name) for name in self._plan.result])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in batches that fit into memory."""
        plan = self._plan
        with contextlib.closing(self._source.batches(plan.columns, plan.condition)) as found:
            yield from run_rest(found, plan.rest)

    def to_reader(self) -> pa.RecordBatchReader:
        """The rows as a stream, to be read once."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches())

    def to_arrow(self) -> pa.Table:
        """The whole table as a pyarrow table."""
        from jupyter_aml.data.tabular.files import FileSource

        plan = self._plan
        if isinstance(self._source, FileSource) and plan.condition is None and not plan.rest:
            return self._source.whole(plan.columns)
        return pa.Table.from_batches(self.batches(), self.schema)

    def to_pandas_dataframe(self) -> pandas.DataFrame:
        """The whole table as a pandas frame."""
        return self.to_arrow().to_pandas(split_blocks=True, self_destruct=True)

    def to_duckdb(self, connection: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyRelation:
        """A relation of duckdb. Files are read each time it is asked, and only what it needs; the rest of the
        sources, and what counts rows, is read into memory now."""
        import duckdb

        from jupyter_aml.data.tabular.files import FileSource

        held, plan = connection or duckdb.connect(), self._plan
        if plan.rest or not isinstance(self._source, FileSource):
            return held.from_arrow(self.to_arrow())
        dataset = self._source.dataset
        if plan.condition is not None:
            dataset = dataset.filter(plan.condition.to_arrow())
        return held.from_arrow(dataset).project(
            ", ".join('"' + c.replace('"', '""') + '"' for c in plan.columns)
        )

    def to_parquet(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the table to one parquet file, in bounded memory; where it is."""
        import pyarrow.parquet as pq

        target = Path(path).expanduser()
        if target.exists() and not overwrite:
            raise ConflictError(f"{target} is there already.", hint="Pass overwrite=True.")
        temporary = target.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with pq.ParquetWriter(temporary, self.schema) as writer:
                for table in _row_groups(self.batches(), self.schema):
                    writer.write_table(table)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return target

    def count(self) -> int:
        """How many rows there are."""
        columns = self.columns[:1]
        return sum(batch.num_rows for batch in self._with(KeepColumns(columns=columns)).batches())

    def profile(self) -> Profile:
        """What each column holds: missing, min, max, mean, quantiles, histogram or most frequent values."""
        from jupyter_aml.data.tabular.profile import profile_of

        return profile_of(self)

    def content(self) -> Content:
        """What a data asset of this table consists of."""
        found = self._content()
        definition = self._definition.model_dump(mode="json")
        if found.definition is not None:
            definition["paths"] = found.definition["paths"]
        return Content("mltable", found.files, found.place, definition)


def _names(columns: str | Sequence[str]) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns)


def _seed(seed: int | None) -> int:
    return secrets.randbits(_SEED_BITS) if seed is None else seed


def _row_groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Batches joined to tables of the size parquet is read best in."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows >= _ROW_GROUP:
            yield pa.Table.from_batches(held, schema)
            held, rows = [], 0
    yield pa.Table.from_batches(held, schema)
