"""The sidebar's list and the run it opens."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from jupyter_aml import Run, notebook
from jupyter_aml.workspace import Workspace
from tests.browser.lab import Lab, RunDocument

pytestmark = pytest.mark.browser

DURATION = re.compile(r"\d+(\.\d)? m?s\b")


@pytest.fixture
def trained(workspace: Workspace, lab: Lab) -> Run:
    """The example notebook as a run that is over."""
    job = notebook(lab.root / "train.ipynb", {"alpha": 0.25}, display_name="trained", tags={"team": "blue"})
    return workspace.submit(job, experiment="listed").wait_for_completion(show_output=False)


def test_lists_runs_and_opens_one_that_survives_a_reload(lab: Lab, trained: Run) -> None:
    lab.open()
    row = lab.sidebar().row("trained")
    expect(lab.sidebar().row("listed")).to_be_visible()
    expect(row.get_by_role("img", name="Completed")).to_be_visible()
    expect(row).to_contain_text(DURATION)

    row.click()
    document = lab.run_document()
    expect(document.title).to_have_text("trained")
    document.expect_status("Completed")
    expect_everything(document)

    lab.reload()
    expect(lab.sidebar().row("trained")).to_be_visible()
    document = lab.run_document()
    expect(document.title).to_have_text("trained")
    document.expect_status("Completed")


def test_shows_what_happens_while_it_is_looked_at(lab: Lab, workspace: Workspace) -> None:
    lab.open()
    sidebar = lab.sidebar()
    with workspace.experiments["watched"].start_run("seen live") as run:
        sidebar.open("watched")
        row = sidebar.row("seen live")
        expect(row.get_by_role("img", name="Running")).to_be_visible()
        row.click()
        document = lab.run_document()
        overview = document.show("Overview")
        run.log("loss", 0.125)
        expect(overview).to_contain_text("0.125")
    expect(row.get_by_role("img", name="Completed")).to_be_visible()
    document.expect_status("Completed")


def test_catches_up_where_no_event_comes_through(lab: Lab, workspace: Workspace) -> None:
    lab.page.route_web_socket(re.compile("/api/events/subscribe"), lambda socket: socket.close())
    lab.open()
    sidebar = lab.sidebar()
    with workspace.experiments["unheard"].start_run("never announced"):
        sidebar.open("unheard")
        row = sidebar.row("never announced")
        expect(row.get_by_role("img", name="Running")).to_be_visible()
    expect(row.get_by_role("img", name="Completed")).to_be_visible()


def test_filter_finds_by_name_and_by_condition(lab: Lab, workspace: Workspace) -> None:
    for name, score in (("filter good", 0.9), ("filter bad", 0.1)):
        with workspace.experiments["filtered"].start_run(name) as run:
            run.log("score", score)
    lab.open()
    sidebar = lab.sidebar()
    box = sidebar.region.get_by_role("searchbox")
    box.fill("filter b")
    expect(sidebar.row("filter bad")).to_be_visible()
    expect(sidebar.row("filter good")).to_have_count(0)
    box.fill("metrics.score > 0.5")
    expect(sidebar.row("filter good")).to_be_visible()
    expect(sidebar.row("filter bad")).to_have_count(0)
    box.fill("metrics.score > ")
    expect(sidebar.region.get_by_role("alert")).to_be_visible()


def expect_everything(document: RunDocument) -> None:
    """Each tab of the trained run shows what it is there for."""
    overview = document.show("Overview")
    for text in ("alpha", "0.25", "team", "blue", "r2", "rmse", "import joblib"):
        expect(overview).to_contain_text(text)

    metrics = document.show("Metrics")
    chart = metrics.get_by_role("img", name="Chart of rmse, 10 points")
    expect(chart.locator("canvas")).to_be_visible()
    assert is_drawn(chart.locator("canvas"))
    expect(metrics.get_by_role("img", name=re.compile("measured and predicted"))).to_be_visible()

    expect(document.show("Logs").get_by_role("log")).to_contain_text("100 % of the training data: rmse")

    outputs = document.show("Outputs")
    expect(outputs.get_by_role("button", name="model.joblib")).to_be_visible()
    outputs.get_by_role("button", name="train.ipynb").click()
    expect(outputs.locator(".jp-aml-file-preview")).to_contain_text("Train a ridge regression")

    snapshot = document.show("Snapshot")
    snapshot.get_by_role("button", name="train.ipynb").click()
    expect(snapshot.locator(".jp-aml-file-preview")).to_contain_text("strength of the regularisation")


def is_drawn(canvas: Locator) -> bool:
    """Whether anything was painted."""
    found: bool = canvas.evaluate(
        """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"""
    )
    return found
