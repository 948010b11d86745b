"""A compute instance as a user meets it: made, worked on in a notebook, about to be stopped, stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from jupyter_aml.compute.compute import ComputeInstance
from jupyter_aml.compute.engines.local import cgroups
from jupyter_aml.workspace import Workspace
from tests.browser.conftest import end_all_runs
from tests.browser.jupyter import Jupyter
from tests.browser.lab import Lab, choose
from tests.browser.witness import Witness
from tests.compute.conftest import until

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(cgroups.means() == "soft", reason="this account may not make control groups"),
]
# The service is started by this server, and takes idle times of seconds then.
SHORT_TIMES = "import os; os.environ['AML_INSTANCE_IDLE_SECONDS'] = '1'\n"


@pytest.fixture
def jupyter(chromium: str, tmp_path: Path) -> Iterator[Jupyter]:
    """``jupyter lab`` with a workspace of its own."""
    root = tmp_path / "notebooks"
    root.mkdir()
    with Jupyter("jupyterlab", root, tmp_path / "home", tmp_path, SHORT_TIMES) as server:
        yield server


@pytest.fixture
def workspace(jupyter: Jupyter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The workspace that the server shows; at the end its machines are gone and its service is stopped."""
    monkeypatch.setenv("AML_HOME", str(tmp_path / "home"))
    found = Workspace.default()
    yield found
    for compute in found.compute.list():
        compute.delete(force=True)
    assert end_all_runs(found) == []


@pytest.fixture
def lab(context: BrowserContext, jupyter: Jupyter) -> Iterator[Lab]:
    """JupyterLab, not opened yet, and watched."""
    witness = Witness(context, jupyter.origin)
    yield Lab(context.new_page(), jupyter)
    witness.check()


def test_an_instance_is_made_worked_on_and_stopped(lab: Lab, workspace: Workspace) -> None:
    page = lab.page
    lab.open()
    expect(page.get_by_title("Python 3 (ipykernel)").first).to_be_visible()
    lab.sidebar().region.get_by_role("button", name="Compute").click()
    page.get_by_role("button", name="New instance").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("ci-ada")
    dialog.get_by_label("Size").select_option("custom")
    dialog.get_by_label("Cores").fill("0.5")
    dialog.get_by_label("Memory").fill("400 MiB")
    dialog.get_by_role("button", name="Create").click()
    expect(page.get_by_role("row").filter(has_text="ci-ada")).to_contain_text("Running")
    instance = workspace.compute["ci-ada"]
    assert isinstance(instance, ComputeInstance)
    # The launcher offers it without a reload.
    page.get_by_role("tab", name="Launcher").click()
    page.get_by_title("Python 3 on ci-ada").first.click()
    expect(page.get_by_text("Python 3 on ci-ada | Idle")).to_be_visible()
    page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
    page.keyboard.type("print(open('/proc/self/cgroup').read())")
    choose(page, "Run", "Run All Cells")
    expect(page.locator(".jp-OutputArea-output").first).to_contain_text("ci-ada")

    instance.update(idle_shutdown="20s")
    warning = page.locator(".Toastify__toast").filter(has_text="ci-ada will be stopped in ")
    expect(warning).to_contain_text("because it is idle")
    warning.get_by_role("button", name="Keep on").click()
    expect(warning).to_have_count(0)
    assert instance.state == "Running"

    expect(page.locator(".Toastify__toast").filter(has_text="was idle and is being stopped")).to_be_visible()
    instance.wait_for_completion()
    assert instance.state == "Stopped"


def test_a_cell_that_takes_too_much_memory_is_told_of_with_the_limit(lab: Lab, workspace: Workspace) -> None:
    make_instance(workspace)
    cells = [nbformat.v4.new_code_cell("x = bytearray(900 * 2**20)")]
    kernel = {"name": "aml-ci-ada", "display_name": "Python 3 on ci-ada", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, lab.root / "bomb.ipynb")
    page = lab.page
    lab.open()
    page.get_by_role("listitem", name="Name: bomb.ipynb").dblclick()
    expect(page.get_by_text("Python 3 on ci-ada | Idle")).to_be_visible()
    choose(page, "Run", "Run All Cells")
    told = page.locator(".Toastify__toast").filter(has_text="needed more than its 400 MiB of memory")
    expect(told).to_be_visible()


def test_a_stopped_instance_says_why_it_starts_no_kernel(lab: Lab, workspace: Workspace) -> None:
    instance = make_instance(workspace)
    instance.stop()
    page = lab.page
    lab.open()
    page.get_by_title("Python 3 on ci-ada").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("The compute instance ci-ada is stopped.")
    expect(dialog).to_contain_text("aml compute start -n ci-ada")
    dialog.get_by_role("button", name="Ok").click()


def test_a_terminal_opens_on_an_instance_from_its_page(
    lab: Lab, workspace: Workspace, tmp_path: Path
) -> None:
    make_instance(workspace)
    page = lab.page
    lab.open()
    page.get_by_title("Show compute instances, clusters and attached machines").first.click()
    page.get_by_role("button", name="Terminal ci-ada").first.click()
    terminal = page.locator(".jp-Terminal:visible")
    expect(terminal).to_be_visible()
    said = tmp_path / "said"
    until(lambda: typed(page, terminal, f"cat /proc/self/cgroup > {said}") and has_text(said, "ci-ada"))


def typed(page: Page, terminal: Locator, line: str) -> bool:
    """Type a line; the page draws what is answered, so that a file must tell it."""
    terminal.click()
    page.keyboard.type(f"{line}\n")
    page.wait_for_timeout(1000)
    return True


def has_text(file: Path, text: str) -> bool:
    return file.is_file() and text in file.read_text()


def make_instance(workspace: Workspace) -> ComputeInstance:
    return workspace.compute.create_instance("ci-ada", cpus=0.5, memory="400MiB")
