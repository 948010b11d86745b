"""Notebooks made for a test, put where Jupyter shows them."""

from __future__ import annotations

from pathlib import Path

import nbformat

KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}


def write_notebook(path: Path, *sources: str) -> Path:
    """Write a notebook of code cells."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), path)
    return path


def add_output(path: Path, data: dict[str, object]) -> None:
    """Add a cell that shows ``data``, by mime type, as if it had been run."""
    notebook = nbformat.read(path, 4)
    output = nbformat.v4.new_output("display_data", data)
    notebook.cells.append(nbformat.v4.new_code_cell("shown", execution_count=1, outputs=[output]))
    nbformat.write(notebook, path)
