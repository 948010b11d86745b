"""The notebook a cell is submitted as: its source, between two hidden cells that bring and take variables.

The hidden cells are one expression each, so that they leave no name behind, and they look nothing up that
the user's variables could hide. Their tag keeps them out of the run's progress.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_aml.cells.shipping import CellPayload

if TYPE_CHECKING:
    from nbformat import NotebookNode

CELL_NOTEBOOK = ".aml/cell.ipynb"
HIDDEN_TAG = "aml-hidden"
PAYLOAD_PATH = ".aml/cell.variables"
_RUNTIME = '__import__("jupyter_aml.cells.runtime", fromlist=["runtime"])'


def cell_notebook(source: str, payload: CellPayload) -> NotebookNode:
    """The notebook that runs ``source`` with the variables of ``payload``, which lie at `PAYLOAD_PATH`.

    The payload's digest is part of the notebook, which is part of the snapshot the run was submitted with.
    """
    from nbformat.v4 import new_code_cell, new_notebook

    def hidden(name: str, call: str) -> NotebookNode:
        cell: NotebookNode = new_code_cell(f"{_RUNTIME}.{call}", id=name, metadata={"tags": [HIDDEN_TAG]})
        return cell

    cells = [new_code_cell(source, id="cell")]
    if payload.names or payload.returns:
        cells.insert(0, hidden("variables", f"begin({PAYLOAD_PATH!r}, {payload.sha256!r})"))
    if payload.returns:
        cells.append(hidden("returns", f"end({list(payload.returns)!r}, must={payload.must_return})"))
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    document: NotebookNode = new_notebook(cells=cells, metadata=metadata)
    return document
