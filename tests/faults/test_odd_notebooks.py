"""R-G05: odd notebooks are refused at the submit with the reason, or run as they stand.

The files in ``oddbooks/`` are notebooks with another ending, so that no tool takes offence at them.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from jupyter_aml import notebook
from jupyter_aml.errors import AmlError
from jupyter_aml.workspace import Workspace
from tests.faults.kit import book, ended, executed, printed

BOOKS = Path(__file__).parent / "oddbooks"
REFUSED = {
    "broken_json": "not valid JSON",
    "cell_without_source": "not a valid notebook",
    "cells_is_an_object": "not a valid notebook",
    "empty_file": "not valid JSON",
    "format_2": "format 2.*too old",
    "format_5": "format 5",
    "not_a_notebook": "not a notebook",
    "unknown_cell_type": "not a valid notebook",
    "unknown_kernelspec": "kernel 'no-such-kernel' .* not here",
    "utf_16": "not UTF-8",
}
RUNS = {
    "byte_order_mark": "ran 2", "duplicate_ids": "ran 2\nran 2", "format_3": "ran 2", "format_4_0": "ran 2",
    "format_4_9": "ran 2", "injected_before": "ran 5", "missing_ids": "ran 2\nran 2", "no_cells": "",
    "no_kernelspec": "ran 2", "no_parameters_tag": "ran 2", "old_outputs": "ran 2", "only_markdown": "",
    "raw_and_attachments": "ran 2", "source_as_lines": "ran 2", "two_parameters_tags": "ran 2",
    "unknown_python_kernelspec": "ran 2", "windows_newlines": "ran 2",
}  # fmt: skip
FAILS = {"syntax_error": "SyntaxError", "unknown_magic": "UsageError"}


def test_every_odd_notebook_is_refused_or_runs(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once, through the warm pool."""
    monkeypatch.setenv("AML_WARM", "1")
    monkeypatch.setenv("AML_WARM_PRELOAD", "")
    monkeypatch.setenv("AML_MAX_RUNS", "3")
    assert {path.stem for path in BOOKS.iterdir()} == {*REFUSED, *RUNS, *FAILS}
    runs = {}
    for path in sorted(BOOKS.iterdir()):
        folder = tmp_path / path.stem
        folder.mkdir()
        job = notebook(shutil.copy(path, folder / f"{path.stem}.ipynb"))
        if path.stem in REFUSED:
            with pytest.raises(AmlError) as caught:
                workspace.submit(job)
            assert re.search(REFUSED[path.stem], str(caught.value)), (path.stem, str(caught.value))
        else:
            runs[path.stem] = workspace.submit(job)
    ended(*runs.values(), seconds=110)
    for name, run in runs.items():
        cells = executed(run).cells
        if name in RUNS:
            assert run.status == "Completed", (name, run.error)
            assert "".join(printed(cell) for cell in cells).strip() == RUNS[name], name
        else:
            assert run.status == "Failed" and (run.error or {})["class"] == FAILS[name], (name, run.error)
    assert len(workspace.runs.list()) == len(runs)


def test_a_notebook_with_megabytes_of_old_outputs_runs_without_them(
    workspace: Workspace, tmp_path: Path
) -> None:
    path = book(tmp_path / "code", "print('ran')")
    document = json.loads(path.read_text())
    text = "x" * (30 * 2**20)
    document["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]
    path.write_text(json.dumps(document))
    run = workspace.submit(notebook(path))
    ended(run, seconds=100)
    assert run.status == "Completed" and printed(executed(run).cells[0]) == "ran\n"


def test_parameters_for_a_notebook_that_takes_none_are_refused(workspace: Workspace, tmp_path: Path) -> None:
    path = shutil.copy(BOOKS / "no_parameters_tag.odd", tmp_path / "book.ipynb")
    with pytest.raises(AmlError, match="parameters"):
        workspace.submit(notebook(path, {"alpha": 3}))
    assert len(workspace.runs.list()) == 0
