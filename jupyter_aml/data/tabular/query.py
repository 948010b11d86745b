"""Tables in databases: the query is the inner part of one with the columns and the condition asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import sqlalchemy as sa

from jupyter_aml.errors import InvalidError

if TYPE_CHECKING:
    from jupyter_aml.data.tabular.expression import Expression

_ROWS = 20_000


class QuerySource:
    """The rows of a SELECT. ``connect`` opens a connection for each reading."""

    def __init__(
        self, connect: Callable[[], contextlib.AbstractContextManager[sa.Connection]], query: str
    ) -> None:
        self._connect = connect
        self._query = query.strip().rstrip(";")

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns and their types, as the first rows have them."""
        batches = self.batches(None, None)
        try:
            return next(batches).schema
        finally:
            batches.close()

    def batches(self, columns: list[str] | None, condition: Expression | None) -> Generator[pa.RecordBatch]:
        """The rows for which ``condition`` holds, in the database's order."""
        # The user's own query on the user's own database is what this runs; values are parameters.
        inner = sa.text(f"({self._query}) AS aml_table")
        wanted: list[Any] = [sa.text("*")] if columns is None else [sa.column(name) for name in columns]
        statement = sa.select(*wanted).select_from(inner)
        if condition is not None:
            statement = statement.where(condition.to_sql())
        with self._connect() as connection:
            result = connection.execution_options(stream_results=True, max_row_buffer=_ROWS).execute(
                statement
            )
            names = list(result.keys())
            schema = None if columns is None else pa.schema([self.schema.field(name) for name in columns])
            if len(set(names)) != len(names):
                raise InvalidError("The query has two columns of one name.", hint="Rename one: ... AS other")
            any_rows = False
            for rows in result.partitions(_ROWS):
                batch = _batch(names, rows, schema)
                any_rows, schema = True, batch.schema
                yield batch
            if not any_rows:
                yield _batch(names, [], schema)


def _batch(names: list[str], rows: Any, schema: pa.Schema | None) -> pa.RecordBatch:
    values = [[_plain(row[index]) for row in rows] for index in range(len(names))]
    kinds = [None] * len(names) if schema is None else schema.types
    try:
        arrays = [pa.array(column, kind) for column, kind in zip(values, kinds, strict=True)]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidError(
            f"A column of the query changes its type: {' '.join(str(error).split())}",
            hint="Use CAST in the query.",
        ) from None
    if schema is None:  # what is missing in all of the first rows may be anything later: a text, at least
        arrays = [array.cast(pa.string()) if pa.types.is_null(array.type) else array for array in arrays]
    return pa.RecordBatch.from_arrays(arrays, names)


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
