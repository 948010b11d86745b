"""JupyterLab as its user sees and drives it: by menus, buttons, rows and cards."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.browser.jupyter import Jupyter

NO_KERNEL = "Notebook (no kernel)"


class Lab:
    """A page of JupyterLab; each time it is opened it has a layout of its own, which survives a reload."""

    def __init__(self, page: Page, jupyter: Jupyter) -> None:
        self.page = page
        self._jupyter = jupyter
        self._layout = ""

    @property
    def root(self) -> Path:
        """The folder whose files the file browser shows."""
        return self._jupyter.root

    def open(self) -> None:
        """Open the page anew, with no document."""
        self._layout = f"lab/workspaces/{uuid.uuid4().hex}"
        self.page.goto(self._jupyter.url(self._layout))
        self._wait_until_drawn()

    def open_notebook(self, name: str) -> Notebook:
        """Open the page anew with a notebook, its kernel ready."""
        self._layout = f"lab/workspaces/{uuid.uuid4().hex}"
        self.page.goto(self._jupyter.url(f"{self._layout}/tree/{name}"))
        self._wait_until_drawn()
        notebook = Notebook(self.page, self.root / name)
        notebook.wait_for_kernel()
        return notebook

    def open_without_kernel(self, name: str) -> Notebook:
        """Open a notebook from the file browser, to be read only."""
        self.page.get_by_role("listitem", name=f"Name: {name}").click(button="right")
        self.page.locator(".lm-Menu").get_by_text("Open With", exact=True).hover()
        self.page.get_by_role("menuitem", name=NO_KERNEL, exact=True).click()
        notebook = Notebook(self.page, self.root / name)
        expect(self.page.get_by_text("No Kernel | Unknown")).to_be_visible()
        return notebook

    def reload(self) -> None:
        """Reload the page; Lab brings back what was open."""
        self.page.reload()
        self._wait_until_drawn()

    def menu(self, bar: str, item: str) -> None:
        """Choose an entry of a menu."""
        choose(self.page, bar, item)

    def sidebar(self) -> Sidebar:
        """Our sidebar, shown."""
        sidebar = Sidebar(self.page)
        if not sidebar.region.is_visible():
            self.page.get_by_role("tab", name="Experiments and Runs").click()
        expect(sidebar.region).to_be_visible()
        return sidebar

    def run_document(self) -> RunDocument:
        """The run in front."""
        document = RunDocument(self.page.locator(".jp-aml-document:visible"))
        expect(document.title).to_be_visible()
        return document

    def _wait_until_drawn(self) -> None:
        expect(self.page.locator("#jupyterlab-splash")).to_have_count(0)
        expect(self.page.get_by_role("menubar")).to_be_visible()


class Notebook:
    """The notebook in front."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.path = path
        self.panel = page.locator(".jp-NotebookPanel:visible")

    def wait_for_kernel(self) -> None:
        """Wait until the kernel answers, so that what is run runs."""
        expect(self.page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()

    def run_all(self) -> None:
        """Run all cells; does not wait for them."""
        choose(self.page, "Run", "Run All Cells")

    def save(self) -> None:
        """Save, and wait until it is on the disk."""
        tab = self.page.get_by_role("main").get_by_role("tab", name=self.path.name)
        choose(self.page, "File", "Save Notebook")
        expect(tab).not_to_have_class(re.compile("jp-mod-dirty"))

    def card(self, name: str) -> Card:
        """The first card of the run of this name, scrolled into view."""
        card = Card(self.panel.get_by_role("group", name="Run card").filter(has_text=name).first)
        card.box.scroll_into_view_if_needed()
        return card


class Card:
    """A run's card in a notebook."""

    def __init__(self, box: Locator) -> None:
        self.box = box

    def expect_status(self, status: str) -> None:
        """Wait until it shows this state."""
        expect(self.box.locator(".jp-aml-pill")).to_have_text(status)

    def press(self, button: str) -> None:
        """Press one of its buttons."""
        self.box.get_by_role("button", name=button, exact=True).click()


class Sidebar:
    """The list of experiments and runs."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.region = page.get_by_role("region", name="Experiments and Runs")

    def row(self, name: str) -> Locator:
        """The line of the run or experiment of this name."""
        return self.region.get_by_role("treeitem").filter(has=self.page.get_by_title(name, exact=True))

    def open(self, experiment: str) -> None:
        """Open an experiment, so that its runs are listed; the latest one is open already."""
        row = self.row(experiment).and_(self.region.locator("[aria-expanded]"))
        expect(row).to_be_visible()
        if row.get_attribute("aria-expanded") == "false":
            row.click()


class RunDocument:
    """A run in the main area."""

    def __init__(self, body: Locator) -> None:
        self.body = body
        self.title = body.get_by_role("heading", level=2)

    def expect_status(self, status: str) -> None:
        """Wait until its head shows this state."""
        expect(self.body.locator(".jp-aml-header .jp-aml-pill")).to_have_text(status)

    def show(self, tab: str) -> Locator:
        """Open one of its tabs; what is in it."""
        self.body.get_by_role("tab", name=tab, exact=True).click()
        panel = self.body.get_by_role("tabpanel", name=tab)
        expect(panel).to_be_visible()
        return panel


def choose(page: Page, bar: str, item: str) -> None:
    """Choose an entry of the menu bar."""
    page.get_by_role("menubar").get_by_role("menuitem", name=bar, exact=True).click()
    page.locator(".lm-Menu").get_by_text(item, exact=True).click()
