"""What scripts get: the formats and queries of Azure's CLI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from jupyter_aml.commands.output import formatted, query
from jupyter_aml.commands.show import show
from jupyter_aml.commands.values import job_data, plain
from jupyter_aml.errors import UsageError

RUNS = [
    {
        "name": "a",
        "status": "Completed",
        "tags": {"x": "1"},
        "files": [1, 2],
        "error": None,
        "archived": False,
    },
    {"name": "b", "status": "Failed", "tags": {}, "files": [], "error": None, "archived": True},
]


def test_tsv_is_azures() -> None:
    assert formatted("Completed", "tsv") == "Completed\n"
    assert formatted(["a", "b"], "tsv") == "a\nb\n"
    assert formatted([["a", 1], ["b", 2]], "tsv") == "a\t1\nb\t2\n"
    assert formatted(None, "tsv") == ""
    assert formatted(RUNS, "tsv") == "a\tCompleted\t\t2\t\tfalse\nb\tFailed\t\t0\t\ttrue\n"


def test_a_value_stays_one_cell_of_tsv() -> None:
    assert formatted([["a\tb\nc", 1]], "tsv") == "a b c\t1\n"


def test_json_and_yaml_hold_the_same() -> None:
    value = {"text": "größer", "number": float("nan"), "path": Path("a/b"), "list": (1, 2)}
    same = {"text": "größer", "number": "NaN", "path": "a/b", "list": [1, 2]}
    assert json.loads(formatted(value, "json")) == yaml.safe_load(formatted(value, "yaml")) == same
    assert formatted("text", "yaml") == "text\n"
    assert formatted(value, "none") == ""


def test_query_is_jmespath() -> None:
    assert query(RUNS, "[].name") == ["a", "b"]
    assert query(RUNS, "[?status=='Failed'].name | [0]") == "b"
    assert query(RUNS[0], 'tags."x"') == "1"
    assert query({"number": float("inf")}, "number") == "Infinity"


def test_a_wrong_query_says_where() -> None:
    with pytest.raises(UsageError) as caught:
        query(RUNS, "[?status==")
    assert "is no JMESPath expression" in caught.value.headline
    assert "--query status" in str(caught.value.hint)


def test_a_job_has_azures_keys() -> None:
    run = {
        "id": "0" * 32,
        "experiment": "iris",
        "display_name": "quiet-fox-12",
        "description": "",
        "kind": "command",
        "status": "Completed",
        "attempt": 1,
        "parent_id": None,
        "user": "ada",
        "compute": "local",
        "created_at": 1_700_000_000_123,
        "started_at": 1_700_000_001_000,
        "ended_at": None,
        "archived": False,
        "cancel_requested_at": None,
        "tags": {},
        "params": {"a": "1"},
        "metrics": {"rmse": 0.5},
        "progress": None,
        "error": None,
        "source": {},
        "spec": {"type": "command", "command": "make"},
    }
    found = plain(job_data(run))
    assert (found["name"], found["experiment_name"], found["command"], found["type"]) == (
        "0" * 32,
        "iris",
        "make",
        "command",
    )
    assert found["creation_context"] == {"created_at": "2023-11-14T22:13:20.123+00:00", "created_by": "ada"}
    assert (found["metrics"], found["started_at"], found["ended_at"]) == (
        {"rmse": 0.5},
        "2023-11-14T22:13:21.000+00:00",
        None,
    )


def test_tables_show_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    show([{"name": "a\x1b]0;title\x07", "tags": {}}, {"name": "[red]b[/red]", "tags": {}}])
    assert capsys.readouterr().out == "NAME\na\\u001b]0;title\\u0007\n[red]b[/red]\n"
    show({"name": "x" * 150, "tags": {"a": "1", "b": "2"}, "none": None})
    assert capsys.readouterr().out.splitlines() == ["name  " + "x" * 150, "tags  a=1, b=2", "none  -"]
