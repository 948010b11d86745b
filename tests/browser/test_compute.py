"""The page of computes: machines made in a form, their states and nodes as they change, in either theme."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from jupyter_aml.jobs.model import command
from jupyter_aml.workspace import Workspace
from tests.browser.lab import Lab
from tests.compute.ssh.conftest import SSHD, Host, clean_up

pytestmark = pytest.mark.browser


@pytest.fixture
def name(workspace: Workspace) -> Iterator[str]:
    """The name of a compute that the test makes; at the end it is gone."""
    name = "cpu-cluster"
    yield name
    if name in [compute.name for compute in workspace.compute.list()]:
        workspace.compute[name].delete(force=True)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Another machine: an sshd on loopback with a home of its own."""
    if SSHD is None:
        pytest.skip("no sshd on this machine (apt-get install openssh-server)")
    folder = tmp_path / "host"
    folder.mkdir()
    found = Host(folder)
    yield found
    clean_up(found)


def open_page(lab: Lab) -> Locator:
    lab.sidebar().region.get_by_role("button", name="Compute").click()
    page = lab.page.locator(".jp-aml-compute:visible")
    expect(page.get_by_role("heading", name="Compute")).to_be_visible()
    return page


def fill(dialog: Locator, name: str) -> None:
    """Describe a small cluster, whose nodes go soon."""
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Size").select_option("custom")
    dialog.get_by_label("Cores").fill("0.5")
    dialog.get_by_label("Memory").fill("256 MiB")
    dialog.get_by_label("Nodes at most").fill("1")
    dialog.get_by_label("Give back after").fill("5")


def test_a_cluster_from_the_form_gets_nodes_for_a_run_and_gives_them_back(
    lab: Lab, workspace: Workspace, name: str
) -> None:
    lab.open()
    page = open_page(lab)
    page.get_by_role("tab", name="Clusters").click()
    page.get_by_role("button", name="New cluster").click()
    dialog = lab.page.get_by_role("dialog")
    fill(dialog, "2 fast")
    expect(dialog).to_contain_text("Use 3 to 24 letters, digits and dashes, a letter first")
    dialog.get_by_role("button", name="Create").click()
    expect(dialog.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_role("button", name="Create").click()
    expect(dialog).to_have_count(0)

    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_contain_text("0.5 cores, 256 MiB")
    expect(row).to_contain_text("0 of 0–1")
    workspace.submit(command("sleep 3"), compute=name, experiment="nodes", display_name="on a node")
    expect(row.get_by_role("button", name="on a node")).to_be_visible()
    expect(row).to_contain_text("1 running")
    row.get_by_role("button", name=name, exact=True).click()
    nodes = page.get_by_role("table", name="Nodes")
    expect(nodes.get_by_role("row").filter(has_text="on a node")).to_contain_text("Running a job")
    expect(nodes.get_by_role("row").filter(has_text="Idle")).to_have_count(1)
    expect(page).to_contain_text("None now. Nodes come with the jobs")
    expect(page.get_by_role("table", name="Usage by month")).to_contain_text(re.compile(r"\d s"))

    page.get_by_role("button", name=f"Delete {name}").click()
    expect(dialog).to_contain_text("No run is on it")
    dialog.get_by_role("button", name="Delete").click()
    expect(page).to_contain_text("There is no such compute (any more).")


def test_the_page_is_readable_in_the_dark_and_comes_back_after_a_reload(
    lab: Lab, workspace: Workspace, name: str
) -> None:
    workspace.compute.create_cluster(name, cpus=0.5, memory="256MiB", max_nodes=1)
    lab.open()
    page = open_page(lab)
    lab.page.get_by_role("menubar").get_by_role("menuitem", name="Settings", exact=True).click()
    lab.page.locator(".lm-Menu").get_by_text("Theme", exact=True).hover()
    lab.page.locator(".lm-Menu").get_by_text("JupyterLab Dark", exact=True).click()
    expect(lab.page.locator("body[data-jp-theme-light='false']")).to_have_count(1)
    try:
        page.get_by_role("tab", name="Clusters").click()
        pill = page.get_by_role("row").filter(has_text=name).locator(".jp-aml-pill")
        expect(pill).to_be_visible()
        text, ground = (lightness(pill, which) for which in ("color", "backgroundColor"))
        assert text - ground > 0.5
        lab.reload()
        expect(page.get_by_role("tab", name="Clusters (1)")).to_be_visible()
    finally:
        lab.page.get_by_role("menubar").get_by_role("menuitem", name="Settings", exact=True).click()
        lab.page.locator(".lm-Menu").get_by_text("Theme", exact=True).hover()
        lab.page.locator(".lm-Menu").get_by_text("JupyterLab Light", exact=True).click()
        expect(lab.page.locator("body[data-jp-theme-light='true']")).to_have_count(1)


def lightness(element: Locator, which: str) -> float:
    """How light a colour of the element is, from 0 to 1."""
    shown: str = element.evaluate(f"node => getComputedStyle(node).{which}")
    red, green, blue = (float(part) for part in re.findall(r"[\d.]+", shown)[:3])
    return (red + green + blue) / 3 / 255


def test_a_notebook_is_submitted_to_a_cluster(lab: Lab, workspace: Workspace, name: str) -> None:
    workspace.compute.create_cluster(name, cpus=1, memory="2GiB", max_nodes=1)
    notebook = lab.open_notebook("train.ipynb")
    notebook.panel.get_by_role("button", name="Submit as run").click()
    dialog = lab.page.get_by_role("dialog")
    dialog.get_by_label("Compute").select_option(name)
    dialog.get_by_label("Run name").fill("on the cluster")
    dialog.get_by_role("button", name="Submit", exact=True).click()
    expect(dialog).to_have_count(0)
    document = lab.run_document()
    expect(document.show("Overview")).to_contain_text(name)
    document.expect_status("Completed")


def test_a_machine_is_attached_in_the_form_once_its_key_is_confirmed(lab: Lab, host: Host) -> None:
    lab.open()
    page = open_page(lab)
    page.get_by_role("tab", name="Attached").click()
    page.get_by_role("button", name="Attach a machine").click()
    dialog = lab.page.get_by_role("dialog")
    for label, text in {
        "Name": "gpu-box",
        "Host": host.address,
        "Port": str(host.port),
        "Private key": str(host.key),
        "Python": "/no/such/python",
    }.items():
        dialog.get_by_label(label, exact=True).fill(text)
    attach = dialog.get_by_role("button", name="Attach", exact=True)
    attach.click()
    expect(dialog).to_contain_text("Is this the machine's key?")
    expect(dialog).to_contain_text(re.compile(r"SHA256:[A-Za-z0-9+/]{43}"))
    attach.click()
    expect(dialog).to_contain_text("Say first that this is its key.")
    dialog.get_by_label("Yes, this is its key").check()
    attach.click()
    expect(dialog.get_by_role("alert")).to_contain_text("has no Python '/no/such/python'")
    dialog.get_by_label("Python", exact=True).fill(sys.executable)
    attach.click()
    expect(dialog).to_have_count(0)

    page.get_by_role("row").get_by_role("button", name="gpu-box", exact=True).click()
    expect(page).to_contain_text("host key ED25519 SHA256:")
    expect(page).to_contain_text(f"({sys.executable})")
    page.get_by_role("button", name="Detach gpu-box").click()
    expect(dialog).to_contain_text("The machine itself stays as it is.")
    dialog.get_by_role("button", name="Detach", exact=True).click()
    expect(page).to_contain_text("There is no such compute (any more).")
