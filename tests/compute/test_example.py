"""The example notebook on compute does what it says."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
from traitlets.config import Config

from jupyter_aml.workspace import Workspace
from tests.compute.conftest import needs_groups

NOTEBOOK = Path(__file__).parents[2] / "example_notebooks" / "02_compute.ipynb"


@needs_groups
def test_the_example_runs_from_the_first_cell_to_the_last(machines: Workspace, tmp_path: Path) -> None:
    executed = tmp_path / "executed.ipynb"
    papermill.execute_notebook(
        str(NOTEBOOK),
        str(executed),
        cwd=str(NOTEBOOK.parent),
        kernel_name="python3",
        progress_bar=False,
        config=Config(KernelManager={"transport": "ipc"}),
    )
    found = nbformat.read(executed, 4)
    text = "\n".join(
        "".join(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
        for cell in found.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    assert "the limit is 1 GiB" in text and "Stopped" in text and "hello from the instance" in text
    assert machines.compute.list() == []
    assert {run.display_name for run in machines.runs.search("attributes.status = 'Completed'")} >= {
        "ridge", "train-0.01", "train-0.1", "train-1.0",
    }  # fmt: skip
