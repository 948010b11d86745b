"""``%aml``: the commands' values in the notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_aml.errors import AmlError
from jupyter_aml.tracking.experiment import Comparison, RunList
from jupyter_aml.tracking.run import Run

if TYPE_CHECKING:
    from tests.magics.conftest import Notebook


def test_every_line_returns_its_value(served: Notebook, train: Path) -> None:
    served.run("alpha = 0.1")
    served.run("run = %aml submit train.ipynb -n first-$alpha -p alpha $alpha -p name 'a b' --wait")
    run = served.shell.user_ns["run"]
    assert isinstance(run, Run)
    assert (run.display_name, run.status, run.metrics) == ("first-0.1", "Completed", {"loss": 0.1})
    printed = served.printed()
    assert "Submitted first-0.1 to experiment default" in printed
    assert "a b\n" in printed

    assert served.run("x = %aml last\nx") == run
    assert served.run("x = %aml show $run\nx") == run
    assert served.run("%aml show first-0.1 --query status") == "Completed"
    assert served.run("x = %aml logs last\nx.upper()") == "A B\n"
    assert isinstance(served.run("%aml runs 'metrics.loss < 1'"), RunList)
    assert isinstance(served.run("%aml compare last $run"), Comparison)
    assert served.run("x = %aml rerun $run -p alpha 2 -q --wait\nx.metrics") == {"loss": 2.0}


def test_values_of_variables_arrive_as_they_are(served: Notebook, train: Path) -> None:
    served.run("name = '--wait; rm -rf ~ \"quoted'")
    served.run("%aml submit train.ipynb -n $name -p name $name --wait -q")
    assert served.run("x = %aml last\n(x.display_name == name, x.logs() == name + '\\n')") == (True, True)


def test_texts_show_as_texts(notebook: Notebook) -> None:
    notebook.run("%aml --help")
    assert "\n  submit " in notebook.printed()
    assert notebook.run("%aml help job show").startswith("aml job show")


def test_output_prints_and_query_returns(notebook: Notebook) -> None:
    assert notebook.run("%aml status -o yaml") is None
    assert "service: stopped\n" in notebook.printed()
    assert notebook.run("%aml status -o table") is None
    assert "stopped" in notebook.printed()
    assert notebook.run("x = %aml status --query service\nx") == "stopped"


def test_the_question_mark_shows_the_help(notebook: Notebook) -> None:
    notebook.run("%aml?")
    printed = notebook.printed()
    assert "aml COMMAND" in printed
    assert "%%aml track" in printed


MISTAKES = {
    "%aml sumbit x": ["UsageError: There is no command 'sumbit'.", "Did you mean 'submit'?"],
    "%aml runs --lim 3": ["UsageError: aml runs has no option '--lim'.", "Did you mean '--limit'?"],
    "%aml runs 'a": [
        "UsageError: %aml runs 'a: a quotation mark is not closed.",
        "A quote inside a word is written \\'.",
    ],
    "%aml submit nope.ipynb": ["NotFoundError: There is no notebook 'nope.ipynb'.", "Looked from "],
    "%aml show $nobody": [
        "UsageError: There is no variable 'nobody' in the notebook.",
        "Write $$ for a dollar.",
    ],
    "%%aml runs\nx": [
        "UsageError: There is no cell command 'runs'.",
        "'runs' takes no cell: write it on a line as %aml runs ...",
    ],
    "%%aml trakc\nx": ["UsageError: There is no cell command 'trakc'.", "Did you mean 'track'?"],
    "%aml service run": [
        "InvalidError: A notebook cannot be the service.",
        "In the notebook: %aml service start",
    ],
}


@pytest.mark.parametrize("source", MISTAKES)
def test_a_mistake_gives_two_lines(notebook: Notebook, source: str) -> None:
    error, printed = notebook.fails(source)
    assert isinstance(error, AmlError)
    shown = printed.strip().splitlines()
    assert len(shown) == len(MISTAKES[source])
    assert all(line.startswith(start) for line, start in zip(shown, MISTAKES[source], strict=True))


def test_loading_again_changes_nothing(notebook: Notebook) -> None:
    notebook.run("%reload_ext jupyter_aml")
    notebook.run("%reload_ext jupyter_aml")
    assert notebook.completions("%aml sta") == ["status"]
