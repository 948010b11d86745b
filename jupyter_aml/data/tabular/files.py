"""Tables in files, read by pyarrow.dataset: columns and conditions are pushed down, memory stays bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.dataset as pa_ds

from jupyter_aml.data.definition import TableDefinition
from jupyter_aml.data.tabular.partitions import PartitionFormat
from jupyter_aml.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

    from jupyter_aml.data.tabular.expression import Expression

PATH_COLUMN = "Path"
_TYPES = {
    "text": pa.string(),
    "integer": pa.int64(),
    "decimal": pa.float64(),
    "boolean": pa.bool_(),
    "datetime": pa.timestamp("us"),
}
_COLUMN_NUMBER = re.compile(r"CSV column #([0-9]+)")
_BATCH_ROWS = 65_536
_READAHEAD = 4


@dataclass(frozen=True)
class FileSet:
    """Files of one file system: their names in the table's terms, and where they are."""

    system: FileSystem
    files: list[tuple[str, str]]


class FileSource:
    """A table in files, which ``locate`` finds when they are first needed."""

    def __init__(self, locate: Callable[[], FileSet], definition: TableDefinition) -> None:
        self._locate = locate
        self._definition = definition

    @cached_property
    def _set(self) -> FileSet:
        found = self._locate()
        if not found.files:
            raise NotFoundError(
                "The table has no file.", hint="Does the pattern fit? Patterns look like 2024/*.csv"
            )
        return found

    @cached_property
    def _format(self) -> pa_ds.FileFormat:
        if self._definition.format == "parquet":
            return pa_ds.ParquetFileFormat()
        if self._definition.format == "json_lines":
            return pa_ds.JsonFileFormat()
        read, parse, convert = self._options
        scan = pa_ds.CsvFragmentScanOptions(convert_options=convert, read_options=read)
        return pa_ds.CsvFileFormat(parse_options=parse, default_fragment_scan_options=scan)

    @property
    def _options(self) -> tuple[pa_csv.ReadOptions, pa_csv.ParseOptions, pa_csv.ConvertOptions]:
        asked = self._definition
        read = pa_csv.ReadOptions(encoding=asked.encoding, autogenerate_column_names=not asked.header)
        handler = (lambda row: "skip") if asked.bad_lines == "skip" else None
        parse = pa_csv.ParseOptions(
            delimiter=asked.separator, quote_char=asked.quote or False, invalid_row_handler=handler
        )
        types = {name: _TYPES[kind] for name, kind in asked.column_types.items()}
        convert = pa_csv.ConvertOptions(column_types=types, strings_can_be_null=True)
        if not asked.header:
            system, (_, first) = self._set.system, self._set.files[0]
            with self._clear_errors(), system.open_input_stream(first) as stream:
                count = len(pa_csv.open_csv(stream, read, parse).schema)
            names = [f"Column{number}" for number in range(1, count + 1)]
            read = pa_csv.ReadOptions(encoding=asked.encoding, column_names=names)
        return read, parse, convert

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns and their types, as the first file has them."""
        with self._clear_errors():
            found = self._format.inspect(self._set.files[0][1], self._set.system)
        for name, kind in self._definition.column_types.items():
            index = found.get_field_index(name)
            if index >= 0:
                found = found.set(index, pa.field(name, _TYPES[kind]))
        for name, kind in self._extra.items():
            if name in found.names:
                raise InvalidError(
                    f"The files have a column {name!r} already.", hint="Choose another in the format."
                )
            found = found.append(pa.field(name, kind))
        return found

    @cached_property
    def _partitions(self) -> PartitionFormat | None:
        text = self._definition.partition_format
        return None if text is None else PartitionFormat(text)

    @cached_property
    def _extra(self) -> dict[str, pa.DataType]:
        columns = {} if self._partitions is None else self._partitions.columns
        extra = {
            name: pa.timestamp("us") if kind is datetime else pa.string() for name, kind in columns.items()
        }
        return {**extra, **({PATH_COLUMN: pa.string()} if self._definition.include_path else {})}

    def _known_values(self, name: str) -> pc.Expression | None:
        """What the path says of every row of a file."""
        values: dict[str, Any] = {} if self._partitions is None else dict(self._partitions.values(name))
        if self._definition.include_path:
            values[PATH_COLUMN] = f"/{name}"
        whole: pc.Expression | None = None
        for column, value in values.items():
            part = pc.field(column) == pa.scalar(value, self._extra[column])
            whole = part if whole is None else whole & part
        return whole

    @cached_property
    def dataset(self) -> pa_ds.Dataset:
        """The files as pyarrow's dataset, for engines that push down by themselves."""
        fragments = [
            self._format.make_fragment(path, self._set.system, partition_expression=self._known_values(name))
            for name, path in self._set.files
        ]
        return pa_ds.FileSystemDataset(fragments, self.schema, self._format, self._set.system)

    def batches(self, columns: list[str], condition: Expression | None) -> Generator[pa.RecordBatch]:
        """The rows for which ``condition`` holds, in the files' order; no more is read than they need.

        File by file, and parquet by row group: pyarrow's scanner of a dataset reads ahead up to a gigabyte.
        """
        arrow = None if condition is None else condition.to_arrow()
        with self._clear_errors():
            for fragment in self.dataset.get_fragments(filter=arrow):
                if self._definition.format == "delimited":
                    found = self._delimited(fragment, columns, condition)
                else:
                    found = self._scanned(fragment, columns, arrow)
                yield from (batch for batch in found if batch.num_rows)

    def _scanned(
        self, fragment: pa_ds.Fragment, columns: list[str], condition: pc.Expression | None
    ) -> Iterator[pa.RecordBatch]:
        is_parquet = isinstance(fragment, pa_ds.ParquetFileFragment)
        for part in fragment.split_by_row_group(condition, self.schema) if is_parquet else [fragment]:
            yield from part.to_batches(
                schema=self.schema, columns=columns, filter=condition,
                batch_size=_BATCH_ROWS, batch_readahead=_READAHEAD,
            )  # fmt: skip

    def _delimited(
        self, fragment: pa_ds.Fragment, columns: list[str], condition: Expression | None
    ) -> Iterator[pa.RecordBatch]:
        read, parse, convert = self._options
        needed = [*dict.fromkeys([*columns, *(condition.columns() if condition is not None else ())])]
        inside = [name for name in needed if name not in self._extra]
        convert.include_columns = (
            inside or [name for name in self.schema.names if name not in self._extra][:1]
        )
        convert.include_missing_columns = True
        convert.column_types = {name: self.schema.field(name).type for name in convert.include_columns}
        known = pa_ds.get_partition_keys(fragment.partition_expression)
        arrow = None if condition is None else condition.to_arrow()
        with self._set.system.open_input_stream(fragment.path) as stream:
            for batch in pa_csv.open_csv(stream, read, parse, convert):
                arrays = [
                    pa.repeat(pa.scalar(known[name], self._extra[name]), batch.num_rows)
                    if name in self._extra
                    else batch.column(name)
                    for name in needed
                ]
                table = pa.Table.from_arrays(arrays, needed)
                found = table if arrow is None else table.filter(arrow)
                yield from found.select(columns).to_batches()

    def whole(self, columns: list[str]) -> pa.Table:
        """All rows at once, in several threads."""
        with self._clear_errors():
            return self.dataset.to_table(columns=columns)

    def _clear_errors(self) -> Any:
        from jupyter_aml.data.tabular.faults import clear_errors

        return clear_errors(self)

    def find_bad_row(self) -> str | None:
        """Where the first row lies that does not fit the columns' types, with what is wrong; None for none.

        Reads delimited files again, one after the other in a single thread: only so rows are counted.
        """
        if self._definition.format != "delimited":
            return None
        read, parse, convert = self._options
        known: pa.Schema | None = self.__dict__.get(
            "schema"
        )  # without it, it is finding the schema that failed
        if known is not None:
            convert.column_types = {f.name: f.type for f in known if f.name not in self._extra}
        read.use_threads = False
        for name, path in self._set.files:
            try:
                with self._set.system.open_input_stream(path) as stream:
                    for _ in pa_csv.open_csv(stream, read, parse, convert):
                        pass
            except pa.ArrowInvalid as error:
                return f"{name}: {self._with_column_name(' '.join(str(error).split()))}"
        return None

    def _with_column_name(self, reason: str) -> str:
        known: pa.Schema | None = self.__dict__.get("schema")
        match = _COLUMN_NUMBER.search(reason)
        if known is None or match is None or int(match[1]) >= len(known):
            return reason
        return reason.replace(match[0], f"column {known.names[int(match[1])]!r}", 1)
