"""Who may only read is shown everything and offered nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from jupyter_aml import Run, notebook
from jupyter_aml.cards import run_card
from jupyter_aml.workspace import Workspace
from tests.browser.books import add_output, write_notebook
from tests.browser.jupyter import Jupyter
from tests.browser.lab import Lab
from tests.browser.witness import Witness

pytestmark = pytest.mark.browser

READ_ONLY = """
from jupyter_server.auth import Authorizer

class ReadOnly(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        return action == "read" or not resource.startswith("aml.")

c.ServerApp.authorizer_class = ReadOnly
"""


@pytest.fixture
def reader(context: BrowserContext, jupyter_home: Path, notebooks: Path, tmp_path: Path) -> Iterator[Lab]:
    """The same workspace on a Jupyter server that lets nobody write to it."""
    with Jupyter("jupyterlab", notebooks, jupyter_home, tmp_path / "reader", READ_ONLY) as server:
        witness = Witness(context, server.origin)
        yield Lab(context.new_page(), server)
        witness.check()


@pytest.fixture
def going(workspace: Workspace, notebooks: Path) -> Iterator[Run]:
    """A run that goes on until the test is over."""
    path = write_notebook(notebooks / "going.ipynb", "import time; time.sleep(600)")
    run = workspace.submit(notebook(path, display_name="going on"), experiment="read only")
    yield run
    run.cancel()
    run.wait_for_completion(show_output=False, raise_on_error=False)


def test_a_reader_sees_a_run_and_no_button_that_changes_it(
    reader: Lab, workspace: Workspace, going: Run, notebooks: Path
) -> None:
    book = write_notebook(notebooks / "shown.ipynb")
    found = workspace.client.call("get_run", run_id=going.id)
    workspace_id = workspace.client.call("get_workspace")["id"]
    add_output(book, run_card(found, workspace_id=workspace_id))

    opened = reader.open_notebook("shown.ipynb")
    card = opened.card("going on")
    card.expect_status("Running")
    expect(card.box.get_by_role("button")).to_have_text(["Open"])
    expect(opened.panel.get_by_role("button", name="Submit as run")).to_be_hidden()

    sidebar = reader.sidebar()
    sidebar.open("read only")
    row = sidebar.row("going on")
    expect(row.get_by_role("img", name="Running")).to_be_visible()
    expect(row.get_by_role("button")).to_have_count(0)
    row.click()
    document = reader.run_document()
    document.expect_status("Running")
    expect(document.body.locator("header").get_by_role("button")).to_have_text(["Copy id"])
