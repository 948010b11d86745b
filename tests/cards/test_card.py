"""What the card of a run tells."""

from __future__ import annotations

import json

import pytest

from jupyter_aml.cards import RUN_MIME, run_card
from tests.cards.data import check_bundle, history, lines_with, read_html, run, styles_of, text_of

# The properties that the sanitizer of JupyterLab 4.6 keeps with the values used here (checked with its code).
KEPT_STYLES = set(
    "background background-color border border-collapse border-left border-radius border-top color display "
    "flex-wrap font-size font-weight gap height line-height margin margin-top max-height max-width min-width "
    "opacity overflow overflow-x padding table-layout text-align vertical-align white-space width".split()
)


def test_a_completed_run() -> None:
    bundle = run_card(
        run(), workspace_id="ws", histories={"loss": history(0.5, 0.25, 0.125)}, log_tail=["done"]
    )
    check_bundle(bundle)
    assert bundle[RUN_MIME]["run_id"] == run()["id"]
    assert bundle[RUN_MIME]["workspace_id"] == "ws"
    for form in (text_of(bundle["text/html"]), bundle["text/plain"]):
        for told in (
            "✓ Completed",
            "brave_heron_0",
            "diabetes",
            "1 min 23 s",
            "rmse",
            "54.25",
            "solver",
            "saga",
            "done",
        ):
            assert told in form


def test_a_run_elsewhere_says_where_and_with_what() -> None:
    spec = {"type": "notebook", "notebook": "train.ipynb", "environment": "sklearn:1"}
    bundle = run_card(run(compute="cpu-cluster", spec=spec), workspace_id="w")
    assert "on cpu-cluster with sklearn:1" in text_of(bundle["text/html"])
    assert lines_with(bundle["text/plain"], "compute", "cpu-cluster")
    assert lines_with(bundle["text/plain"], "environment", "sklearn:1")
    assert bundle[RUN_MIME]["snapshot"]["spec"]["environment"] == "sklearn:1"


def test_a_run_on_this_machine_with_its_python_says_neither() -> None:
    bundle = run_card(run(compute="local"), workspace_id="w")
    assert " on local" not in text_of(bundle["text/html"])
    assert not lines_with(bundle["text/plain"], "compute")
    assert not lines_with(bundle["text/plain"], "environment")


def test_the_course_of_a_metric_is_drawn_with_its_extremes() -> None:
    bundle = run_card(run(), workspace_id="w", histories={"loss": history(0.5, "NaN", 0.0625, 0.125)})
    (image,) = [attributes for tag, attributes in read_html(bundle["text/html"])[0] if tag == "img"]
    assert image["alt"] == "█ ▁▂"
    assert lines_with(bundle["text/plain"], "loss", "0.125", "█ ▁▂")
    text = text_of(bundle["text/html"])
    assert "lowest" in text
    assert "0.0625" in text


def test_a_run_that_goes_on_shows_its_cells() -> None:
    progress = {"done": 3, "total": 10, "index": 4, "label": "model.fit(X, y)"}
    bundle = run_card(run(status="Running", ended_at=None, progress=progress), workspace_id="w")
    text = text_of(bundle["text/html"])
    assert "● Running" in text
    assert "3 of 10 cells" in text
    assert "model.fit(X, y)" in text
    assert "%aml show 0198c0ffee00" in text
    assert any("width:30.0%" in style for style in styles_of(bundle["text/html"]))
    assert lines_with(bundle["text/plain"], "██████░░░░░░░░░░░░░░ 3 of 10 cells  model.fit(X, y)")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("Queued", "Waits for a free place on local (attempt 2)."),
        ("Preparing", "Its files are being laid out."),
        ("Finalizing", "its files are being collected"),
        ("CancelRequested", "It was asked to stop."),
    ],
)
def test_a_run_that_waits_says_for_what(status: str, told: str) -> None:
    item = run(status=status, attempt=2, started_at=None, ended_at=None, progress=None)
    bundle = run_card(item, workspace_id="w")
    assert told in text_of(bundle["text/html"])
    assert told in bundle["text/plain"]


def test_a_failed_run_says_why_where_and_what_next() -> None:
    error = {
        "class": "ValueError",
        "message": "Input\nis NaN",
        "cell": 4,
        "reason": "user_error",
        "traceback": "T",
    }
    bundle = run_card(run(status="Failed", error=error), workspace_id="w")
    text = text_of(bundle["text/html"])
    assert "ValueError: Input\nis NaN" in text
    assert "In cell 5 of the notebook." in text
    assert "%aml logs 0198c0ffee00" in text
    assert "Traceback" in text
    assert lines_with(bundle["text/plain"], "    ValueError: Input")
    assert lines_with(bundle["text/plain"], "aml logs 0198c0ffee00")
    assert "%" not in bundle["text/plain"]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("canceled", "Canceled on request."),
        ("", "Canceled on request."),
        ("canceled before it started", "Canceled before it started."),
    ],
)
def test_a_canceled_run_says_why_in_one_line(message: str, told: str) -> None:
    error = {"class": "Canceled", "message": message, "cell": 4, "reason": "canceled", "traceback": "TRACE"}
    bundle = run_card(run(status="Canceled", error=error), workspace_id="w")
    assert lines_with(bundle["text/plain"], told)
    for text in (text_of(bundle["text/html"]), bundle["text/plain"]):
        assert told in text
        assert not any(part in text for part in ("TRACE", "Traceback", "In cell", "Canceled: "))


@pytest.mark.parametrize(
    ("reason", "told"),
    [("timeout", "larger timeout"), ("runner_lost", "aml rerun"), ("kernel_died", "less memory")],
)
def test_the_hint_fits_the_reason(reason: str, told: str) -> None:
    item = run(status="Failed", error={"class": "E", "message": "m", "reason": reason})
    assert told in run_card(item, workspace_id="w")["text/plain"]


def test_the_failed_cell_of_a_cell_is_not_counted() -> None:
    item = run(
        kind="cell", status="Failed", error={"class": "E", "message": "m", "cell": 1, "reason": "user_error"}
    )
    assert "In cell" not in run_card(item, workspace_id="w")["text/plain"]


def test_a_notebook_keeps_no_more_than_the_card_draws() -> None:
    stored = json.dumps(run_card(run(), workspace_id="w"))
    for private in ("hunter2", "secret-host", "/home/ada"):
        assert private not in stored
    assert "train.ipynb" in stored


def test_numbers_that_json_lacks_travel_as_words() -> None:
    item = run(metrics={"a": float("nan"), "b": float("inf"), "c": float("-inf"), "d": 0.5})
    stored = run_card(item, workspace_id="w")[RUN_MIME]["snapshot"]["metrics"]
    assert stored == {"a": "NaN", "b": "Infinity", "c": "-Infinity", "d": 0.5}


def test_what_is_stored_is_bounded() -> None:
    many = {f"name{i}": "v" * 6000 for i in range(5000)}
    error = {"class": "E", "message": "m" * 100_000, "traceback": "first\n" + "x" * 100 + "\nlast\n" * 5000}
    bundle = run_card(run(params=many, tags=many, error=error, status="Failed"), workspace_id="w")
    check_bundle(bundle)
    assert len(json.dumps(bundle)) < 600_000
    assert bundle[RUN_MIME]["snapshot"]["error"]["traceback"].endswith("last")


def test_a_run_with_nothing_in_it() -> None:
    bare = {"id": "0" * 32, "experiment": "x", "display_name": "", "status": "NotStarted"}
    bundle = run_card(bare, workspace_id="w")
    check_bundle(bundle)
    assert "○ Not started" in bundle["text/plain"]


def test_the_same_run_gives_the_same_bytes() -> None:
    courses = {"loss": history(*range(500))}
    assert run_card(run(), workspace_id="w", histories=courses) == run_card(
        run(), workspace_id="w", histories=courses
    )


def test_an_untrusted_notebook_keeps_every_style() -> None:
    bundle = run_card(
        run(status="Failed", error={"class": "E", "message": "m", "traceback": "t"}),
        workspace_id="w",
        log_tail=["l"],
    )
    used = {
        part.split(":")[0] for style in styles_of(bundle["text/html"]) for part in style.split(";") if part
    }
    assert used <= KEPT_STYLES
