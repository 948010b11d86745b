"""``papermill in.ipynb out.ipynb --engine aml``: a plain papermill command is a tracked run too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat

from jupyter_aml.workspace import Workspace

# As the command line does it; the engine is found by the entry point of the installed project.
PAPERMILL = [sys.executable, "-m", "papermill", "--engine", "aml", "--no-progress-bar", "-k", "python3"]


def write(path: Path, *cells: str) -> Path:
    document = nbformat.v4.new_notebook(metadata={"language_info": {"name": "python"}})
    for cell in cells:
        tags = ["parameters"] if cell.startswith("alpha =") else []
        document.cells.append(nbformat.v4.new_code_cell(cell, metadata={"tags": tags}))
    nbformat.write(document, path)
    return path


def test_a_plain_papermill_command_is_tracked(workspace: Workspace, tmp_path: Path) -> None:
    log = "from jupyter_aml import Run\nRun.get_context().log('twice', alpha * 2)\nprint('alpha is', alpha)"
    source = write(tmp_path / "train me.ipynb", "alpha = 1", log)
    done = subprocess.run(
        [*PAPERMILL, "-p", "alpha", "21", str(source), str(tmp_path / "out.ipynb")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (run,) = workspace.runs.list()
    assert (run.status, run.experiment_name, run.kind) == ("Completed", "train-me", "notebook")
    assert run.params == {"alpha": "21"} and run.metrics == {"twice": 42.0}
    assert run.logs() == "alpha is 21\n"
    assert run.progress is not None and (run.progress["done"], run.progress["total"]) == (2, 2)
    executed = nbformat.reads(run.read_file("notebook/train-me.ipynb").decode(), 4)
    assert executed.cells[-1].outputs[0].text == "alpha is 21\n"
    assert nbformat.read(tmp_path / "out.ipynb", 4).cells[-1].outputs[0].text == "alpha is 21\n"


def test_a_failing_notebook_fails_the_run_and_the_command(workspace: Workspace, tmp_path: Path) -> None:
    source = write(tmp_path / "bad.ipynb", "alpha = 1", "1 / 0", "'never'")
    done = subprocess.run(
        [*PAPERMILL, str(source), str(tmp_path / "out.ipynb")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr
    (run,) = workspace.runs.list()
    assert run.status == "Failed" and run.error is not None
    assert run.error["class"] == "ZeroDivisionError" and run.error["cell"] == 1
