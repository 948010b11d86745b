"""A real IPython shell with the magics loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from jupyter_aml.workspace import Workspace


@dataclass
class Notebook:
    """A shell, with what a test wants of it: run a cell and have its value, its error, and what was shown."""

    shell: InteractiveShell
    capture: pytest.CaptureFixture[str]

    def run(self, source: str) -> Any:
        """Run a cell that works; its value."""
        result = self.shell.run_cell(source, store_history=True)
        result.raise_error()
        return result.result

    def fails(self, source: str) -> tuple[BaseException, str]:
        """Run a cell that does not work; its error, and what was printed with it."""
        self.capture.readouterr()
        result = self.shell.run_cell(source, store_history=True)
        error = result.error_in_exec or result.error_before_exec
        assert error is not None
        return error, self.printed()

    def printed(self) -> str:
        """What was printed since this was asked last."""
        out, err = self.capture.readouterr()
        return out + err

    def completions(self, text: str) -> list[str]:
        """What Tab offers at the end of ``text``."""
        from IPython.core.completer import provisionalcompleter

        with provisionalcompleter():
            return [found.text for found in self.shell.Completer.completions(text, len(text))]


@pytest.fixture
def notebook(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Notebook]:
    """A notebook's shell in a folder of its own, with no service running yet."""
    monkeypatch.chdir(tmp_path)
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "jupyter_aml")
    yield Notebook(shell, capsys)
    for opened in shell.magics_manager.registry["AmlMagics"].workspaces.values():
        opened.client.close()
    InteractiveShell.clear_instance()


@pytest.fixture
def served(workspace: Workspace, notebook: Notebook) -> Notebook:
    """The same, of a workspace whose service is stopped at the end."""
    return notebook


@pytest.fixture
def train(tmp_path: Path) -> Path:
    """A notebook with parameters, in the shell's folder."""
    cells = [
        nbformat.v4.new_code_cell("alpha: float = 0.5\nname = 'x'", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            "from jupyter_aml import Run\nRun.get_context().log('loss', alpha)\nprint(name)"
        ),
    ]
    path = tmp_path / "train.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path
