"""What a user registers, as what is sent to the service: files, or a place, and how it is read as a table."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.core.paths import check_name
from jupyter_aml.data.datastore import DatastorePath
from jupyter_aml.data.definition import TableDefinition
from jupyter_aml.data.stores._base import checked
from jupyter_aml.data.transfer import local_files
from jupyter_aml.errors import InvalidError

if TYPE_CHECKING:
    from jupyter_aml.client import Client
    from jupyter_aml.data.tabular import TabularDataset

TYPES = ("uri_file", "uri_folder", "mltable")
_STORE_URI = re.compile(r"azureml://(?:[^/\s]+/[^/\s]+/)*?datastores/(?P<name>[^/\s]+)/paths/(?P<path>.*)")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_FORMATS = {
    ".csv": ("delimited", ","),
    ".tsv": ("delimited", "\t"),
    ".parquet": ("parquet", ","),
    ".jsonl": ("json_lines", ","),
    ".json": ("json_lines", ","),
    ".ndjson": ("json_lines", ","),
}
_PACKED = (".gz", ".bz2", ".zst")


@dataclass(frozen=True)
class Content:
    """What a version consists of."""

    type: str
    files: list[tuple[str, Path]] = field(default_factory=list)
    place: dict[str, str] | None = None
    definition: dict[str, Any] | None = None


def content_of(
    client: Client,
    path: str | Path | DatastorePath | TabularDataset | None,
    frame: Any,
    kind: str | None,
    scratch: Path,
) -> Content:
    """The content of a version; a frame is written to a file in ``scratch``."""
    if kind is not None and kind not in TYPES:
        raise InvalidError(f"{kind!r} is no type of data.", hint=f"It is one of: {', '.join(TYPES)}.")
    if frame is not None:
        return _of_frame(frame, kind, scratch)
    if isinstance(path, str):
        path = as_place(client, path) or Path(path)
    if isinstance(path, DatastorePath):
        return _of_place(path, kind)
    if isinstance(path, Path):
        return _of_local(path, kind)
    from jupyter_aml.data.tabular import TabularDataset

    if not isinstance(path, TabularDataset):
        raise InvalidError(f"{type(path).__name__} cannot be registered.", hint="Give a path, or frame=...")
    return path.content()


def as_place(client: Client, text: str) -> DatastorePath | None:
    """The place in a datastore that a URI of Azure's names; None for a local path."""
    match = _STORE_URI.fullmatch(text)
    if match is not None:
        from jupyter_aml.data.datastore import DatastoreCollection

        name = check_name(match["name"], "datastore")
        return DatastorePath(DatastoreCollection(client).get(name), checked(match["path"].strip("/")))
    if text.startswith("file://"):
        raise InvalidError("A local file is named by its path, not by a file:// address.")
    if _SCHEME.match(text) or "::" in text:
        raise InvalidError(
            f"{ascii(text)[:80]} is no place that data can be registered from.",
            hint="Make a datastore for it: ws.datastores.create(name, endpoint='https://...'), "
            "then ws.data.register(name, store.path('file.csv')).",
        )
    return None


def definition_for(paths: list[str]) -> TableDefinition:
    """How files are read as a table, by what their names end with."""
    found: set[tuple[str, str]] = set()
    for path in paths:
        name = path.lower()
        packed = next((end for end in _PACKED if name.endswith(end)), "")
        suffix = Path(name.removesuffix(packed)).suffix
        if suffix not in _FORMATS:
            raise InvalidError(
                f"How {path!r} is read as a table cannot be told from its name.",
                hint="Say how: TabularDataset.from_delimited_files(...), or one of its like",
            )
        found.add(_FORMATS[suffix])
    if len(found) != 1:
        raise InvalidError("The files are of several kinds, which is no table.", hint="Name those that are.")
    ((kind, separator),) = found
    return TableDefinition.model_validate({"format": kind, "separator": separator})


def _of_frame(frame: Any, kind: str | None, scratch: Path) -> Content:
    from jupyter_aml.data.tabular.frames import write_parquet

    if kind == "uri_folder":
        raise InvalidError("A frame is kept as one file: its type is mltable or uri_file.")
    file = scratch / "data.parquet"
    write_parquet(frame, file)
    definition = TableDefinition(format="parquet").model_dump(mode="json")
    return Content(kind or "mltable", [(file.name, file)], definition=definition)


def _of_place(place: DatastorePath, kind: str | None) -> Content:
    if place.datastore.type == "sql":
        raise InvalidError(
            f"{place.datastore.name!r} is a database, of which a query is registered.",
            hint="ws.data.register(name, TabularDataset.from_sql_query(store, 'SELECT ...'))",
        )
    entries = [entry.path for entry in place.datastore.files().files(place.path)]
    is_file = entries == [place.path]
    kind = kind or ("uri_file" if is_file else "uri_folder")
    definition = definition_for(entries).model_dump(mode="json") if kind == "mltable" else None
    where = {"datastore": place.datastore.name, "path": place.path}
    return Content(kind, place=where, definition=definition)


def _of_local(path: Path, kind: str | None) -> Content:
    files = local_files(path)
    is_folder = path.expanduser().is_dir()
    has_mltable = is_folder and any(name == "MLTable" for name, _ in files)
    kind = kind or ("mltable" if has_mltable else "uri_folder" if is_folder else "uri_file")
    if kind == "uri_file" and is_folder:
        raise InvalidError(f"{str(path)!r} is a folder.", hint="Use type uri_folder.")
    definition = None
    if kind == "mltable" and has_mltable:
        from jupyter_aml.data.tabular.mltable import definition_of_mltable

        definition = definition_of_mltable(dict(files)["MLTable"], [name for name, _ in files])
    elif kind == "mltable":
        definition = definition_for([name for name, _ in files])
    return Content(kind, files, definition=None if definition is None else definition.model_dump(mode="json"))
