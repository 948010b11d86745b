"""What kind of model files are is told by their names and first bytes, and hostile ones are told nothing."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import joblib
import pytest
from sklearn.linear_model import LinearRegression

from jupyter_aml import limits
from jupyter_aml.core.blobs import bytes_digest
from jupyter_aml.errors import InvalidError
from jupyter_aml.models.flavors import find_flavor
from jupyter_aml.models.model import Flavor, ModelFile, ModelType, Signature
from tests.models.conftest import Touch

FITTED = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])
MLMODEL = """
artifact_path: model
flavors:
  python_function: {env: {conda: conda.yaml}, loader_module: mlflow.sklearn, model_path: model.pkl, python_version: 3.11.2}
  sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle, sklearn_version: 1.5.0}
signature:
  inputs: '[{"type": "double", "name": "age", "required": true}, {"type": "long", "name": "sex"}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
utc_time_created: '2026-01-01 00:00:00'
"""


def find(files: dict[str, bytes], wanted: ModelType | None = None) -> tuple[Flavor, str, Signature | None]:
    by_digest = {bytes_digest(data): data for data in files.values()}
    listed = [ModelFile(path=path, digest=bytes_digest(data), size=len(data)) for path, data in files.items()]
    return find_flavor(listed, lambda digest, size: by_digest[digest][:size], wanted)


def joblib_bytes(compress: int | tuple[str, int] = 0) -> bytes:
    target = io.BytesIO()
    joblib.dump(FITTED, target, compress=compress)
    return target.getvalue()


def archive(*names: str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name in names:
            file.writestr(name, "{}")
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "flavor"),
    [
        ("model.pkl", pickle.dumps(FITTED), ("sklearn", "pickle")),
        ("model.pkl", pickle.dumps({"a": 1}), ("pickle", "pickle")),
        ("model.joblib", joblib_bytes(), ("sklearn", "joblib")),
        ("model.joblib", joblib_bytes(3), ("pickle", "joblib")),
        ("model.pkl", joblib_bytes(("gzip", 3)), ("pickle", "joblib")),
        ("model.joblib", joblib_bytes(("lzma", 3)), ("pickle", "joblib")),
        ("model.skops", archive("schema.json", "1.npy"), ("skops", "skops")),
        ("model.onnx", b"\x08\x0a\x12\x08skl2onnx", ("onnx", "onnx")),
        ("model.json", b'{"learner":{"attributes":{}}}', ("xgboost", "json")),
        ("model.ubj", b"{L\0\0\0\0\0\0\0\x07learner{", ("xgboost", "ubj")),
        ("model.txt", b"tree\nversion=v4\nnum_class=1\n", ("lightgbm", "text")),
        ("model.txt", b"a tree grows\n", ("custom", "")),
        ("model.json", b'{"weights": []}', ("custom", "")),
        ("model.pkl", b"no pickle", ("custom", "")),
        ("model.onnx", b"no onnx", ("custom", "")),
        ("model.skops", b"no archive", ("custom", "")),
        ("model.pkl", b"", ("custom", "")),
        ("model.bin", pickle.dumps(FITTED), ("custom", "")),
    ],
)
def test_names_and_first_bytes_tell(name: str, data: bytes, flavor: tuple[str, str]) -> None:
    found, kind, _ = find({name: data})
    assert (found.name, found.format) == flavor and kind == "custom_model"
    assert found.file == (None if found.name == "custom" else name)


def test_a_folder_is_what_its_one_model_is() -> None:
    pickled = pickle.dumps(FITTED)
    found, _, _ = find({"conda.yaml": b"x", "sub/model.pkl": pickled, "README.md": b"x"})
    assert (found.name, found.file) == ("sklearn", "sub/model.pkl")
    assert find({"a.pkl": pickled, "b.pkl": pickled})[0].name == "custom"


def test_mlmodel_says_what_an_mlflow_model_is() -> None:
    found, kind, signature = find({"MLmodel": MLMODEL.encode(), "model.pkl": pickle.dumps(FITTED)})
    assert (found.name, kind, found.flavors) == ("mlflow", "mlflow_model", ["python_function", "sklearn"])
    assert found.requires == {"python": "3.11.2", "sklearn": "1.5.0"}
    assert signature is not None and signature.source == "mlflow"
    assert [(column.name, column.type) for column in signature.inputs] == [("age", "double"), ("sex", "long")]
    assert [(column.type, column.shape) for column in signature.outputs] == [("float64", [-1])]
    found, kind, _ = find({"MLmodel": MLMODEL.encode(), "m.pkl": pickle.dumps(FITTED)}, "custom_model")
    assert (found.name, kind) == ("sklearn", "custom_model")


def bomb() -> str:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [f"{b}: &{b} [{','.join(['*' + a] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch {pwned}']",
        "flavors: !!python/object/apply:os.system ['touch {pwned}']",
        "flavors: {{x: !!python/name:os.system }}",
        "flavors: {{x: !!js/function 'x' }}",
        "flavors: {{x: !!binary 'eA==' }}",
        bomb(),
        "flavors: " + "[" * 5000,
        "flavors: " + "{a: " * 1000,
        "- " * 1000,
        "flavors: x",
        "just text",
        "",
        "a: b: c",
        "\x00",
        "flavors: {x: y}\n---\nflavors: {x: y}",
    ],
    ids=range(15),
)
def test_a_hostile_mlmodel_is_refused_at_once(text: str, tmp_path: Path) -> None:
    text = text.replace("{pwned}", str(tmp_path / "pwned")).replace("{{", "{").replace("}}", "}")
    with pytest.raises(InvalidError, match="MLmodel"):
        find({"MLmodel": text.encode()})
    assert not (tmp_path / "pwned").exists()


def test_a_huge_mlmodel_is_not_read() -> None:
    with pytest.raises(InvalidError, match="at most"):
        find({"MLmodel": b"#" * (limits.MLMODEL_BYTES + 1)})
    with pytest.raises(InvalidError, match="not valid YAML"):
        find({"MLmodel": b"flavors: \xff"})


@pytest.mark.parametrize(
    "signature",
    [
        "not json", "[1, 2]", "{}", '[{"type": {}}]', "[" * 100_000, '[{"name": "a"}]', json.dumps([{"type": "x" * 200}]),
        json.dumps([{"type": "double", "name": str(n)} for n in range(10_001)])[:200_000],
    ],
    ids=range(8),
)  # fmt: skip
def test_a_signature_that_cannot_be_read_is_none(signature: str) -> None:
    text = "flavors: {sklearn: {}}\nsignature: {inputs: " + json.dumps(signature) + "}\n"
    found, _, read = find({"MLmodel": text.encode()})
    assert found.name == "mlflow" and (read is None or read.inputs == [])


def test_no_pickle_is_opened_to_tell(tmp_path: Path) -> None:
    pwned = tmp_path / "pwned"
    bad = pickle.dumps(Touch(pwned))
    assert find({"model.pkl": bad})[0].name == "pickle" and not pwned.exists()
    assert pickle.loads(bad) is None and pwned.exists()  # it is a bad one
