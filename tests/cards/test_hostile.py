"""Names and values that attack: nothing shown by a card is anything but text."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from jupyter_aml.cards import comparison, run_card, run_table, sparkline, terminal
from jupyter_aml.cards.clean import many_lines, one_line
from tests.cards.data import HARMFUL, check_bundle, history, read_html, run, shape, text_of

TEXTS: list[str] = json.loads((Path(__file__).parent / "hostile_texts.json").read_text())
RUN_STATES = ("NotStarted", "Queued", "Running", "CancelRequested", "Completed", "Failed", "Canceled")
VALUES = [1.5, "NaN", "Infinity", -2]
ANY_TEXT = st.text(st.characters(), max_size=60) | st.sampled_from(TEXTS)


def attacked(text: str, status: str = "Failed", number: int = 0) -> dict[str, Any]:
    """A run with the text in every place that takes one."""
    return run(
        number,
        status=status,
        display_name=text,
        experiment=text,
        description=text,
        user=text,
        compute=text,
        tags={text: text},
        params={text: f"{text}{number}", "same": text},
        metrics={text: float(number), "loss": 1.0},
        progress={"done": 1, "total": 3, "index": 1, "label": text},
        error={
            "class": text,
            "message": text,
            "cell": 1,
            "reason": text,
            "traceback": text,
            "log_tail": [text],
        },
        source={"git": {"commit": text or "c", "branch": text, "dirty": True}, "python": text},
        spec={"type": "notebook", "notebook": text, "command": text},
    )


def every_output(text: str, status: str) -> list[dict[str, Any]]:
    """Everything that can be shown of runs with the text."""
    runs = [attacked(text, status, number) for number in range(3)]
    courses = {text: history(*VALUES), "loss": history(*VALUES)}
    return [
        run_card(runs[0], workspace_id=text, histories=courses, log_tail=[text, text]),
        run_table(runs, workspace_id=text),
        comparison(runs, {item["id"]: courses for item in runs}, workspace_id=text),
    ]


@pytest.mark.parametrize("status", [*RUN_STATES, "<b>New</b>"])
def test_hostile_texts_stay_text(status: str) -> None:
    for text in TEXTS:
        for bundle in every_output(text, status):
            check_bundle(bundle)


@given(ANY_TEXT, st.sampled_from(RUN_STATES))
def test_any_text_stays_text(text: str, status: str) -> None:
    for bundle in every_output(text, status):
        check_bundle(bundle)


@given(ANY_TEXT)
def test_a_text_changes_no_element(text: str) -> None:
    """The elements of an output depend on what is there, never on how it is spelled."""
    plain, hostile = ({"params": {"p": value}, "display_name": "x"} for value in ("harmless", text))
    one, other = (run_card(run(**changes), workspace_id="w")["text/html"] for changes in (plain, hostile))
    assert shape(one) == shape(other)


@pytest.mark.parametrize("text", [t for t in TEXTS if t.isprintable() and 0 < len(t) <= 40])
def test_what_can_be_shown_is_shown_as_it_is(text: str) -> None:
    bundle = run_card(run(display_name=text), workspace_id="w")
    assert text in text_of(bundle["text/html"])
    assert text in bundle["text/plain"]


def test_what_cannot_be_seen_is_made_visible() -> None:
    assert one_line("a\u202eb\x1b[31m\n\ud800\u2028") == "a\\u202eb\\u001b[31m\\n\\ud800\\u2028"


def test_a_log_loses_its_colours_links_and_overwritten_parts() -> None:
    log = "\x1b[32mgreen\x1b[0m \x1b]8;;http://evil\x07link\x1b]8;;\x07\n 10%\r 50%\r100%\n\x9b2Jend\n\n"
    assert many_lines(log) == "green link\n100%\nend"


def test_a_long_log_shows_its_end() -> None:
    shown = run_card(run(), workspace_id="w", log_tail=[f"line {i}" for i in range(1000)])
    assert "line 999" in shown["text/plain"]
    assert "line 900" not in shown["text/plain"]
    assert "line 999" in shown["text/html"]


def test_long_values_are_cut() -> None:
    bundle = run_card(run(params={"p": "x" * 6000}, tags={"t" * 6000: "y" * 6000}), workspace_id="w")
    assert len(bundle["text/html"]) < 20_000
    assert "…" in bundle["text/plain"]
    assert max(map(len, bundle["text/plain"].split("\n"))) < 200


def test_no_output_fetches_or_runs_anything() -> None:
    for bundle in every_output("http://evil/x.png", "Failed"):
        html = bundle["text/html"]
        assert not re.search(r"<(script|style|link|iframe|form|a|object)\b", html)
        tags, _ = read_html(html)
        for _, attributes in tags:
            assert not any(name.startswith("on") or name == "href" for name in attributes)
            assert (attributes.get("src") or "data:").startswith("data:")
            assert "url(" not in (attributes.get("style") or "")


def test_mathjax_leaves_outputs_alone() -> None:
    for bundle in every_output(r"$\href{javascript:alert(1)}{x}$", "Completed"):
        tags, _ = read_html(bundle["text/html"])
        assert "mathjax_ignore" in (tags[0][1]["class"] or "")
        assert bundle["text/html"].endswith("</div>")


def test_drawings_hold_no_text_of_others() -> None:
    bundle = comparison(
        [run(i, metrics={"<b>": i, "secret-name": i}, display_name="secret-run") for i in range(3)],
        {},
        workspace_id="w",
    )
    sources = re.findall(r'base64,([^"]+)"', bundle["text/html"])
    drawings = [base64.b64decode(source).decode() for source in sources]
    assert drawings
    assert not any("secret" in drawing or "&lt;" in drawing for drawing in drawings)


@pytest.mark.parametrize(
    "text", ["[red]x[/red]", "[link=http://evil]x[/link]", "[/]", ":smile:", "\x1b[2Jx", "\x9b2J"]
)
def test_a_terminal_obeys_no_name(text: str) -> None:
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=True, color_system=None)
    item = attacked(text, "Running")
    console.print(terminal.runs_table([item, attacked(text, "Failed", 1)]))
    console.print(terminal.card(item, log_tail=[text]))
    with terminal.RunProgress(console) as bars:
        bars.update(item)
        bars.update(attacked(text, "Failed"))
    printed = re.sub(r"\x1b\[[0-9;?]*[A-Zhlm]", "", out.getvalue())  # what rich itself writes
    assert not HARMFUL.search(printed.replace("\r", ""))
    assert one_line(text) in printed
    assert not HARMFUL.search(terminal.progress_line(item))
    assert "\x1b[2J" not in out.getvalue()


@given(
    st.lists(st.floats() | st.sampled_from(["NaN", "Infinity", "-Infinity", "1", None, True]), max_size=30)
)
def test_any_numbers_can_be_drawn(values: list[Any]) -> None:
    item = run(metrics={"m": values[-1] if values else 0.5})
    check_bundle(run_card(item, workspace_id="w", histories={"m": history(*values)}))
    check_bundle(comparison([item], {item["id"]: {"m": history(*values)}}, workspace_id="w"))
    read_html(sparkline(values))
