"""Notebook files: faults are named, and what is written is whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from jupyter_aml.errors import InvalidError
from jupyter_aml.jobs.notebook.document import CellMap, label, read_notebook, write_notebook


def _json(**changes: Any) -> dict[str, Any]:
    return json.loads(nbformat.v4.writes(new_notebook(cells=[new_code_cell("1")]))) | changes


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"[1]", "not a notebook"),
        (b"{}", "not a notebook"),
        (b"[" * 100_000, "not valid JSON"),
        (json.dumps(_json(nbformat=5)), "format 5"),
        (json.dumps(_json(nbformat=2)), "too old"),
        (json.dumps(_json(nbformat=True)), "not a notebook"),
        (json.dumps(_json(cells=[{"cell_type": "code"}])), "not a valid notebook"),
        (json.dumps(_json(cells=5)), "not a valid notebook"),
        (json.dumps(_json(metadata=[])), "not a valid notebook"),
    ],
)
def test_faults_are_named(data: bytes | str, said: str) -> None:
    with pytest.raises(InvalidError, match=said):
        read_notebook(data)


def test_odd_but_good_files_are_read() -> None:
    twins = _json()
    twins["cells"] *= 2
    assert len({cell.id for cell in read_notebook(twins).cells}) == 2
    lines = _json()
    lines["cells"][0]["source"] = ["a = 1\n", "b = 2"]
    assert read_notebook(lines).cells[0].source == "a = 1\nb = 2"
    text = "\ufeff" + json.dumps(_json()).replace("\n", "\r\n")
    assert read_notebook(text.encode()).cells[0].source == "1"
    assert read_notebook(json.dumps(_json(cells=[]))).cells == []


def test_format_3_is_upgraded() -> None:
    old = nbformat.v3.new_notebook(
        worksheets=[nbformat.v3.new_worksheet(cells=[nbformat.v3.new_code_cell("print(1)")])]
    )
    assert read_notebook(nbformat.v3.writes_json(old)).cells[0].source == "print(1)"


def test_old_file_stays_when_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    write_notebook(path, new_notebook(cells=[new_code_cell("old")]))
    bad = new_notebook(cells=[new_code_cell("new")])
    bad.metadata["x"] = object()
    with pytest.raises(TypeError):
        write_notebook(path, bad)
    assert nbformat.read(path, 4).cells[0].source == "old"
    assert os.listdir(tmp_path) == ["a.ipynb"]


def test_labels_are_short() -> None:
    assert label("\n\n  x = 1\ny") == "x = 1"
    assert label("") == ""
    assert len(label("y" * 500)) == 120


def test_map_counts_the_users_cells() -> None:
    hidden = new_code_cell("h", metadata={"tags": ["aml-hidden"]})
    submitted = new_notebook(cells=[hidden, new_markdown_cell("# T"), new_code_cell("p")])
    cells = CellMap(submitted)
    assert [(cell["index"], cell["kind"]) for cell in cells.cells] == [(0, "markdown"), (1, "code")]
    injected = new_code_cell("i", metadata={"tags": ["injected-parameters"]})
    assert cells.bind(submitted) == [None, 0, 1]
    assert cells.bind(new_notebook(cells=[injected, *submitted.cells])) == [None, None, 0, 1]
