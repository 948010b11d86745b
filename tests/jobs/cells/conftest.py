"""A notebook's namespace, and running a cell with it in a real kernel, as the product does."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from jupyter_aml.cells import PAYLOAD_PATH, CellPayload, capture, cell_notebook, load_return
from jupyter_aml.cells.notebook import HIDDEN_TAG


class Notebook:
    """The user's side: cells are executed here, and submitted from here."""

    def __init__(self) -> None:
        self.namespace: dict[str, Any] = {"__name__": "__main__", "In": [""], "Out": {}}

    def run(self, source: str) -> None:
        exec(compile(textwrap.dedent(source), "<notebook>", "exec", dont_inherit=True), self.namespace)

    def capture(self, source: str, **how: Sequence[str] | None) -> CellPayload:
        return capture(textwrap.dedent(source), self.namespace, **how)


class CellRun:
    """What a cell's run left."""

    def __init__(self, ran: Any) -> None:
        self.ran = ran
        self.returns = ran.output.parent / "work" / "outputs" / "returns"

    @property
    def cell(self) -> NotebookNode:
        return next(cell for cell in self.ran.notebook.cells if cell.id == "cell")

    @property
    def shown(self) -> list[str]:
        """The text of what the cell displayed."""
        return [output.data["text/plain"] for output in self.cell.outputs if "data" in output]

    @property
    def manifest(self) -> dict[str, Any]:
        return dict(json.loads((self.returns / "returns.json").read_text()))

    def result(self, name: str) -> Any:
        entry = self.manifest[name]
        return load_return(self.returns / entry["file"], entry["sha256"])


@pytest.fixture
def notebook() -> Notebook:
    """An empty notebook."""
    return Notebook()


@pytest.fixture
def submit(notebook: Notebook, runs: Any, tmp_path: Path) -> Callable[..., CellRun]:
    """Submit a cell of the notebook and run it to its end in a kernel of its own."""

    def run(source: str, *, files: dict[str, str] | None = None, spoil: bytes = b"", **how: Any) -> CellRun:
        source = textwrap.dedent(source)
        payload = notebook.capture(source, **how)
        path = tmp_path / f"{payload.sha256}.variables"
        path.write_bytes(payload.data + spoil)
        place = (
            f"__import__('os').makedirs('.aml'); __import__('shutil').copy({str(path)!r}, {PAYLOAD_PATH!r});"
        )
        laying = new_code_cell(place, metadata={"tags": [HIDDEN_TAG]})
        return CellRun(runs(laying, *cell_notebook(source, payload).cells, files=files))

    return run
