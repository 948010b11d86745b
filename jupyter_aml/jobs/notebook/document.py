"""Notebook files: read with every fault named, written so that a reader sees the old or the new."""

from __future__ import annotations

import json
import math
import os
import secrets
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from jupyter_aml.cells.notebook import HIDDEN_TAG
from jupyter_aml.errors import InvalidError

INJECTED_TAG = "injected-parameters"
ERROR_BANNER_TAG = "papermill-error-cell-tag"
LABEL_LENGTH = 120


def read_notebook(data: bytes | str | dict[str, Any]) -> NotebookNode:
    """The notebook in ``data`` (a file's content, or parsed JSON) in format 4, older ones upgraded.

    Raises `InvalidError` for what is no notebook, or one of a format that is not known yet.
    """
    content = _parsed(json.dumps(data) if isinstance(data, dict) else data)
    major = content.get("nbformat")
    if not isinstance(major, int) or isinstance(major, bool):
        raise InvalidError("This file is JSON, but not a notebook: it names no notebook format.")
    if major > 4:
        raise InvalidError(
            f"The notebook has format {major}; formats up to 4 can be run.",
            hint="Save it in format 4, or update jupyter_aml.",
        )
    if major < 3:
        raise InvalidError(
            f"The notebook has format {major}, which is too old.",
            hint="Open it in Jupyter and save it, then submit it again.",
        )
    return _upgraded(content)


def _parsed(data: bytes | str) -> dict[str, Any]:
    try:
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data.removeprefix("\ufeff")
        content = json.loads(text)
    except UnicodeDecodeError as error:
        raise InvalidError(f"The notebook is not UTF-8 text (byte {error.start}).") from None
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"The notebook is not valid JSON: {error}.") from None
    if not isinstance(content, dict):
        raise InvalidError("This file is JSON, but not a notebook.")
    return content


def _upgraded(content: dict[str, Any]) -> NotebookNode:
    try:
        _give_identifiers(content)
        notebook = nbformat.reader.reads(json.dumps(content))
        if content["nbformat"] < 4:
            notebook = nbformat.from_dict(nbformat.convert(notebook, 4))
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise InvalidError(f"This is not a valid notebook: {str(error).splitlines()[0]}") from None
    except Exception as error:  # noqa: BLE001 - nbformat meets a malformed file with whatever comes
        raise InvalidError(f"This is not a valid notebook ({type(error).__name__}: {error}).") from None
    assert isinstance(notebook, NotebookNode)
    return notebook


def _give_identifiers(content: dict[str, Any]) -> None:
    """Give a cell an identifier of its own where it has none, or another cell's (from format 4.5 on)."""
    if (content["nbformat"], content.get("nbformat_minor", 0)) < (4, 5):
        return
    seen: set[str] = set()
    for cell in content["cells"]:
        if cell.get("id") in seen or not cell.get("id"):
            cell["id"] = secrets.token_hex(4)
        seen.add(cell["id"])


def write_notebook(path: Path, notebook: NotebookNode) -> None:
    """Write ``notebook`` under a temporary name and rename it.

    It is not synced: the service stores the final file durably, and a run that loses its machine starts anew.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_text(nbformat.v4.writes(notebook) + "\n", encoding="utf-8", errors="replace")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def finite(value: Any) -> Any:
    """``value`` with the numbers that JSON cannot hold replaced by their names (NaN, Infinity, -Infinity)."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def has_tag(cell: NotebookNode, tag: str) -> bool:
    """Whether the cell carries the tag."""
    return tag in cell.get("metadata", {}).get("tags", ())


def label(source: str) -> str:
    """A cell's first line that is not empty, shortened."""
    line = next((text.strip() for text in source.splitlines() if text.strip()), "")
    return line if len(line) <= LABEL_LENGTH else line[: LABEL_LENGTH - 1] + "…"


class CellMap:
    """Which cell of the submitted notebook a cell of the executed one is.

    papermill adds a cell with the parameters and takes away the banners an earlier failure left; hidden
    cells are ours. Neither is counted, so that index 0 is the first cell the user knows.
    """

    def __init__(self, submitted: NotebookNode) -> None:
        self.cells: list[dict[str, Any]] = []
        self._injected_before = any(has_tag(cell, INJECTED_TAG) for cell in submitted.cells)
        self._indices: list[int | None] = []
        index = 0
        for cell in submitted.cells:
            if has_tag(cell, HIDDEN_TAG):
                self._indices.append(None)
                continue
            if not has_tag(cell, ERROR_BANNER_TAG):
                kind = "code" if cell.cell_type == "code" else "markdown"
                self.cells.append({"index": index, "label": label(cell.source), "kind": kind})
                self._indices.append(index)
            index += 1

    def bind(self, executed: NotebookNode) -> list[int | None]:
        """For each cell of the executed notebook its index in the submitted one, or None."""
        indices = list(self._indices)
        if len(executed.cells) > len(indices) and not self._injected_before:
            place = next(i for i, cell in enumerate(executed.cells) if has_tag(cell, INJECTED_TAG))
            indices.insert(place, None)
        return indices
