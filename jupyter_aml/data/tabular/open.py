"""Tables over what there is: local paths, places in datastores, data assets, queries, frames."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.fs

from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.data.datastore import Datastore, DatastorePath
from jupyter_aml.data.definition import TableDefinition
from jupyter_aml.data.sources import Content, definition_for
from jupyter_aml.data.sql import connected
from jupyter_aml.data.stores import LocalFiles
from jupyter_aml.data.tabular.dataset import TabularDataset
from jupyter_aml.data.tabular.files import FileSet, FileSource
from jupyter_aml.data.tabular.frames import as_table
from jupyter_aml.data.tabular.query import QuerySource
from jupyter_aml.data.transfer import local_files
from jupyter_aml.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from jupyter_aml.data.asset import DataAsset
    from jupyter_aml.data.tabular.dataset import Paths
    from jupyter_aml.data.tabular.expression import Expression

_MAGIC = ("*", "[")


def open_paths(paths: Paths, definition: TableDefinition) -> TabularDataset:
    """A table in local files, or in files of one datastore."""
    given: Sequence[Any] = [paths] if isinstance(paths, str | Path | DatastorePath) else list(paths)
    places = [path for path in given if isinstance(path, DatastorePath)]
    if places:
        if len(places) != len(given) or len(places) > 1:
            raise InvalidError("A table lies in one place of a datastore, or in local files.")
        return _over_place(places[0], definition)
    if any("://" in str(path) or "::" in str(path) for path in given):
        raise InvalidError(
            "A table is read from local files or from a datastore, and from no address.",
            hint="ws.datastores.create(name, endpoint='https://...').path('file.csv')",
        )

    def files() -> list[tuple[str, Path]]:
        return [found for path in given for found in _local(Path(path).expanduser())]

    def locate() -> FileSet:
        return FileSet(pa.fs.LocalFileSystem(), [(name, str(path)) for name, path in files()])

    return TabularDataset(FileSource(locate, definition), definition, lambda: Content("mltable", files()))


def _local(path: Path) -> Iterator[tuple[str, Path]]:
    """The files a path or pattern names, with their names below what is fixed in it."""
    if not any(sign in str(path) for sign in _MAGIC) or path.exists():
        yield from local_files(path)
        return
    fixed = Path(*_before_pattern(path.parts))
    found = sorted(file for file in map(Path, glob.glob(str(path), recursive=True)) if file.is_file())
    if not found:
        raise NotFoundError(f"No file fits {str(path)!r}.", hint=f"Looked from {Path.cwd()}.")
    for file in found:
        yield file.relative_to(fixed).as_posix(), file.resolve()


def _before_pattern(parts: Sequence[str]) -> Iterator[str]:
    for part in parts:
        if any(sign in part for sign in _MAGIC):
            return
        yield part


def _over_place(place: DatastorePath, definition: TableDefinition) -> TabularDataset:
    fixed = "/".join(_before_pattern(place.path.split("/")))
    pattern = place.path.removeprefix(fixed).lstrip("/")
    if pattern:
        definition = definition.model_copy(update={"paths": [pattern]})
    where = {"datastore": place.datastore.name, "path": fixed}

    def locate() -> FileSet:
        return _in_store(DatastorePath(place.datastore, fixed), definition)

    content = Content("mltable", place=where, definition=definition.model_dump(mode="json"))
    return TabularDataset(FileSource(locate, definition), definition, lambda: content)


def _in_store(place: DatastorePath, definition: TableDefinition) -> FileSet:
    files = place.datastore.files()
    system, before = files.arrow()
    named = []
    for entry in files.files(place.path):
        check_logical_path(entry.path)
        inside = entry.path.rsplit("/", 1)[-1] if entry.path == place.path else entry.path
        inside = inside.removeprefix(f"{place.path}/") if place.path else inside
        if _fits(inside, definition):
            real = str(files.local_path(entry.path)) if isinstance(files, LocalFiles) else before + entry.path
            named.append((inside, real))
    return FileSet(system, named)


def _fits(name: str, definition: TableDefinition) -> bool:
    patterns = definition.paths
    hidden = any(part.startswith((".", "_")) for part in name.split("/")) or name == "MLTable"
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns) if patterns else not hidden


def open_asset(asset: DataAsset) -> TabularDataset:
    """A data asset as a table: as it was registered, or as the names of its files say."""
    kept = asset.data["definition"]
    definition = None if kept is None else TableDefinition.model_validate(kept)
    location = asset.location
    if definition is not None and definition.format == "sql":
        assert location is not None
        return open_query(location.datastore, definition)
    definition = definition or definition_for([name for name in asset.get_file_names() if name != "MLTable"])
    if location is not None:
        content = Content("mltable", place={"datastore": location.datastore.name, "path": location.path})
        source = FileSource(lambda: _in_store(location, definition), definition)
        return TabularDataset(source, definition, lambda: content)

    def files() -> list[tuple[str, Path]]:
        root = asset.path()
        names = asset.get_file_names()
        folder = root.parent if asset.type == "uri_file" else root
        return [(name, folder / name) for name in names if _fits(name, definition)]

    def locate() -> FileSet:
        return FileSet(pa.fs.LocalFileSystem(), [(name, str(path)) for name, path in files()])

    def content_of() -> Content:
        return Content("mltable", [(name, path.resolve()) for name, path in files()])

    return TabularDataset(FileSource(locate, definition), definition, content_of)


def open_query(datastore: Datastore, definition: TableDefinition) -> TabularDataset:
    """The rows of a query."""
    if datastore.type != "sql" or definition.query is None:
        raise InvalidError(
            f"The datastore {datastore.name!r} is no database.", hint="Its files: store.path(...)"
        )
    settings = datastore.data["settings"]
    source = QuerySource(
        lambda: connected(datastore.name, settings, datastore.credentials()), definition.query
    )
    content = Content("mltable", place={"datastore": datastore.name, "path": ""})
    return TabularDataset(source, definition, lambda: content)


class _TableSource:
    """Rows that are in memory already."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.schema = table.schema

    def batches(self, columns: list[str], condition: Expression | None) -> Generator[pa.RecordBatch]:
        """The rows for which the condition holds."""
        table = self._table if condition is None else self._table.filter(condition.to_arrow())
        yield from table.select(columns).to_batches()


def open_frame(frame: Any) -> TabularDataset:
    """A frame as a table."""

    def content() -> Content:
        raise InvalidError(
            "A table over a frame is registered as a frame.", hint="ws.data.register(name, frame=...)"
        )

    return TabularDataset(_TableSource(as_table(frame)), TableDefinition(format="parquet"), content)
