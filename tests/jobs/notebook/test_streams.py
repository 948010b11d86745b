"""Printed text is kept as a terminal would show it, and within its limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode

from jupyter_aml.jobs.notebook.streams import CellOutputs, StreamText


def _kept(*pieces: str) -> str:
    stream = StreamText("stdout")
    for piece in pieces:
        stream.append(piece)
    stream.settle()
    assert stream.length == len(stream.node["text"])
    return str(stream.node["text"])


@pytest.mark.parametrize(
    ("pieces", "kept"),
    [
        (["a\n", "b"], "a\nb"),
        (["1%\r", "2%\r", "done\n"], "done\n"),
        (["\r1%", "\r2%"], "2%"),
        (["line\r", "\nnext"], "line\nnext"),
        (["line\r\n"], "line\n"),
        (["12\b\b34"], "34"),
        (["ab\b", "c\n", "\bd"], "ac\nd"),
        (["x\ry\nz\rw"], "y\nw"),
    ],
)
def test_overwriting(pieces: list[str], kept: str) -> None:
    assert _kept(*pieces) == kept


@given(st.lists(st.text(alphabet="ab\n\r\b", max_size=6)))
def test_how_the_text_is_cut_makes_no_difference(pieces: list[str]) -> None:
    assert _kept(*pieces).rstrip("\r") == _kept("".join(pieces)).rstrip("\r")


def test_limit_keeps_the_head_and_one_note() -> None:
    kept, outputs = CellOutputs(limit=10), []
    for text in ("12345", "678901", "more"):
        kept.print(outputs, "stdout", text)
    kept.print(outputs, "stderr", "x")
    kept.settle(outputs)
    kept.print(outputs, "stdout", "yy")
    kept.settle(outputs)
    assert [output.name for output in outputs] == ["stdout", "stderr"]
    assert outputs[0].text == "1234567890"
    assert "8 more characters" in outputs[1].text


def test_cleared_outputs_make_room() -> None:
    kept, outputs = CellOutputs(limit=4), list[NotebookNode]()
    kept.print(outputs, "stdout", "12345")
    outputs.clear()
    kept.forget()
    kept.print(outputs, "stdout", "abc")
    kept.settle(outputs)
    assert [output.text for output in outputs] == ["abc"]


def test_progress_bar_of_any_length_stays_within_the_limit() -> None:
    kept, outputs = CellOutputs(limit=100), list[NotebookNode]()
    for count in range(1000):
        kept.print(outputs, "stderr", f"\r{count}/1000")
    kept.settle(outputs)
    assert [output.text for output in outputs] == ["999/1000"]


def test_display_that_does_not_fit_is_counted() -> None:
    kept, outputs = CellOutputs(limit=10), list[NotebookNode]()
    assert kept.fits({"data": {"t": "12345"}})
    assert not kept.fits({"data": {"t": "12345678"}})
    kept.settle(outputs)
    assert len(outputs) == 1
