"""Renew the picture in the README: ``python -m tests.browser.screenshot docs/screenshot.png``.

The quickstart notebook runs in JupyterLab against a fresh workspace; the picture is taken when the submitted
cell is done and the submitted notebooks run.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from jupyter_aml.client import launch
from jupyter_aml.workspace import Workspace
from tests.browser.jupyter import Jupyter
from tests.browser.lab import Lab

EXAMPLES = Path(__file__).parents[2] / "example_notebooks"


def take(page: Page, jupyter: Jupyter, picture: Path) -> None:
    """Run the notebook and take the picture on the way."""
    lab = Lab(page, jupyter)
    notebook = lab.open_notebook("01_quickstart.ipynb")
    sidebar = lab.sidebar()
    notebook.run_all()
    card = notebook.card("ridge-cell")
    card.expect_status("Completed")
    card.box.get_by_text("Log", exact=True).click()
    expect(card.box).to_contain_text("alpha 0.01")
    notebook.panel.get_by_role("heading", name="2. Submit a cell").evaluate("node => node.scrollIntoView()")
    page.mouse.move(700, 880)  # over nothing that lights up
    running = sidebar.region.get_by_role("treeitem").filter(has=page.get_by_title("Running", exact=True))
    # They take a second: `expect` looks too seldom to meet one of them half way.
    running.filter(has_text=re.compile(r"[1-4]/5")).first.wait_for()
    page.screenshot(path=picture)
    expect(notebook.panel.get_by_text("[13]:")).not_to_have_count(0)


def main(picture: Path) -> None:
    folder = Path(tempfile.mkdtemp())
    os.environ["AML_HOME"] = str(folder / "home")
    notebooks = Path(shutil.copytree(EXAMPLES, folder / "notebooks"))
    expect.set_options(timeout=120_000)
    with (
        Jupyter("jupyterlab", notebooks, folder / "home", folder / "lab") as jupyter,
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        ) as browser,
    ):
        take(browser.new_context(viewport={"width": 1400, "height": 900}).new_page(), jupyter, picture)
    workspace = Workspace.default()
    workspace.client.call("stop_service")
    assert launch.wait_until_gone(workspace.client.location.folder)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
