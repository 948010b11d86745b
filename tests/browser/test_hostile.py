"""Names that are markup stay text, wherever they are shown, and whoever wrote the notebook."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from playwright.sync_api import Locator, expect

from jupyter_aml import Run
from jupyter_aml.cards import RUN_MIME
from jupyter_aml.workspace import Workspace
from tests.browser.books import add_output, write_notebook
from tests.browser.lab import Lab

pytestmark = pytest.mark.browser

IMAGE = "<img src=http://attacker.invalid/x onerror=alert(1)>"
SCRIPT = "<svg><script>alert(2)</script></svg>"
LINK = '<a href="javascript:alert(3)">click</a>'
STYLE = "<style>@import 'http://attacker.invalid/y'</style>"
MARKDOWN = "![beacon](http://attacker.invalid/z)"
FRAME = '<iframe srcdoc="<script>alert(4)</script>"></iframe>'


@pytest.fixture
def hostile(workspace: Workspace) -> Run:
    """A run whose every name is markup."""
    with workspace.experiments["hostile"].start_run(IMAGE, tags={SCRIPT: LINK}) as run:
        run.log_param(STYLE, FRAME)
        run.log(MARKDOWN, 1.0)
        run.log(MARKDOWN, 2.0)
        run.log_text(f"notes/{IMAGE[1:4]}.html", f"<!doctype html>{SCRIPT}{STYLE}")
        run.log_table(LINK, {SCRIPT: [IMAGE]})
    return run


def test_in_the_sidebar_and_in_the_document(lab: Lab, hostile: Run) -> None:
    lab.open()
    row = lab.sidebar().row(IMAGE)
    row.click()
    document = lab.run_document()
    expect(document.title).to_have_text(IMAGE)
    document.expect_status("Completed")
    expect_texts(document.show("Overview"), SCRIPT, LINK, STYLE, FRAME, MARKDOWN)
    expect_texts(document.show("Metrics"), MARKDOWN, LINK, SCRIPT, IMAGE)
    outputs = document.show("Outputs")
    outputs.get_by_role("button", name="img.html").click()
    expect_texts(outputs, SCRIPT)
    expect_no_markup(lab)


def test_in_a_notebook_that_another_process_wrote(lab: Lab, hostile: Run, tmp_path: Path) -> None:
    source = f"from jupyter_aml import Workspace\nWorkspace.default().runs.get({hostile.id!r})"
    plain = write_notebook(tmp_path / "hostile.ipynb", source)
    written = lab.root / "hostile.ipynb"
    papermill.execute_notebook(str(plain), str(written), progress_bar=False)
    for forged in (elsewhere(written), {"run_id": "../../../api/kernels", "workspace_id": IMAGE}):
        # No picture in this: Lab itself fetches the pictures of any HTML output, for its table of contents.
        add_output(written, {RUN_MIME: forged, "text/html": f"{SCRIPT}<i>forged</i>", "text/plain": "a run"})

    notebook = lab.open_notebook("hostile.ipynb")
    live = notebook.card(IMAGE)
    live.expect_status("Completed")
    expect(live.box.get_by_role("button", name="Open")).to_be_visible()
    expect_texts(live.box, MARKDOWN)

    cards = notebook.panel.get_by_role("group", name="Run card")
    expect(cards).to_have_count(3)
    expect(cards.nth(1)).to_contain_text("From another workspace")
    expect_texts(cards.nth(1), LINK, SCRIPT)
    expect(cards.nth(1).get_by_role("button")).to_have_count(0)
    expect(cards.nth(2)).to_have_text("Not a run of jupyter_aml.")
    expect(notebook.panel).not_to_contain_text("forged")
    expect_no_markup(lab)


def elsewhere(path: Path) -> dict[str, Any]:
    """The card in a notebook, forged: as if of another workspace, with other names."""
    card: dict[str, Any] = json.loads(json.dumps(nbformat.read(path, 4).cells[0].outputs[0].data[RUN_MIME]))
    card["workspace_id"] = "00000000-0000-0000-0000-000000000000"
    card["snapshot"] |= {"display_name": LINK, "experiment": SCRIPT}
    return card


def expect_texts(where: Locator, *texts: str) -> None:
    """The texts are there to be read, letter by letter."""
    for text in texts:
        expect(where).to_contain_text(text)


def expect_no_markup(lab: Lab) -> None:
    """None of them became an element."""
    bad = "img[src*=attacker], a[href^=javascript], iframe[srcdoc], [onerror]"
    expect(lab.page.locator(bad)).to_have_count(0)
    inside = lab.page.locator(":is(.jp-aml, .jp-aml-card, .jp-aml-document)")
    expect(inside.locator("script, style, iframe")).to_have_count(0)
