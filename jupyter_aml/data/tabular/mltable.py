"""``MLTable`` files, Azure ML's v2 way to say how files are read as a table."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pydantic

from jupyter_aml.core.paths import check_logical_path
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
from jupyter_aml.data.tabular.expression import parse
from jupyter_aml.errors import InvalidError, did_you_mean

_BYTES = 256 * 1024
_READERS = {
    "read_delimited": "delimited",
    "read_parquet": "parquet",
    "read_json_lines": "json_lines",
}
_TYPES = {
    "string": "text", "int": "integer", "long": "integer", "float": "decimal", "double": "decimal",
    "boolean": "boolean", "datetime": "datetime",
}  # fmt: skip


def definition_of_mltable(path: Path, names: Sequence[str]) -> TableDefinition:
    """What an ``MLTable`` file says of a folder with the files ``names``; `InvalidError` for the unknown."""
    import yaml

    if path.stat().st_size > _BYTES:
        raise InvalidError(f"{path} is larger than an MLTable file may be.")
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"{path} is not valid YAML.", " ".join(str(error).split())[:500]) from None
    if not isinstance(found, dict) or not isinstance(found.get("paths"), list):
        raise InvalidError(f"{path} names no paths.", hint="paths: [{file: ./data.csv}]")
    values: dict[str, Any] = {"paths": [_pattern(path, entry) for entry in found["paths"]], "steps": []}
    for pattern in values["paths"]:
        if not fnmatch.filter(names, pattern):
            raise InvalidError(f"{path} names {pattern!r}, which fits no file beside it.")
    for entry in found.get("transformations") or []:
        _take_in(path, entry, values)
    if "format" not in values:
        raise InvalidError(
            f"{path} does not say how its files are read.", hint=f"One of: {', '.join(_READERS)}"
        )
    try:
        return TableDefinition.model_validate(values)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidError(f"{path}: {where}: {first['msg']}") from None


def _pattern(path: Path, entry: Any) -> str:
    if not isinstance(entry, dict) or len(entry) != 1:
        raise InvalidError(f"{path}: each path is a file, a pattern or a folder.")
    ((kind, text),) = entry.items()
    if kind not in ("file", "pattern", "folder") or not isinstance(text, str):
        raise InvalidError(f"{path}: {kind!r} is no kind of path.", hint="file, pattern or folder")
    if "://" in text or text.startswith("/"):
        raise InvalidError(
            f"{path} names {text!r}, which is not beside it.",
            hint="Register the place in its datastore instead: TabularDataset.from_...(store.path(...)).",
        )
    inside = check_logical_path(text.removeprefix("./").rstrip("/"))
    return f"{inside}/*" if kind == "folder" else inside


def _take_in(path: Path, entry: Any, values: dict[str, Any]) -> None:
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, dict) or len(entry) != 1:
        raise InvalidError(f"{path}: each transformation has one name.")
    ((name, given),) = entry.items()
    if name in _READERS:
        values.update(_reader(path, name, given or {}))
    elif name == "extract_columns_from_partition_format":
        values["partition_format"] = given["partition_format"] if isinstance(given, dict) else given
    elif name == "convert_column_types":
        values["column_types"] = _column_types(path, given)
    elif name in _STEPS:
        values["steps"].append(_STEPS[name](given))
    else:
        known = [*_READERS, *_STEPS, "convert_column_types", "extract_columns_from_partition_format"]
        raise InvalidError(
            f"{path}: the transformation {name!r} is not known.", hint=did_you_mean(str(name), known)
        )


def _reader(path: Path, name: str, given: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise InvalidError(f"{path}: {name} takes names and values.")
    header = given.get("header", "all_files_same_headers")
    found = {
        "format": _READERS[name],
        "header": header not in ("no_header", "none", False),
        "include_path": bool(given.get("include_path_column", False)),
    }
    if "delimiter" in given:
        found["separator"] = "\t" if given["delimiter"] == "\\t" else given["delimiter"]
    if "encoding" in given:
        found["encoding"] = given["encoding"]
    return found


def _column_types(path: Path, given: Any) -> dict[str, str]:
    found = {}
    for entry in given if isinstance(given, list) else []:
        kind = entry["column_type"]
        kind = next(iter(kind)) if isinstance(kind, dict) else kind
        if kind not in _TYPES:
            raise InvalidError(
                f"{path}: {kind!r} is no type of a column.", hint=did_you_mean(str(kind), _TYPES)
            )
        columns = [entry["columns"]] if isinstance(entry["columns"], str) else entry["columns"]
        found.update(dict.fromkeys(columns, _TYPES[kind]))
    return found


def _columns(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


_STEPS: dict[str, Callable[[Any], Step]] = {
    "keep_columns": lambda given: KeepColumns(columns=_columns(given)),
    "drop_columns": lambda given: DropColumns(columns=_columns(given)),
    "take": lambda given: Take(count=given),
    "skip": lambda given: Skip(count=given),
    "filter": lambda given: Filter(expression=repr(parse(str(given)))),
    "take_random_sample": lambda given: Part(low=0, high=given["probability"], seed=given.get("seed", 0)),
}
