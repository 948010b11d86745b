"""``%%aml submit``: a cell with the notebook's variables, run elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_aml.errors import AmlError, RunFailedError
from jupyter_aml.workspace import Workspace

if TYPE_CHECKING:
    from tests.magics.conftest import Notebook


def test_a_cell_from_submit_to_its_result(served: Notebook) -> None:
    served.run("data = list(range(10)); factor = 3\ndef scale(x):\n    return x * factor")
    served.printed()
    served.run(
        "%%aml submit -e iris -n scaled --return total,data --as run --set-tag team=blue\n"
        "from jupyter_aml import Run\nfactor = 4\ntotal = sum(map(scale, data))\ndata.append(0)\n"
        "Run.get_context().log('total', total)\nprint('sum', total)"
    )
    printed = served.printed()
    assert "data" in printed, "it says what it ships"
    assert "compute local" in printed
    assert "scaled" in printed
    assert served.run("run.wait_for_completion(show_output=False).status") == "Completed"
    assert served.run("run.metrics, run.logs(), run.experiment_name, run.tags") == (
        {"total": 180.0}, "sum 180\n", "iris", {"team": "blue"},
    )  # fmt: skip
    assert served.run("x = %aml load $run total\nx") == 180
    assert served.run("x = %aml last\nx == run") is True
    assert served.run("len(data), factor, 'total' in dir()") == (10, 3, False), "nothing here was changed"


def test_waiting_shows_the_log_and_a_failure(served: Notebook) -> None:
    served.run("%%aml submit --wait --name good\nprint('worked')")
    assert "worked\n" in served.printed()
    error, printed = served.fails("%%aml submit --wait --name bad --as run\nprint('before')\n1 / 0")
    assert isinstance(error, RunFailedError)
    assert "RunFailedError: Run bad failed: ZeroDivisionError: division by zero" in printed
    assert "magic.py" not in printed, "our own frames are nobody's business"
    assert served.run("run.status") == "Failed"


def test_unknown_names_are_reported_before_the_submit(workspace: Workspace, served: Notebook) -> None:
    served.run("model = 1")
    error, printed = served.fails("%%aml submit\nprint(modle)")
    assert isinstance(error, AmlError)
    assert "modle" in printed
    assert "model" in printed
    assert list(workspace.runs.list()) == []


def test_the_cells_help(notebook: Notebook) -> None:
    text = notebook.run("%%aml submit --help\nx")
    assert text.startswith("%%aml submit")
    assert "--return X,Y" in text
