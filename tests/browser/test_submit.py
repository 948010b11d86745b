"""The notebook toolbar's button "Submit as run"."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab

pytestmark = pytest.mark.browser


def test_asks_for_the_parameters_and_opens_the_run(lab: Lab) -> None:
    notebook = lab.open_notebook("train.ipynb")
    notebook.panel.get_by_role("button", name="Submit as run").click()
    dialog = lab.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Submit train.ipynb as a run")
    alpha = dialog.get_by_label("alpha")
    expect(alpha).to_have_value("1")
    expect(dialog.get_by_label("max_degree")).to_have_value("1")
    expect(dialog.get_by_label("test_size")).to_have_value("0.25")
    expect(dialog).to_contain_text("strength of the regularisation")

    alpha.fill("strong")
    environments = dialog.get_by_label("Environment").locator("option")
    expect(environments.first).to_have_text("as here (the workspace's own Python)")
    expect(environments.filter(has_text="sklearn").first).to_be_attached()
    dialog.get_by_label("Experiment").fill("toolbar")
    dialog.get_by_label("Run name").fill("from the toolbar")
    submit = dialog.get_by_role("button", name="Submit", exact=True)
    submit.click()
    expect(dialog).to_contain_text("A number is needed")
    expect(alpha).to_have_attribute("aria-invalid", "true")

    alpha.fill("0.5")
    submit.click()
    expect(dialog).to_have_count(0)
    document = lab.run_document()
    expect(document.title).to_have_text("from the toolbar")
    document.expect_status("Completed")
    expect(document.body).to_contain_text("5 of 5 cells")
    expect(document.show("Overview")).to_contain_text("0.5")
    expect(lab.sidebar().row("from the toolbar")).to_be_visible()


def test_what_the_server_refuses_is_said_in_the_dialog(lab: Lab) -> None:
    notebook = lab.open_notebook("train.ipynb")
    notebook.panel.get_by_role("button", name="Submit as run").click()
    dialog = lab.page.get_by_role("dialog")
    dialog.get_by_label("Experiment").fill("../elsewhere")
    dialog.get_by_role("button", name="Submit", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("../elsewhere")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
