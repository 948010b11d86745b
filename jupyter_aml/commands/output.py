"""``--output`` and ``--query``: a command's value in the form a script wants, as Azure's CLI gives it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from jupyter_aml.commands.values import plain
from jupyter_aml.errors import UsageError


def query(value: Any, expression: str) -> Any:
    """The part of ``value`` (as plain data) that a JMESPath expression selects."""
    import jmespath

    try:
        return jmespath.search(expression, plain(value))
    except jmespath.exceptions.JMESPathError as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"--query {expression!r} is no JMESPath expression: {reason}",
            hint="For example: --query status, --query '[].name', --query \"[?status=='Failed'].name\"",
        ) from None


def formatted(value: Any, output: str) -> str:
    """``value`` as text in the format ``output``: json, yaml, tsv, or none."""
    return _FORMATS[output](plain(value))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _yaml(value: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return text.removesuffix("...\n")


def _tsv(value: Any) -> str:
    """Azure's: a line an item; in it the entries, lists as their length, dictionaries as nothing."""
    rows = value if isinstance(value, list) else [] if value is None else [value]
    return "".join(_tsv_row(row) + "\n" for row in rows)


def _tsv_row(row: Any) -> str:
    if isinstance(row, Mapping):
        return "\t".join(_tsv_cell(item) for item in row.values())
    if isinstance(row, list):
        return "\t".join(_tsv_cell(item) for item in row)
    return _tsv_cell(row)


def _tsv_cell(value: Any) -> str:
    if isinstance(value, list):
        return str(len(value))
    if isinstance(value, Mapping) or value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    # A tab or line end inside a value would make two of it.
    return str(value).replace("\t", " ").replace("\r", " ").replace("\n", " ")


def _none(value: Any) -> str:
    return ""


_FORMATS: dict[str, Callable[[Any], str]] = {"json": _json, "yaml": _yaml, "tsv": _tsv, "none": _none}
