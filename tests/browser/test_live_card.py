"""A submitted cell's card: it follows the run by itself, streams its log, cancels it, and is there again later."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Locator, expect

from jupyter_aml.cards import RUN_MIME
from tests.browser.books import write_notebook
from tests.browser.lab import Lab

pytestmark = pytest.mark.browser

START = "%load_ext jupyter_aml\nfrom pathlib import Path\nstop = Path({stop!r})"
SUBMIT = """%%aml submit --experiment slow --name {name}
import time
count = 0
while not stop.exists():
    print("line", count, "of", "{name}")
    count += 1
    time.sleep(0.2)
print("the end")"""


def test_follows_the_run_and_streams_its_log(lab: Lab, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    write_notebook(lab.root / "slow.ipynb", START.format(stop=str(stop)), SUBMIT.format(name="follow"))
    notebook = lab.open_notebook("slow.ipynb")
    notebook.run_all()

    card = notebook.card("follow")
    card.expect_status("Running")
    expect_growing(card.box.locator(".jp-aml-card-log"))
    card.press("Open")
    document = lab.run_document()
    expect(document.title).to_have_text("follow")
    document.expect_status("Running")
    expect_growing(document.show("Logs").get_by_role("log"))

    stop.touch()
    document.expect_status("Completed")
    expect(document.show("Logs").get_by_role("log")).to_contain_text("the end")
    lab.page.get_by_role("main").get_by_role("tab", name="slow.ipynb").click()
    card.expect_status("Completed")
    expect(card.box.get_by_role("button", name="Cancel")).to_have_count(0)


def test_cancels_and_is_there_again_without_a_kernel(lab: Lab, tmp_path: Path) -> None:
    start = START.format(stop=str(tmp_path / "never"))
    write_notebook(lab.root / "long.ipynb", start, SUBMIT.format(name="long"))
    notebook = lab.open_notebook("long.ipynb")
    notebook.run_all()
    card = notebook.card("long")
    card.expect_status("Running")
    notebook.save()
    places = button_places(card.box)
    card.press("Cancel")
    card.expect_status("Canceled")
    expect(card.box).to_contain_text("Canceled on request.")
    expect(card.box.get_by_role("region", name="Error")).to_have_count(0)
    del places["Cancel"]
    assert button_places(card.box) == places, "a button moved to where another was"

    lab.reload()
    notebook.card("long").expect_status("Canceled")

    saved = nbformat.read(notebook.path, 4).cells[1].outputs[-1].data[RUN_MIME]
    assert saved["snapshot"]["status"] != "Canceled", "the card must know better than what was saved"
    lab.menu("Kernel", "Shut Down Kernel")
    lab.open()
    card = lab.open_without_kernel("long.ipynb").card("long")
    card.expect_status("Canceled")
    card.press("Rerun")
    again = lab.run_document()
    again.expect_status("Running")
    again.body.get_by_role("button", name="Cancel").click()
    again.expect_status("Canceled")


def button_places(box: Locator) -> dict[str, float]:
    """How far from the left each button stands."""
    buttons = box.get_by_role("button").all()
    return {button.inner_text(): (button.bounding_box() or {})["x"] for button in buttons}


def expect_growing(log: Locator) -> None:
    """Wait for lines, and for more of them."""
    expect(log).to_contain_text(re.compile(r"line \d+ of"))
    numbers = re.findall(r"line (\d+) of", log.text_content() or "")
    expect(log).to_contain_text(f"line {int(numbers[-1]) + 3} of")
