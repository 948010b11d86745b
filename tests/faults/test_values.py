"""R-G01, R-G02, R-G03, R-G07: numbers, steps, texts and parameters at the edges of what there is."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import pytest

from jupyter_aml import notebook
from jupyter_aml.client import launch
from jupyter_aml.errors import AmlError, InvalidError
from jupyter_aml.workspace import Workspace
from tests.faults.kit import book, ended, executed, printed

NUMBERS = [math.nan, math.inf, -math.inf, -0.0, 0.0, 1e308, -1e308, 5e-324, 0.1 + 0.2, 2.0**53 + 1, 1 / 3]


def test_numbers_come_back_bit_by_bit_and_the_wire_is_plain_json(workspace: Workspace) -> None:
    """R-G01: by our client and over REST, where no bare NaN may be; the best of them is no NaN."""
    with workspace.experiments["x"].start_run() as run:
        for number in NUMBERS:
            run.log("v", number)
        run.log("only nan", math.nan)
        run.log_list("list", [math.nan, math.inf, 1.5])
    assert [struct.pack("<d", x) for x in run.metric_history("v")["values"][1:]] == [
        struct.pack("<d", x) for x in NUMBERS[1:]
    ]
    assert math.isnan(run.metric_history("v")["values"][0])
    for operation, arguments in (
        ("get_run", {}), ("get_metrics", {}), ("metric_history", {"name": "v"}), ("search_runs", None),
    ):  # fmt: skip
        given = {} if arguments is None else {"run_id": run.id, **arguments}
        text = workspace.client.request(operation, **given).text
        assert json.loads(text, parse_constant=lambda word: pytest.fail(f"a bare {word}"))
    summary = {item["name"]: item for item in workspace.client.call("get_metrics", run_id=run.id)["items"]}
    assert (summary["v"]["min"], summary["v"]["max"]) == ("-Infinity", "Infinity")
    assert math.isnan(run.metrics["only nan"])
    thinned = run.metric_history("v", max_points=4)
    assert len(thinned["values"]) <= 8
    with workspace.experiments["x"].start_run() as other:
        other.log("only nan", 1.0)
    best = workspace.runs.search(order_by=["metrics.`only nan` ASC"])
    assert best[0].id == other.id


def test_steps_of_any_size_and_order_are_kept(workspace: Workspace) -> None:
    """R-G02: the greatest, the least, the same twice, backwards; and a million points, counted exactly."""
    steps = [2**63 - 1, -(2**63) + 1, 0, 5, 5, 5, 3, -7]
    with workspace.experiments["x"].start_run() as run:
        for order, step in enumerate(steps):
            run.log("v", float(order), step)
        for refused in (2**63, -(2**63), 2**70):
            with pytest.raises(InvalidError, match="64 bits"):
                run.log("v", 0.0, refused)
        with pytest.raises(InvalidError):
            run.log("v", 0.0, 1.5)  # type: ignore[arg-type]
        for number in range(1_000_000):
            run.log("long", number, number)
    history = run.metric_history("v")
    assert history["steps"] == sorted(steps)
    assert [history["values"][i] for i, step in enumerate(history["steps"]) if step == 5] == [3.0, 4.0, 5.0]
    thin = workspace.client.call("metric_history", run_id=run.id, name="long", max_points=1000)
    assert thin["total"] == 1_000_000 and (thin["steps"][0], thin["steps"][-1]) == (0, 999_999)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("", True),
        ("x" * 6000, True),
        ("x" * 6001, False),
        ("x" * 2**20, False),
        ("\U0001d54c\U0001f600é\n\t", True),
        ("\ud800", False),
        ("a\0b", False),
        ("two\nlines", True),
    ],
)
def test_a_param_is_kept_whole_or_refused_with_the_limit(
    value: str, kept: bool, workspace: Workspace
) -> None:
    """R-G03: never a silent cut; the same value again is fine, another one is not."""
    with workspace.experiments["x"].start_run() as run:
        if kept:
            run.log_param("p", value)
            run.log_param("p", value)
            with pytest.raises(AmlError, match="cannot be changed"):
                run.log_param("p", value + "2"[: 6000 - len(value)] if len(value) < 6000 else "y")
        else:
            with pytest.raises(InvalidError) as caught:
                run.log_param("p", value)
            assert "param 'p'" in str(caught.value) and (len(value) < 6001 or "6,000" in str(caught.value))
    assert run.params == ({"p": value} if kept else {})


def test_a_second_process_cannot_change_a_param_unnoticed(workspace: Workspace) -> None:
    """R-G03 across processes: the first value stays and the run says that another was refused."""
    with workspace.experiments["x"].start_run() as run:
        run.log_param("p", "first")
        assert run.params == {"p": "first"}
        other = workspace.runs.get(run.id)
        other.log_param("p", "second")
        assert run.params == {"p": "first"}
    assert run.params == {"p": "first"}


PARAMETERS = {
    "flag": True, "nothing": None, "nested": {"a": [1, {"b": "c"}], "d": None}, "big": 2**62, "half": 0.5,
    "text": "quo'te\"s \\ back {x} {{y}} \n line ümlaut", "empty": [], "tiny": 5e-324,
}  # fmt: skip


def test_parameters_arrive_as_they_were_given(workspace: Workspace, tmp_path: Path) -> None:
    """R-G07: typed equality in the notebook, or a refusal at the submit."""
    import datetime

    defaults = "\n".join(f"{name} = {value!r}" for name, value in PARAMETERS.items())
    check = f"given = {PARAMETERS!r}\nprint(all(repr(globals()[n]) == repr(v) for n, v in given.items()))"
    path = book(tmp_path / "code", defaults.replace("True", "False"), check, tags={0: ["parameters"]})
    run = workspace.submit(notebook(path, PARAMETERS))
    for refused in (
        datetime.datetime.now(datetime.UTC),
        Path("/x"),
        object(),
        {1, 2},
        b"bytes",
        2**80,
        math.nan,
    ):
        with pytest.raises(AmlError):
            workspace.submit(notebook(path, {"text": refused}))
    ended(run)
    assert run.status == "Completed", run.error
    assert printed(executed(run).cells[-1]).strip() == "True"
    assert len(workspace.runs.list()) == 1 and launch.is_running(workspace.client.location.folder)
