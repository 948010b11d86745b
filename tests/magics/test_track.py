"""``%%aml track``: a cell of the notebook as a run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from jupyter_aml.errors import InvalidError, UsageError
from jupyter_aml.workspace import Workspace

if TYPE_CHECKING:
    from tests.magics.conftest import Notebook


def test_a_tracked_cell_works_in_the_notebook_and_is_a_run(served: Notebook) -> None:
    served.run("factor = 2")
    served.run(
        "%%aml track -e iris -n first --set-tag team=blue --as run\n"
        "from jupyter_aml import Run\nimport sys\n"
        "Run.get_context().log('loss', factor / 4)\nmade = factor * 21\n"
        "print('printed'); print('and this', file=sys.stderr)\nmade + 1"
    )
    printed = served.printed()
    assert "printed\n" in printed
    assert "and this\n" in printed
    assert "Out[2]: 43" in printed, "the last expression is shown, as in any cell"
    assert served.run("made, run.status, run.experiment_name, run.display_name, run.tags, run.metrics") == (
        42, "Completed", "iris", "first", {"team": "blue"}, {"loss": 0.5},
    )  # fmt: skip
    assert served.run("run.logs()").startswith("printed\nand this\n")
    assert served.run("run.read_file('cell.py').decode()").startswith("from jupyter_aml import Run")
    assert served.run("x = %aml last\nx == run") is True


def test_an_error_fails_the_run_and_shows_the_cells_own_traceback(served: Notebook) -> None:
    error, printed = served.fails(
        "%%aml track --as run\ndef ratio(x):\n    return 1 / x\n\nprint('before')\nratio(0)"
    )
    assert isinstance(error, ZeroDivisionError)
    shown = printed[printed.index("ZeroDivisionError") :]
    assert "----> 5 ratio(0)" in shown
    assert "return 1 / x" in shown
    assert "jupyter_aml" not in shown, "our own frames are nobody's business"
    assert "interactiveshell" not in shown
    assert served.run("run.status, run.error['class'], run.error['message'], run.logs()") == (
        "Failed", "ZeroDivisionError", "division by zero", "before\n",
    )  # fmt: skip


def test_an_interrupt_cancels_the_run(served: Notebook) -> None:
    served.fails("%%aml track --as run\nraise KeyboardInterrupt")
    assert served.run("run.status") == "Canceled"


def test_what_cannot_run_makes_no_run(workspace: Workspace, served: Notebook) -> None:
    error, printed = served.fails("%%aml track\nx = = 2")
    assert isinstance(error, InvalidError)
    assert "The cell was not run: invalid syntax." in printed
    assert "x = = 2" in printed
    error, printed = served.fails("%%aml track\nawait something()")
    assert isinstance(error, UsageError)
    assert "cannot await" in printed
    error, printed = served.fails("%%aml track --as 'no name'\nx = 1")
    assert "'no name' cannot name a variable." in printed
    assert list(workspace.runs.list()) == []


def test_ipythons_own_syntax_works_in_a_tracked_cell(served: Notebook) -> None:
    served.run(
        "%%aml track --as run\nx = !echo from the shell\n%time y = 1\nasync def later():\n    await x\nx[0];"
    )
    assert served.run("x[0], run.status") == ("from the shell", "Completed")


def test_a_stream_the_cell_kept_works_after_it(served: Notebook) -> None:
    served.run(
        "%%aml track --as run\nimport logging, sys\nkept = logging.getLogger('kept')\n"
        "kept.addHandler(logging.StreamHandler(sys.stderr)); kept.warning('during')"
    )
    served.printed()
    served.run("kept.warning('after')")
    assert "after" in served.printed()
    assert served.run("run.logs()") == "during\n"
    logging.getLogger("kept").handlers.clear()
