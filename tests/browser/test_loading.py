"""The extension works as soon as it is installed, in JupyterLab and in Notebook 7, and loads without a complaint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from jupyter_aml.workspace import Workspace
from tests.browser.books import add_output, write_notebook
from tests.browser.jupyter import Jupyter
from tests.browser.lab import Card, Lab
from tests.browser.witness import Witness

pytestmark = pytest.mark.browser


def test_lab_loads_with_no_error_on_the_console(lab: Lab) -> None:
    notebook = lab.open_notebook("train.ipynb")
    expect(notebook.panel.get_by_role("button", name="Submit as run")).to_be_visible()
    expect(lab.sidebar().region.get_by_role("heading", name="Experiments")).to_be_visible()


@pytest.fixture
def notebook7(jupyter_home: Path, notebooks: Path, tmp_path: Path) -> Iterator[Jupyter]:
    """``jupyter notebook``, running."""
    with Jupyter("notebook", notebooks, jupyter_home, tmp_path / "notebook7") as server:
        yield server


def test_notebook_7_draws_the_card_and_opens_the_run(
    context: BrowserContext, notebook7: Jupyter, workspace: Workspace
) -> None:
    with workspace.experiments["seven"].start_run("in notebook 7") as run:
        shown = run._repr_mimebundle_()
        run.log("loss", 0.5)
        run.log("loss", 0.25)
    add_output(write_notebook(notebook7.root / "seven.ipynb"), shown)

    witness = Witness(context, notebook7.origin)
    page = context.new_page()
    page.goto(notebook7.url("notebooks/seven.ipynb"))
    card = Card(page.get_by_role("group", name="Run card"))
    card.expect_status("Completed")
    expect(card.box).to_contain_text("0.25")
    card.press("Open")
    document = page.locator(".jp-aml-document:visible")
    expect(document.get_by_role("heading", name="in notebook 7")).to_be_visible()
    expect(page.get_by_role("button", name="Submit as run")).to_be_visible()
    expect(page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute("data-status", "idle")
    witness.check()
