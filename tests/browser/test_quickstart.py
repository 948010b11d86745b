"""The quickstart notebook in JupyterLab, from the first cell to the last."""

from __future__ import annotations

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.timeout(300)
def test_runs_from_the_first_cell_to_the_last(lab: Lab) -> None:
    notebook = lab.open_notebook("01_quickstart.ipynb")
    notebook.run_all()
    count = sum(cell.cell_type == "code" for cell in nbformat.read(notebook.path, 4).cells)
    expect(notebook.panel.get_by_text(f"[{count}]:")).not_to_have_count(0, timeout=200_000)

    card = notebook.card("ridge-cell")
    card.expect_status("Completed")
    expect(card.box.locator("svg.jp-aml-sparkline")).to_be_visible()

    compared = notebook.panel.locator(".jp-aml-card").filter(has=lab.page.locator(".jp-aml-compared"))
    compared.scroll_into_view_if_needed()
    expect(compared.locator(".uplot canvas")).to_have_count(2)
    for name in ("train-0.01", "train-0.1", "train-1.0"):
        expect(compared.get_by_role("button", name=name)).to_be_visible()
    expect(compared).not_to_contain_text("shown as it was saved")

    notebook.save()
    for cell in nbformat.read(notebook.path, 4).cells:
        if cell.cell_type == "code":
            assert cell.execution_count, cell.source
            assert [o for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"] == []

    sidebar = lab.sidebar()
    for name in ("baseline", "ridge-cell", "train-0.01", "train-0.1", "train-1.0"):
        expect(sidebar.row(name).get_by_role("img", name="Completed")).to_be_visible()
