"""Conversion to forms that run no code: only scikit-learn's, and only when the predictions stay the same."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from jupyter_aml.commands.main import main
from jupyter_aml.errors import ForbiddenError, InvalidError
from jupyter_aml.models.loading import MissingLibraryError
from jupyter_aml.models.registry import Model
from jupyter_aml.workspace import Workspace
from tests.models.conftest import AddModel

FRAME = pd.DataFrame({"age": np.arange(40.0), "bmi": np.arange(40.0) ** 1.5})
MIXED = pd.DataFrame({"age": np.arange(40.0), "sex": ["f", "m"] * 20})
PRICES = FRAME["age"] * 2 + FRAME["bmi"]
LABELS = np.where(FRAME["age"] > 20, "old", "young")
MODELS = {
    "named": LinearRegression().fit(FRAME, PRICES),
    "plain": LinearRegression().fit(FRAME.to_numpy(), PRICES),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, LABELS),
}
COLUMNS = make_column_transformer((OneHotEncoder(), ["sex"]), remainder="passthrough")
MODELS["mixed"] = make_pipeline(COLUMNS, LogisticRegression(max_iter=1000)).fit(MIXED, LABELS)
SAMPLES = {"named": FRAME, "plain": FRAME.to_numpy(), "pipeline": FRAME, "mixed": MIXED}
needs = {"skops": ["skops.io"], "onnx": ["skl2onnx", "onnxruntime"]}


@pytest.mark.parametrize("to", list(needs))
@pytest.mark.parametrize("kind", list(MODELS))
def test_a_converted_model_predicts_the_same(add_model: AddModel, kind: str, to: str) -> None:
    for module in needs[to]:
        pytest.importorskip(module)
    model = add_model(f"{kind}-{to}", {"m.pkl": pickle.dumps(MODELS[kind])}, tags={"team": "blue"})
    made = model.convert(to, sample_input=SAMPLES[kind])
    assert (made.id, made.flavor["name"]) == (f"{kind}-{to}:2", to)
    assert made.tags == {"team": "blue", "converted_from": model.id}
    loaded = made.load()  # registered from a file, and asks for no trust
    if to == "skops":
        assert list(loaded.predict(SAMPLES[kind])) == list(MODELS[kind].predict(SAMPLES[kind]))
    if kind != "mixed":
        assert model.convert(to).version == 3  # on rows that are made up


def test_a_model_that_predicts_something_else_is_not_kept(
    ws: Workspace, add_model: AddModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    skops_io = pytest.importorskip("skops.io")
    model = add_model("worse", {"m.pkl": pickle.dumps(MODELS["named"])})
    monkeypatch.setattr(skops_io, "load", lambda path, trusted: LinearRegression().fit(FRAME, PRICES + 1))
    with pytest.raises(InvalidError, match="predicts something else as skops"):
        model.convert("skops")
    assert len(ws.models.list("worse")) == 1


def test_what_cannot_be_converted_says_why(
    add_model: AddModel, ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = add_model("convertible", {"m.pkl": pickle.dumps(MODELS["named"])})
    with pytest.raises(InvalidError, match="cannot be converted to 'pmml'"):
        model.convert("pmml")
    with pytest.raises(InvalidError, match="is no scikit-learn model"):
        add_model("dictionary", {"m.pkl": pickle.dumps({"a": 1})}).convert("skops")
    with pytest.raises(InvalidError, match="does not know how to load it"):
        add_model("bytes", {"m.bin": b"x"}).convert("skops")
    with pytest.raises(ForbiddenError, match="was not loaded"):
        Model(ws.client, {**model.data, "user": "mallory"}).convert("skops")
    for module, to in (("skops", "skops"), ("skl2onnx", "onnx")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingLibraryError, match="not installed"):
            model.convert(to)
    assert len(ws.models.list("convertible")) == 1
    with pytest.raises(InvalidError, match="predicts nothing on the sample") as caught:
        add_model("fussy", {"m.pkl": pickle.dumps(MODELS["mixed"])}).convert("skops")
    assert "sample_input" in str(caught.value.hint)


def test_the_shell_converts(
    add_model: AddModel, ws: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("skops.io")
    add_model("by-shell", {"m.pkl": pickle.dumps(MODELS["named"])})
    FRAME.to_csv(tmp_path / "rows.csv", index=False)
    words = ["model", "convert", "by-shell", "--to", "skops", "--sample", str(tmp_path / "rows.csv")]
    assert main([*words, "-w", str(ws.path), "-o", "json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["version"], made["flavor"]) == ("2", "skops")
    assert [column["name"] for column in made["signature"]["inputs"]] == ["age", "bmi"]
