"""How bytes or a query are read as a table: plain data, kept with a data asset and sent to whoever reads it.

The steps apply in order. Expressions are texts such as ``col("age") > 50``
(`jupyter_aml.data.tabular.expression`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from jupyter_aml import limits
from jupyter_aml.tracking.model import Model

_Column = Annotated[str, Field(min_length=1, max_length=limits.COLUMN_NAME_LENGTH)]
_Columns = Annotated[list[_Column], Field(max_length=limits.DATA_COLUMNS)]
Count = Annotated[int, Field(ge=0, le=2**62)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Filter(Model):
    """Keep the rows for which the expression holds."""

    op: Literal["filter"] = "filter"
    expression: str = Field(min_length=1, max_length=limits.FILTER_LENGTH)


class KeepColumns(Model):
    """Keep these columns, in this order."""

    op: Literal["keep_columns"] = "keep_columns"
    columns: _Columns


class DropColumns(Model):
    """Leave these columns out."""

    op: Literal["drop_columns"] = "drop_columns"
    columns: _Columns


class Take(Model):
    """The first rows."""

    op: Literal["take"] = "take"
    count: Count


class Skip(Model):
    """All but the first rows."""

    op: Literal["skip"] = "skip"
    count: Count


class Part(Model):
    """The rows whose random number, drawn for each in order, lies in ``low <= number < high``."""

    op: Literal["part"] = "part"
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    seed: Seed


Step = Annotated[Filter | KeepColumns | DropColumns | Take | Skip | Part, Field(discriminator="op")]


class TableDefinition(Model):
    """How a table is read.

    Attributes:
        paths: files or glob patterns below the asset's root; all its files without any.
        separator, encoding, quote, header: of delimited files; without a header columns are Column1 and on.
        bad_lines: what happens to a line with another number of values.
        column_types: text, integer, decimal, boolean or datetime by column; found from the data otherwise.
        partition_format: such as ``/{year}/{month:yyyy}/``: columns from the files' paths.
        include_path: adds the column ``Path``.
        query: the SELECT of a table in a SQL datastore.
        timestamp: the column of times.
    """

    format: Literal["delimited", "parquet", "json_lines", "sql"]
    paths: list[Annotated[str, Field(min_length=1, max_length=limits.PATH_LENGTH)]] = Field(
        [], max_length=limits.DATA_PATTERNS
    )
    separator: str = Field(",", min_length=1, max_length=1)
    encoding: str = Field("utf8", max_length=40, pattern=r"^[A-Za-z0-9_.-]+$")
    quote: str = Field('"', max_length=1)
    header: bool = True
    bad_lines: Literal["error", "skip"] = "error"
    column_types: dict[str, Literal["text", "integer", "decimal", "boolean", "datetime"]] = {}
    partition_format: str | None = Field(None, max_length=limits.PATH_LENGTH)
    include_path: bool = False
    query: str | None = Field(None, max_length=limits.QUERY_LENGTH)
    timestamp: str | None = Field(None, max_length=limits.COLUMN_NAME_LENGTH)
    steps: list[Step] = Field([], max_length=limits.DATA_STEPS)
