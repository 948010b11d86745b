"""What somebody's script does who knows only MLflow; run by the tests in environments without our package.

It prints what it ends with as JSON on its last line. ``MLFLOW_TRACKING_URI`` and ``MLFLOW_TRACKING_TOKEN``
are set.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

THREE = int(mlflow.__version__.split(".")[0]) >= 3
client = MlflowClient()
said: dict[str, object] = {"version": mlflow.__version__}


def track() -> str:
    """A run with a nested one: params, metrics, tags, files; then everything is read back."""
    experiment = mlflow.set_experiment("iris")
    client.set_experiment_tag(experiment.experiment_id, "team", "blue")
    assert client.get_experiment(experiment.experiment_id).tags == {"team": "blue"}
    with mlflow.start_run(run_name="outer", tags={"kind": "first"}, description="a note") as run:
        run_id = run.info.run_id
        mlflow.log_param("alpha", 0.5)
        mlflow.log_params({"depth": 3, "solver": "lbfgs"})
        for step in range(20):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"rmse": 0.25, "odd": float("nan"), "big": float("inf")})
        mlflow.set_tags({"a/b": "c", "stage": "test"})
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "in").mkdir()
            (folder / "in" / "a b.txt").write_text("one")
            (folder / "two.csv").write_text("x\n1\n")
            mlflow.log_artifacts(name, "data")
        mlflow.log_dict({"k": [1, 2]}, "conf.json")
        mlflow.log_table({"x": [1, 2]}, "table.json")
        mlflow.log_input(
            mlflow.data.from_pandas(pd.DataFrame({"x": [1.0]}), name="small"), context="training"
        )
        mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), key="dots", step=17)
        with mlflow.start_run(nested=True, run_name="inner"):
            mlflow.log_metric("rmse", 0.5)
    return check_run(run_id, experiment.experiment_id)


def check_run(run_id: str, experiment_id: str) -> str:
    """What the run holds, by every way of asking."""
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED" and run.info.run_name == "outer"
    assert run.data.params == {"alpha": "0.5", "depth": "3", "solver": "lbfgs"}
    assert run.data.metrics["loss"] == 0.05 and np.isnan(run.data.metrics["odd"])
    assert run.data.metrics["big"] == float("inf")
    assert run.data.tags["a/b"] == "c" and run.data.tags["mlflow.note.content"] == "a note"
    assert [point.value for point in client.get_metric_history(run_id, "loss")][:2] == [1.0, 0.5]
    assert run.inputs.dataset_inputs[0].dataset.name == "small"
    found = mlflow.search_runs(["0", experiment_id], "metrics.rmse < 0.3 and params.depth = '3'")
    assert list(found.run_id) == [run_id] and found["tags.mlflow.runName"][0] == "outer"
    inner = client.search_runs([experiment_id], f"tags.mlflow.parentRunId = '{run_id}'")
    assert [run.info.run_name for run in inner] == ["inner"]
    ordered = client.search_runs([experiment_id], order_by=["metrics.rmse DESC"])
    assert [run.info.run_name for run in ordered] == ["inner", "outer"]
    names = {file.path for file in client.list_artifacts(run_id)}
    assert {"conf.json", "data", "table.json", "images"} <= names, names
    assert [file.path for file in client.list_artifacts(run_id, "data")] == ["data/in", "data/two.csv"]
    local = Path(client.download_artifacts(run_id, "data"))
    assert (local / "in" / "a b.txt").read_text() == "one"
    images = [file.path for file in client.list_artifacts(run_id, "images")]
    assert any("+step+17+" in path for path in images), images
    assert Path(client.download_artifacts(run_id, images[0])).stat().st_size
    assert mlflow.load_table("table.json", run_ids=[run_id]).x.tolist() == [1, 2]
    with mlflow.start_run(run_id=run_id):  # goes on with a run that has ended
        mlflow.log_metric("later", 1.0)
    assert client.get_run(run_id).data.metrics["later"] == 1.0
    client.delete_run(run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
    client.restore_run(run_id)
    client.delete_tag(run_id, "stage")
    return run_id


def train() -> None:
    """Autologging of scikit-learn, a search over parameters among it."""
    x, y = load_iris(return_X_y=True, as_frame=True)
    mlflow.sklearn.autolog(log_input_examples=True)
    with mlflow.start_run(run_name="auto") as run:
        model = LogisticRegression(max_iter=200).fit(x, y)
        model.score(x, y)
    data = client.get_run(run.info.run_id).data
    assert data.params["max_iter"] == "200" and data.metrics["training_accuracy_score"] > 0.9
    assert "LogisticRegression_score_X" in " ".join(data.metrics) or "LogisticRegression_score" in " ".join(
        data.metrics
    )
    mlflow.sklearn.autolog(log_models=False)  # MLflow takes ten seconds for each to find what it needs
    with mlflow.start_run(run_name="grid") as run:
        GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1.0]}, cv=2).fit(x, y)
    children = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    )
    assert len(children) == 2 and all("mean_test_score" in child.data.metrics for child in children)
    mlflow.sklearn.autolog(disable=True)


def register() -> None:
    """A model from a run into the registry, its aliases and stages, and back again."""
    x, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=200).fit(x, y)
    signature = infer_signature(x, model.predict(x))
    with mlflow.start_run(run_name="registers") as run:
        how = {"name": "model"} if THREE else {"artifact_path": "model"}
        info = mlflow.sklearn.log_model(
            model,
            signature=signature,
            registered_model_name="flowers",
            pip_requirements=["scikit-learn"],
            serialization_format="cloudpickle",
            **how,
        )
    again = mlflow.register_model(f"runs:/{run.info.run_id}/model", "flowers", tags={"way": "second"})
    assert again.version in ("2", 2)
    client.set_registered_model_alias("flowers", "champion", "1")
    client.set_model_version_tag("flowers", "1", "checked", "yes")
    client.update_model_version("flowers", "1", description="the first")
    client.update_registered_model("flowers", description="iris flowers")
    client.transition_model_version_stage("flowers", "2", "Production", archive_existing_versions=True)
    first = client.get_model_version_by_alias("flowers", "champion")
    assert first.version in ("1", 1) and first.tags == {"checked": "yes"} and first.aliases == ["champion"]
    assert first.run_id == run.info.run_id and first.description == "the first"
    assert client.get_registered_model("flowers").aliases in ({"champion": "1"}, {"champion": 1})
    assert client.get_latest_versions("flowers", ["Production"])[0].version in ("2", 2)
    assert len(client.search_model_versions("name = 'flowers'")) == 2
    assert [found.name for found in client.search_registered_models("name LIKE 'flow%'")] == ["flowers"]
    for uri in (
        "models:/flowers/1",
        "models:/flowers@champion",
        f"runs:/{run.info.run_id}/model",
        info.model_uri,
    ):
        loaded = mlflow.pyfunc.load_model(uri)
        assert (loaded.predict(x) == model.predict(x)).all(), uri
    copied = client.copy_model_version("models:/flowers/1", "copied")
    assert copied.name == "copied"
    said["model_signature"] = mlflow.models.get_model_info("models:/copied/1").signature is not None
    client.delete_model_version("copied", "1")
    client.delete_registered_model("copied")
    if THREE:
        logged = mlflow.search_logged_models(experiment_ids=[run.info.experiment_id], output_format="list")
        assert "model" in {found.name for found in logged}
        mlflow.set_logged_model_tags(info.model_id, {"seen": "yes"})
        assert mlflow.get_logged_model(info.model_id).tags["seen"] == "yes"
        with mlflow.start_run():
            mlflow.log_metric("held_out", 0.9, model_id=info.model_id)
        assert [m.key for m in mlflow.get_logged_model(info.model_id).metrics] == ["held_out"]


def refuse() -> None:
    """What is refused arrives as MLflow's own exceptions, at once."""
    begun = time.monotonic()
    for call, code in (
        (lambda: client.get_run("0" * 32), "RESOURCE_DOES_NOT_EXIST"),
        (lambda: client.create_experiment("iris"), "RESOURCE_ALREADY_EXISTS"),
        (lambda: client.create_experiment("else", artifact_location="/etc"), "INVALID_PARAMETER_VALUE"),
        (lambda: client.search_runs(["1"], "nonsense ="), "INVALID_PARAMETER_VALUE"),
        (lambda: client.create_model_version("flowers", "file:///etc"), "INVALID_PARAMETER_VALUE"),
    ):
        try:
            call()
        except MlflowException as error:
            assert error.error_code == code, (error.error_code, code, error)
        else:
            raise AssertionError(code)
    assert time.monotonic() - begun < 60  # none of them was tried again and again


steps = {"track": track, "train": train, "register": register, "refuse": refuse}
for name in sys.argv[1:] or steps:
    said[name] = steps[name]() or True
print(json.dumps(said))
