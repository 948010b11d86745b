"""Logged models and the registry over the wire, and that the registry is the one our own faces show."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_aml.workspace import Workspace
from tests.mlflow.conftest import Wire

PAYLOADS: dict[str, list[Any]] = json.loads(
    (Path(__file__).parents[1] / "security" / "payloads.json").read_text()
)
_MLMODEL = b"flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n"
_names = (f"model-{n}" for n in itertools.count())


def logged_run(wire: Wire) -> str:
    """A run with a model's folder, as MLflow 2 leaves it."""
    run = wire.run()
    files = wire.artifacts(run)
    wire.put(f"{files}/model/MLmodel", _MLMODEL)
    wire.put(f"{files}/model/data/model.pkl", b"not to be loaded")
    return run


@pytest.fixture
def name(wire: Wire) -> str:
    """A registered model with one version."""
    found = next(_names)
    wire(
        "POST", "registered-models/create", name=found, description="first", tags=[{"key": "a", "value": "b"}]
    )
    wire("POST", "model-versions/create", name=found, source=f"runs:/{logged_run(wire)}/model")
    return found


def test_a_logged_model_s_life(wire: Wire) -> None:
    number = wire.experiment("logged")
    run = wire.run(number)
    made = wire(
        "POST", "logged-models", experiment_id=number, name="net", model_type="classifier", source_run_id=run,
        params=[{"key": "depth", "value": "3"}], tags=[{"key": "t", "value": "1"}],
    )["model"]  # fmt: skip
    model = made["info"]["model_id"]
    assert made["info"]["status"] == "LOGGED_MODEL_PENDING" and made["info"]["source_run_id"] == run
    place = "mlflow-artifacts/artifacts/" + made["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert wire.put(f"{place}/MLmodel", _MLMODEL).status_code == 200
    ready = wire("PATCH", f"logged-models/{model}", status="LOGGED_MODEL_READY")["model"]
    assert ready["info"]["status"] == "LOGGED_MODEL_READY"
    assert wire.http.get(f"/api/2.0/{place}/MLmodel").content == _MLMODEL
    wire("POST", "runs/log-metric", run_id=run, key="f1", value="NaN", timestamp=5, step=1, model_id=model)
    wire("POST", "runs/log-batch", run_id=run, metrics=[
        {"key": "f1", "value": 0.5, "timestamp": 6, "step": 2, "model_id": model, "dataset_name": "d",
         "dataset_digest": "1"}])  # fmt: skip
    wire("PATCH", f"logged-models/{model}/tags", tags=[{"key": "u", "value": "2"}])
    wire("DELETE", f"logged-models/{model}/tags/t")
    wire("POST", f"logged-models/{model}/params", params=[{"key": "lr", "value": "1"}])
    wire("POST", "runs/outputs", run_id=run, models=[{"model_id": model, "step": 3}])
    wire("POST", "runs/log-inputs", run_id=run, models=[{"model_id": model}])
    found = wire("GET", f"logged-models/{model}")["model"]
    assert found["info"]["tags"] == [{"key": "u", "value": "2"}]
    assert [(m["value"], m["run_id"], m["dataset_name"]) for m in found["data"]["metrics"]] == [
        ("NaN", run, ""), (0.5, run, "d"),
    ]  # fmt: skip
    assert (
        found["data"]["params"] == [{"key": "depth", "value": "3"}, {"key": "lr", "value": "1"}]
        or len(found["data"]["params"]) == 2
    )
    shown = wire("GET", "runs/get", run_id=run)["run"]
    assert shown["outputs"] == {"model_outputs": [{"model_id": model, "step": 3}]}
    assert shown["inputs"] == {"model_inputs": [{"model_id": model}]}
    wire("DELETE", f"logged-models/{model}")
    assert wire.refused("GET", f"logged-models/{model}")[0] == 404


def test_logged_models_are_searched(wire: Wire) -> None:
    number = wire.experiment("logged, searched".replace(",", ""))
    for name, accuracy in (("a", 0.5), ("b", 0.9), ("b", 0.7)):
        run = wire.run(number)
        made = wire("POST", "logged-models", experiment_id=number, name=name, source_run_id=run)["model"][
            "info"
        ]
        wire(
            "POST",
            "runs/log-metric",
            run_id=run,
            key="acc",
            value=accuracy,
            timestamp=1,
            model_id=made["model_id"],
        )

    def found(**given: object) -> list[float]:
        answer = wire("POST", "logged-models/search", experiment_ids=[number], **given)
        return [model["data"]["metrics"][0]["value"] for model in answer["models"]]

    assert found(filter="name = 'b'") == [0.7, 0.9]
    assert found(filter="metrics.acc > 0.6 AND name LIKE 'b%'", order_by=[{"field_name": "metrics.acc"}]) == [
        0.7,
        0.9,
    ]
    assert found(order_by=[{"field_name": "metrics.acc", "ascending": False}], max_results=2) == [0.9, 0.7]
    assert (
        wire.refused("POST", "logged-models/search", experiment_ids=[number], filter="nothing = 1")[0] == 400
    )


def test_a_model_logged_outside_any_run_has_its_files_too(wire: Wire) -> None:
    number = wire.experiment("no run")
    made = wire("POST", "logged-models", experiment_id=number)["model"]["info"]
    assert "source_run_id" not in made and made["name"]
    place = "mlflow-artifacts/artifacts/" + made["artifact_uri"].removeprefix("mlflow-artifacts:/")
    assert wire.put(f"{place}/a/b.txt", b"x").status_code == 200
    assert wire.http.get(f"/api/2.0/{place}/a/b.txt").content == b"x"
    assert wire("POST", "runs/search", experiment_ids=[number]) == {"runs": []}


def test_a_registered_model_is_the_one_our_own_faces_show(
    wire: Wire, workspace: Workspace, name: str
) -> None:
    client = workspace.client
    wire("POST", "registered-models/alias", name=name, alias="champion", version="1")
    wire("POST", "model-versions/transition-stage", name=name, version="1", stage="Production",
         archive_existing_versions=True)  # fmt: skip
    wire("PATCH", "model-versions/update", name=name, version="1", description="the first")
    wire("POST", "model-versions/set-tag", name=name, version="1", key="checked", value="yes")
    ours = client.call("get_model_version", name=name, version=1)
    assert (ours["stage"], ours["aliases"], ours["description"]) == ("Production", ["champion"], "the first")
    assert ours["tags"] == {"checked": "yes"} and ours["type"] == "mlflow_model" and ours["file_count"] == 2
    theirs = wire("GET", "registered-models/alias", name=name, alias="champion")["model_version"]
    assert theirs["version"] == "1" and theirs["aliases"] == ["champion"] and theirs["status"] == "READY"
    assert theirs["run_id"] == ours["lineage"]["run_id"]
    (latest,) = wire("POST", "registered-models/get-latest-versions", name=name, stages=["production"])[
        "model_versions"
    ]
    assert latest == theirs
    wire("DELETE", "registered-models/alias", name=name, alias="champion")
    assert wire.refused("GET", "registered-models/alias", name=name, alias="champion")[0] == 400


def test_a_version_s_files_are_read_by_its_own_uri_and_never_changed(wire: Wire, name: str) -> None:
    found = wire("GET", "model-versions/get-download-uri", name=name, version="1")["artifact_uri"]
    place = found.removeprefix("mlflow-artifacts:/")
    files = wire.ask("GET", "mlflow-artifacts/artifacts", {"path": place}).json()["files"]
    assert {entry["path"] for entry in files} == {"MLmodel", "data"}
    target = f"/api/2.0/mlflow-artifacts/artifacts/{place}/MLmodel"
    assert wire.http.get(target).content == _MLMODEL
    for method in ("PUT", "DELETE"):
        assert wire.http.request(method, target, content=b"changed" * (method == "PUT")).status_code in (
            403,
            409,
        )
    assert wire.http.get(target).content == _MLMODEL


def test_what_happens_to_the_run_s_file_later_changes_no_version(wire: Wire) -> None:
    """★ B12, A13: a registered version is what it was when it was registered."""
    run, name = logged_run(wire), next(_names)
    wire("POST", "registered-models/create", name=name)
    wire("POST", "model-versions/create", name=name, source=f"runs:/{run}/model", run_id=run)
    assert wire.put(f"{wire.artifacts(run)}/model/MLmodel", b"poison").status_code == 200
    wire.ask("DELETE", f"{wire.artifacts(run)}/model/data")
    place = f"/api/2.0/mlflow-artifacts/artifacts/registered/{name}/1"
    assert wire.http.get(f"{place}/MLmodel").content == _MLMODEL
    assert wire.http.get(f"{place}/data/model.pkl").content == b"not to be loaded"


def test_a_model_s_life(wire: Wire, name: str) -> None:
    assert wire.refused("POST", "registered-models/create", name=name)[:2] == (400, "RESOURCE_ALREADY_EXISTS")
    wire("POST", "model-versions/create", name=name, source=f"models:/{name}/1", description="a copy")
    wire("PATCH", "registered-models/update", name=name, description="second")
    wire("POST", "registered-models/set-tag", name=name, key="c", value="d")
    wire("DELETE", "registered-models/delete-tag", name=name, key="a")
    found = wire("GET", "registered-models/get", name=name)["registered_model"]
    assert found["description"] == "second" and found["tags"] == [{"key": "c", "value": "d"}]
    assert [version["version"] for version in found["latest_versions"]] == ["2"]
    wire("DELETE", "model-versions/delete", name=name, version="2")
    assert wire.refused("GET", "model-versions/get", name=name, version="2")[0] == 404
    wire("POST", "registered-models/rename", name=name, new_name=f"{name}-renamed")
    assert wire.refused("GET", "registered-models/get", name=name)[0] == 404
    wire("DELETE", "registered-models/delete", name=f"{name}-renamed")
    assert wire.refused("GET", "registered-models/get", name=f"{name}-renamed")[0] == 404


def test_models_and_versions_are_searched(wire: Wire, name: str) -> None:
    def models(**given: object) -> list[str]:
        return [m["name"] for m in wire("GET", "registered-models/search", **given)["registered_models"]]

    prompt = "tag.`mlflow.prompt.is_prompt` != 'true'"  # what MLflow 3 adds to each search
    assert models(filter=f"name = '{name}' AND {prompt}") == [name]
    assert models(filter=f"name ILIKE '{name.upper()}%'", order_by=["name DESC"])[-1] == name
    assert models(filter="tags.a = 'b'", max_results=1)
    (version,) = wire("GET", "model-versions/search", filter=f"name = '{name}'")["model_versions"]
    (same,) = wire("GET", "model-versions/search", filter=f"run_id = '{version['run_id']}'")["model_versions"]
    assert same == version and version["current_stage"] == "None"
    assert wire.refused("GET", "model-versions/search", filter="nobody = 'x'")[0] == 400


@pytest.mark.parametrize("source", PAYLOADS["location_uri"], ids=ascii)
@pytest.mark.parametrize(
    "tags", [[], [{"key": "mlflow.prompt.is_prompt", "value": "true"}]], ids=["", "prompt"]
)
def test_no_source_is_a_location(wire: Wire, source: str, tags: list[Any]) -> None:
    """★ B02 to B05, B07: whatever names nothing of this workspace is refused, and no tag changes that."""
    source = source.replace("{R2}", "0" * 32).replace("{H}", "127.0.0.1:1")
    if wire.ask("GET", "mlflow/registered-models/get", {"name": "located"}).status_code == 404:
        wire("POST", "registered-models/create", name="located")
    status, code, _ = wire.refused("POST", "model-versions/create", name="located", source=source, tags=tags)
    assert status in (400, 404) and code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")
    assert "latest_versions" in wire("GET", "registered-models/get", name="located")["registered_model"]
    assert wire("GET", "registered-models/get", name="located")["registered_model"]["latest_versions"] == []


@pytest.mark.parametrize("location", PAYLOADS["location_uri"], ids=ascii)
def test_no_experiment_has_a_location(wire: Wire, location: str) -> None:
    """★ B01."""
    status, code, _ = wire.refused("POST", "experiments/create", name="placed", artifact_location=location)
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert wire.refused("GET", "experiments/get-by-name", experiment_name="placed")[0] == 404
