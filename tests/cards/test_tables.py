"""Tables of runs and comparisons."""

from __future__ import annotations

from jupyter_aml.cards import COMPARE_MIME, RUNS_MIME, comparison, run_table
from jupyter_aml.cards.textual import columns_of
from tests.cards.data import check_bundle, history, lines_with, read_html, run, text_of


def test_a_table_shows_what_differs() -> None:
    runs = [run(i, params={"same": "1", "alpha": f"0.{i}"}) for i in range(3)]
    bundle = run_table(runs, workspace_id="ws")
    check_bundle(bundle)
    head, *rows = bundle["text/plain"].split("\n")
    assert head.split() == ["RUN", "EXPERIMENT", "STATUS", "STARTED", "TOOK", "alpha", "rmse", "loss"]
    assert rows[3] == "The same in all: same = 1"
    assert "The same in all: same = 1" in text_of(bundle["text/html"])
    assert bundle[RUNS_MIME]["run_ids"] == [item["id"] for item in runs]
    assert [item["id"] for item in bundle[RUNS_MIME]["snapshot"]] == [item["id"] for item in runs]


def test_columns_stand_under_their_headings() -> None:
    runs = [run(1), run(2, display_name="長い名前の実行"), run(3, status="Running", ended_at=None)]
    runs[2]["progress"] = {"done": 1, "total": 9, "label": "x", "index": 0}
    lines = run_table(runs, workspace_id="w")["text/plain"].split("\n")
    place = lines[0].index("diabetes".upper()) if "DIABETES" in lines[0] else lines[0].index("EXPERIMENT")
    assert {columns_of(line[: line.index("diabetes")]) for line in lines[1:4]} == {place}
    assert lines_with("\n".join(lines), "● Running 1/9")


def test_a_wide_table_is_cut_and_says_so() -> None:
    runs = [run(i, params={f"p{j}": f"{i * j}" for j in range(50)}) for i in range(500)]
    bundle = run_table(runs, workspace_id="w")
    check_bundle(bundle)
    assert max(map(columns_of, bundle["text/plain"].split("\n"))) <= 120
    assert "and 440 more runs" in bundle["text/plain"]
    assert "43 more params" in text_of(bundle["text/html"])
    assert len(bundle[RUNS_MIME]["run_ids"]) == 500
    assert len(bundle[RUNS_MIME]["snapshot"]) == 200
    assert len(bundle["text/html"]) < 300_000


def test_no_runs() -> None:
    for bundle in (run_table([], workspace_id="w"), comparison([], {}, workspace_id="w")):
        check_bundle(bundle)
        assert bundle["text/plain"] == "No runs."


def test_a_comparison_marks_both_extremes() -> None:
    runs = [run(i, metrics={"rmse": value}) for i, value in enumerate((3.0, 1.0, "NaN", 2.0))]
    bundle = comparison(runs, {}, workspace_id="w")
    check_bundle(bundle)
    _, *rows = bundle["text/plain"].split("\n")[:5]
    assert [row.split("0." + row.split()[1][-1])[-1].split() for row in rows] == [
        ["3", "▲"],
        ["1", "▼"],
        ["NaN"],
        ["2"],
    ]
    for form in (text_of(bundle["text/html"]), bundle["text/plain"]):
        assert "▲ highest, ▼ lowest" in form


def test_equal_values_are_not_marked() -> None:
    bundle = comparison([run(i, metrics={"m": 1.0}) for i in range(2)], {}, workspace_id="w")
    assert "▲" not in bundle["text/plain"]
    assert "▲" not in bundle["text/html"]


def test_a_comparison_shows_the_params_that_differ() -> None:
    runs = [run(i, params={"same": "1", "alpha": f"0.{i}"}) for i in range(2)]
    bundle = comparison(runs, {}, workspace_id="w")
    assert lines_with(bundle["text/plain"], "A  brave_heron_0", "✓ Completed", "1 min 23 s", "0.0")
    assert "The same in all: same = 1" in text_of(bundle["text/html"])


def test_a_comparison_draws_courses_as_lines_and_single_values_as_bars() -> None:
    runs = [run(i, metrics={"loss": 0.1, "acc": 0.5 + i / 10}) for i in range(3)]
    courses = {item["id"]: {"loss": history(0.5, 0.3, "NaN", 0.1)} for item in runs}
    bundle = comparison(runs, courses, workspace_id="w")
    check_bundle(bundle)
    tags, text = read_html(bundle["text/html"])
    charts = [attributes["alt"] for tag, attributes in tags if tag == "img" and attributes["alt"]]
    assert len(charts) == 2
    assert charts[0].startswith(
        "loss over steps. A brave_heron_0: 0.5 to 0.1, lowest 0.1, highest 0.5, 4 points"
    )
    assert charts[1] == "acc. A brave_heron_0: 0.5; B brave_heron_1: 0.6; C brave_heron_2: 0.7"
    assert "3 points are no finite numbers and leave gaps" in text
    assert len([tag for tag, _ in tags if tag == "rect"]) == 3
    assert bundle[COMPARE_MIME]["snapshot"][0]["history"]["loss"]["values"] == [0.5, 0.3, "NaN", 0.1]


def test_runs_of_one_name_are_told_apart() -> None:
    runs = [run(i, display_name="twin") for i in range(2)]
    text = comparison(runs, {}, workspace_id="w")["text/plain"]
    assert "twin 0000" in text
    assert "twin 0001" in text


def test_many_runs_are_counted() -> None:
    bundle = comparison([run(i) for i in range(30)], {}, workspace_id="w")
    check_bundle(bundle)
    assert "and 18 more runs" in text_of(bundle["text/html"])
    assert "and 18 more runs" in bundle["text/plain"]
