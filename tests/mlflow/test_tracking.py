"""Experiments, runs and what is logged to them, over the wire; and that they are the very ones our own faces show."""

from __future__ import annotations

import math
import time

import pytest

from jupyter_aml.workspace import Workspace
from tests.mlflow.conftest import Wire


def info(wire: Wire, run: str) -> dict[str, object]:
    found: dict[str, object] = wire("GET", "runs/get", run_id=run)["run"]["info"]
    return found


def test_the_default_experiment_is_there_from_the_beginning(wire: Wire) -> None:
    found = wire("GET", "experiments/get", experiment_id="0")["experiment"]
    assert found["name"] == "Default" and found["lifecycle_stage"] == "active"
    assert wire("GET", "experiments/get-by-name", experiment_name="Default")["experiment"] == found


def test_an_experiment_s_life(wire: Wire, workspace: Workspace) -> None:
    number = wire.experiment("a life")
    run = wire.run(number)
    status, code, _ = wire.refused("POST", "experiments/create", name="a life")
    assert (status, code) == (400, "RESOURCE_ALREADY_EXISTS")
    wire("POST", "experiments/set-experiment-tag", experiment_id=number, key="team", value="blue")
    wire("POST", "experiments/update", experiment_id=number, new_name="another life")
    assert workspace.experiments["another life"].get_details()["tags"] == {"team": "blue"}
    wire("POST", "experiments/delete", experiment_id=number)
    assert wire("GET", "experiments/get", experiment_id=number)["experiment"]["lifecycle_stage"] == "deleted"
    assert info(wire, run)["lifecycle_stage"] == "deleted"
    assert wire.refused("POST", "runs/create", experiment_id=number)[1] == "INVALID_PARAMETER_VALUE"
    wire("POST", "experiments/restore", experiment_id=number)
    assert info(wire, run)["lifecycle_stage"] == "active"
    wire("POST", "experiments/delete-experiment-tag", experiment_id=number, key="team")
    assert wire("GET", "experiments/get", experiment_id=number)["experiment"]["tags"] == []


def test_experiments_are_found_by_filter_order_and_page(wire: Wire) -> None:
    for letter in "abc":
        number = wire.experiment(f"found-{letter}")
        wire("POST", "experiments/set-experiment-tag", experiment_id=number, key="letter", value=letter)

    def names(**given: object) -> list[str]:
        found = wire("POST", "experiments/search", **given)
        return [experiment["name"] for experiment in found["experiments"]]

    assert names(filter="name LIKE 'found-%'") == ["found-c", "found-b", "found-a"]
    assert names(filter="name ILIKE 'FOUND-_'", order_by=["name ASC"]) == ["found-a", "found-b", "found-c"]
    assert names(filter="tags.letter != 'b' AND name LIKE 'found%'") == ["found-c", "found-a"]
    first = wire("POST", "experiments/search", filter="name LIKE 'found-%'", max_results=2)
    token = first["next_page_token"]
    rest = wire("POST", "experiments/search", filter="name LIKE 'found-%'", max_results=2, page_token=token)
    assert [e["name"] for e in rest["experiments"]] == ["found-a"] and "next_page_token" not in rest
    assert wire.refused("POST", "experiments/search", page_token=token)[0] == 400  # of another search
    for bad in ("name", "name = x", "nothing = 'x'", "name = 'x' OR name = 'y'"):
        assert wire.refused("POST", "experiments/search", filter=bad)[:2] == (400, "INVALID_PARAMETER_VALUE")


def test_a_run_is_the_one_our_own_faces_show(wire: Wire, workspace: Workspace) -> None:
    number = wire.experiment("shared")
    parent = wire.run(
        number, run_name="the parent", user_id="eve", tags=[{"key": "mlflow.user", "value": "eve"}]
    )
    child = wire.run(number, tags=[{"key": "mlflow.parentRunId", "value": parent}])
    wire("POST", "runs/log-parameter", run_id=parent, key="alpha", value="0.5")
    wire("POST", "runs/log-metric", run_id=parent, key="rmse", value=0.25, timestamp=123, step=4)
    ours = workspace.runs.get(parent)
    assert ours.display_name == "the parent" and ours.experiment_name == "shared" and ours.status == "Running"
    assert ours.params == {"alpha": "0.5"} and ours.get_metrics() == {"rmse": 0.25}
    assert [run.id for run in ours.get_children()] == [child]
    assert info(wire, parent)["user_id"] == ours.get_details()["user"] != "eve"
    wire("POST", "runs/update", run_id=parent, status="FINISHED")
    assert ours.status == "Completed"


def test_our_run_is_one_of_mlflow_s(wire: Wire, workspace: Workspace) -> None:
    with workspace.experiments["shared back"].start_run(display_name="ours", tags={"a": "b"}) as run:
        run.log_param("depth", 3)
        for step in range(5):
            run.log("loss", 1 / (step + 1), step=step)
        run.log_text("notes/a.txt", "hello")
    found = wire("GET", "runs/get", run_id=run.id)["run"]
    assert found["info"]["status"] == "FINISHED" and found["info"]["run_name"] == "ours"
    assert {"key": "depth", "value": "3"} in found["data"]["params"]
    assert found["data"]["metrics"][0]["key"] == "loss" and found["data"]["metrics"][0]["step"] == 4
    assert wire.http.get(f"/api/2.0/{wire.artifacts(run.id)}/notes/a.txt").text == "hello"
    status, code, _ = wire.refused("POST", "runs/log-parameter", run_id=run.id, key="late", value="x")
    assert (status, code) == (409, "RESOURCE_CONFLICT")  # what has ended with us is not changed by anybody


def test_metrics_have_steps_times_and_every_value_of_a_float(wire: Wire) -> None:
    run = wire.run()
    for step, value in ((3, 0.3), (1, "NaN"), ("2", "-Infinity"), (0, -0.0)):
        wire(
            "POST",
            "runs/log-metric",
            run_id=run,
            key="m/x y",
            value=value,
            timestamp=1000 + int(step),
            step=step,
        )
    history = wire("GET", "metrics/get-history", run_id=run, metric_key="m/x y")["metrics"]
    assert [(point["step"], point["value"]) for point in history] == [
        (0, -0.0), (1, "NaN"), (2, "-Infinity"), (3, 0.3),
    ]  # fmt: skip
    assert math.copysign(1, history[0]["value"]) == -1 and history[3]["timestamp"] == 1003
    last = wire("GET", "runs/get", run_id=run)["run"]["data"]["metrics"]
    assert last == [{"key": "m/x y", "value": 0.3, "timestamp": 1003, "step": 3}]  # the greatest step's
    page = wire("GET", "metrics/get-history", run_id=run, metric_key="m/x y", max_results=3)
    rest = wire(
        "GET",
        "metrics/get-history",
        run_id=run,
        metric_key="m/x y",
        max_results=3,
        page_token=page["next_page_token"],
    )
    assert page["metrics"] + rest["metrics"] == history
    assert wire("GET", "metrics/get-history", run_id=run, metric_key="none") == {"metrics": []}


def test_a_batch_is_taken_whole_or_not_at_all(wire: Wire) -> None:
    run = wire.run()
    wire("POST", "runs/log-parameter", run_id=run, key="p", value="1")
    metrics = [{"key": "m", "value": n / 2, "timestamp": n, "step": n} for n in range(1000)]
    wire("POST", "runs/log-batch", run_id=run, metrics=metrics)
    status, code, message = wire.refused(
        "POST", "runs/log-batch", run_id=run, metrics=metrics[:1],
        params=[{"key": "q", "value": "2"}, {"key": "p", "value": "2"}], tags=[{"key": "t", "value": "v"}],
    )  # fmt: skip
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE") and "Changing param values" in message
    data = wire("GET", "runs/get", run_id=run)["run"]["data"]
    assert data["params"] == [{"key": "p", "value": "1"}] and data["metrics"][0]["step"] == 999
    assert not any(tag["key"] == "t" for tag in data["tags"])
    wire("POST", "runs/log-batch", run_id=run, params=[{"key": "p", "value": "1"}])  # the same once more


@pytest.mark.parametrize(
    "batch",
    [
        {"metrics": [{"key": "m", "value": 1, "timestamp": 1}] * 1001},
        {"params": [{"key": f"p{n}", "value": "1"} for n in range(101)]},
        {"tags": [{"key": f"t{n}", "value": "1"} for n in range(101)]},
        {"metrics": [{"key": "m", "value": 1, "timestamp": 1}] * 950, "params": [
            {"key": f"p{n}", "value": "1"} for n in range(60)]},
        {"params": [{"key": "p", "value": "1"}, {"key": "p", "value": "2"}]},
        {"metrics": [{"key": "x" * 251, "value": 1, "timestamp": 1}]},
        {"params": [{"key": "x" * 251, "value": "1"}]},
        {"tags": [{"key": "aml.mine", "value": "1"}]},
        {"metrics": [{"key": "a\u202eb", "value": 1, "timestamp": 1}]},
    ],
)  # fmt: skip
def test_a_batch_over_the_limits_is_refused(wire: Wire, batch: dict[str, object]) -> None:
    run = wire.run()
    before = wire("GET", "runs/get", run_id=run)
    assert wire.refused("POST", "runs/log-batch", run_id=run, **batch)[:2] == (400, "INVALID_PARAMETER_VALUE")
    assert wire("GET", "runs/get", run_id=run) == before


def test_long_values_are_cut_as_mlflow_cuts_them(wire: Wire) -> None:
    run = wire.run()
    wire("POST", "runs/log-parameter", run_id=run, key="long", value="x" * 7000)
    wire("POST", "runs/set-tag", run_id=run, key="long", value="y" * 9000)
    data = wire("GET", "runs/get", run_id=run)["run"]["data"]
    assert data["params"] == [{"key": "long", "value": "x" * 6000}]
    assert {"key": "long", "value": "y" * 8000} in data["tags"]


def test_a_run_s_name_and_note_are_tags_and_fields_alike(wire: Wire, workspace: Workspace) -> None:
    run = wire.run(tags=[{"key": "mlflow.runName", "value": "by tag"}])
    assert info(wire, run)["run_name"] == "by tag"
    wire("POST", "runs/update", run_id=run, run_name="by field")
    wire("POST", "runs/set-tag", run_id=run, key="mlflow.note.content", value="a *note*")
    tags = {tag["key"]: tag["value"] for tag in wire("GET", "runs/get", run_id=run)["run"]["data"]["tags"]}
    assert tags["mlflow.runName"] == "by field" and tags["mlflow.note.content"] == "a *note*"
    ours = workspace.runs.get(run)
    assert ours.display_name == "by field" and ours.get_details()["description"] == "a *note*"
    assert (
        wire.refused("POST", "runs/create", run_name="a", tags=[{"key": "mlflow.runName", "value": "b"}])[0]
        == 400
    )


@pytest.mark.parametrize(
    ("said", "ours"), [("FINISHED", "Completed"), ("FAILED", "Failed"), ("KILLED", "Canceled")]
)
def test_a_client_ends_its_run(wire: Wire, workspace: Workspace, said: str, ours: str) -> None:
    run = wire.run(start_time=1_700_000_000_000)
    wire("POST", "runs/update", run_id=run, status="RUNNING")
    assert "end_time" not in info(wire, run)
    wire("POST", "runs/update", run_id=run, status=said, end_time=1_700_000_005_000)
    found = info(wire, run)
    assert (found["status"], found["start_time"], found["end_time"]) == (
        said,
        1_700_000_000_000,
        1_700_000_005_000,
    )
    assert workspace.runs.get(run).status == ours


def test_a_run_nobody_ends_is_not_taken_for_lost(wire: Wire, workspace: Workspace) -> None:
    """The service ends runs whose process is gone; of an MLflow client's process it knows nothing."""
    run = wire.run()
    with workspace.experiments["lost"].start_run() as other:
        pass
    assert other.status == "Completed"
    time.sleep(3)  # the loop has looked by now
    assert info(wire, run)["status"] == "RUNNING"
    workspace.runs.get(run).cancel()
    deadline = time.monotonic() + 30
    while info(wire, run)["status"] != "KILLED":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_a_finished_run_holds_stays_and_more_may_come(wire: Wire) -> None:
    run = wire.run()
    files = wire.artifacts(run)
    assert wire.put(f"{files}/model.txt", b"first").status_code == 200
    wire("POST", "runs/update", run_id=run, status="FINISHED")
    wire("POST", "runs/log-metric", run_id=run, key="later", value=1, timestamp=1)
    assert wire.put(f"{files}/more.txt", b"more").status_code == 200
    assert wire.put(f"{files}/model.txt", b"second").status_code == 409
    assert wire.ask("DELETE", f"{files}/model.txt").status_code == 409
    assert wire.http.get(f"/api/2.0/{files}/model.txt").content == b"first"


def test_a_deleted_run_takes_nothing_and_comes_back(wire: Wire) -> None:
    number = wire.experiment("deleted runs")
    run = wire.run(number)
    wire("POST", "runs/delete", run_id=run)
    assert wire.refused("POST", "runs/log-parameter", run_id=run, key="k", value="v")[0] == 400
    assert wire("POST", "runs/search", experiment_ids=[number])["runs"] == []
    found = wire("POST", "runs/search", experiment_ids=[number], run_view_type="DELETED_ONLY")["runs"]
    assert [r["info"]["run_id"] for r in found] == [run]
    wire("POST", "runs/restore", run_id=run)
    assert len(wire("POST", "runs/search", experiment_ids=[number])["runs"]) == 1


def test_runs_are_searched_ordered_and_paged(wire: Wire) -> None:
    number = wire.experiment("searched")
    for n in range(5):
        run = wire.run(number, run_name=f"run {n}")
        wire(
            "POST", "runs/log-batch", run_id=run, metrics=[{"key": "m", "value": n, "timestamp": n}],
            params=[{"key": "even", "value": str(n % 2 == 0)}],
        )  # fmt: skip

    def names(**given: object) -> list[str]:
        found = wire("POST", "runs/search", experiment_ids=[number], **given)
        return [run["info"]["run_name"] for run in found["runs"]]

    assert names(filter="metrics.m >= 2 and params.even = 'True'") == ["run 4", "run 2"]
    assert names(order_by=["metrics.m ASC"])[:2] == ["run 0", "run 1"]
    assert names(filter="tags.`mlflow.runName` = 'run 3'") == names(filter="run_name = 'run 3'") == ["run 3"]
    assert names(filter="attributes.status = 'RUNNING' AND run_name LIKE '%4'") == ["run 4"]
    seen, token = [], None
    while True:
        page = wire("POST", "runs/search", experiment_ids=[number], max_results=2, page_token=token or "")
        seen += [run["info"]["run_name"] for run in page["runs"]]
        token = page.get("next_page_token")
        if token is None:
            break
    assert seen == [f"run {n}" for n in (4, 3, 2, 1, 0)]
    assert wire("POST", "runs/search", experiment_ids=["987654"]) == {"runs": []}
    assert wire.refused("POST", "runs/search", experiment_ids=[number], filter="m >")[0] == 400


def test_inputs_are_kept_with_the_run(wire: Wire) -> None:
    run = wire.run()
    dataset = {"name": "d", "digest": "abc", "source_type": "local", "source": "{}", "schema": "{}"}
    tags = [{"key": "mlflow.data.context", "value": "training"}]
    wire("POST", "runs/log-inputs", run_id=run, datasets=[{"dataset": dataset, "tags": tags}])
    found = wire("GET", "runs/get", run_id=run)["run"]["inputs"]["dataset_inputs"]
    assert found == [{"dataset": dataset, "tags": tags}]
    model = '{"artifact_path": "model", "run_id": "x", "flavors": {}}'
    wire("POST", "runs/log-model", run_id=run, model_json=model)
    wire("POST", "runs/log-model", run_id=run, model_json=model)
    told = {tag["key"]: tag["value"] for tag in wire("GET", "runs/get", run_id=run)["run"]["data"]["tags"]}
    assert told["mlflow.log-model.history"].count("artifact_path") == 2
    assert wire.refused("POST", "runs/log-model", run_id=run, model_json="{}")[0] == 400
