"""Bringing a model here and loading it: every byte checked, nothing outside the folder, no pickle unasked."""

from __future__ import annotations

import getpass
import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.linear_model import LinearRegression

from jupyter_aml.client.locate import Location
from jupyter_aml.errors import AmlError, ConflictError, ForbiddenError, InvalidError
from jupyter_aml.models.fetch import ModelCorruptError
from jupyter_aml.models.loading import MissingLibraryError
from jupyter_aml.models.registry import Model
from jupyter_aml.workspace import Workspace
from tests.models.conftest import AddModel

FITTED = LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])


def blob_of(ws: Workspace, model: Model, path: str) -> Path:
    """Where the workspace keeps a model's file."""
    files = ws.client.call("list_model_files", name=model.name, version=model.version)["items"]
    digest = next(file["digest"] for file in files if file["path"] == path)
    return ws.client.location.folder.blobs / digest[:2] / digest


def test_what_one_s_own_run_made_is_loaded(add_model: AddModel) -> None:
    target = io.BytesIO()
    joblib.dump(FITTED, target)
    for name, data in (("model.pkl", pickle.dumps(FITTED)), ("model.joblib", target.getvalue())):
        loaded = add_model("fitted", {f"outputs/{name}": data}).load()
        assert loaded.predict([[3.0]])[0] == pytest.approx(3.0)
    folder = add_model("fitted", {"o/m/model.pkl": pickle.dumps(FITTED), "o/m/x.txt": b"x"}, "o/m")
    assert folder.load().coef_[0] == pytest.approx(1.0)


def test_a_pickle_from_a_file_is_loaded_only_when_it_is_trusted(
    ws: Workspace, bad_pickle: tuple[bytes, Path], tmp_path: Path
) -> None:
    data, pwned = bad_pickle
    (tmp_path / "found.pkl").write_bytes(data)
    model = ws.models.register("found", tmp_path / "found.pkl")
    with pytest.raises(ForbiddenError, match="is a pickle, and a pickle is a program") as caught:
        model.load()
    assert f"{getpass.getuser()} registered it on" in str(caught.value) and "from a file" in str(caught.value)
    assert model.digest in str(caught.value) and "trust=True" in str(caught.value)
    assert model.download(tmp_path / "here").read_bytes() == data and not pwned.exists()
    model.load(trust=True)
    assert pwned.exists()


@pytest.mark.parametrize("change", ["registered", "run", "copied", "elsewhere"])
def test_somebody_else_s_pickle_is_not_loaded_unasked(
    ws: Workspace, add_model: AddModel, bad_pickle: tuple[bytes, Path], change: str
) -> None:
    data, pwned = bad_pickle
    model = add_model("theirs", {"m.pkl": data})
    told = model.data
    client = model._client
    if change == "registered":
        told["user"] = "mallory"
    elif change in ("run", "copied"):
        told["lineage"] = {**told["lineage"], "run_user": "mallory" if change == "run" else None}
    else:
        client = Workspace(Location(root=ws.path, url="http://127.0.0.1:9")).client
    with pytest.raises(ForbiddenError, match="was not loaded"):
        Model(client, told).load()
    assert not pwned.exists()


def test_an_mlflow_model_is_code_too(add_model: AddModel, monkeypatch: pytest.MonkeyPatch) -> None:
    mlmodel = b"flavors: {python_function: {loader_module: os}}"
    model = add_model("flow", {"o/model/MLmodel": mlmodel, "o/model/code/evil.py": b"boom"}, "o/model")
    assert model.flavor["name"] == "mlflow"
    told = {**model.data, "user": "mallory"}
    with pytest.raises(ForbiddenError, match="MLflow model"):
        Model(model._client, told).load()


def test_bytes_that_were_exchanged_are_neither_loaded_nor_kept(
    ws: Workspace, add_model: AddModel, bad_pickle: tuple[bytes, Path], tmp_path: Path
) -> None:
    data, pwned = bad_pickle
    model = add_model("swapped", {"o/a.pkl": pickle.dumps(FITTED), "o/b.txt": b"b"}, "o")
    blob = blob_of(ws, model, "a.pkl")
    original = blob.read_bytes()
    for other in (data, original + b"more", original[:-1], b""):
        blob.write_bytes(other)
        with pytest.raises(ModelCorruptError, match=r"The file 'a.pkl' of the model swapped:1 is not what"):
            model.load()
        with pytest.raises(ModelCorruptError):
            model.download(tmp_path / "here")
        assert list((tmp_path / "here").iterdir()) == []
    blob.write_bytes(original)
    assert model.load().coef_[0] == pytest.approx(1.0) and not pwned.exists()


class Lying:
    """A client whose service tells something else about the files."""

    def __init__(self, model: Model, files: list[dict[str, Any]]) -> None:
        self._client = model._client
        self._files = files
        self.location = model._client.location

    def call(self, operation: str, **arguments: Any) -> Any:
        if operation == "list_model_files":
            return {"items": self._files, "next_page_token": None}
        return self._client.call(operation, **arguments)

    def stream(self, *arguments: Any, **more: Any) -> Any:
        return self._client.stream(*arguments, **more)


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "..", "a\\..\\x", "C:x", "x\0y", "a/./b"])
def test_a_service_that_lies_writes_nothing_outside(add_model: AddModel, tmp_path: Path, path: str) -> None:
    from jupyter_aml.models.digests import model_digest

    model = add_model("lied", {"o/a.txt": b"a"}, "o")
    (file,) = model._client.call("list_model_files", name="lied", version=model.version)["items"]
    lie = {**file, "path": path}
    told = {**model.data, "digest": model_digest([(path, file["digest"])])}
    (tmp_path / "in").mkdir()
    with pytest.raises(AmlError):
        Model(Lying(model, [lie]), told).download(tmp_path / "in" / "here")  # type: ignore[arg-type]
    with pytest.raises(AmlError):
        Model(model._client, {**model.data, "root": path}).download(tmp_path / "in" / "here")
    assert [entry for entry in tmp_path.rglob("*") if entry.is_file()] == []


def test_a_list_of_files_that_is_not_the_registered_one_is_refused(
    add_model: AddModel, tmp_path: Path
) -> None:
    model = add_model("listed", {"o/a.txt": b"a", "o/b.txt": b"b"}, "o")
    files = model._client.call("list_model_files", name="listed", version=model.version)["items"]
    with pytest.raises(ModelCorruptError, match="Its list of files"):
        Model(Lying(model, files[:1]), model.data).download(tmp_path)  # type: ignore[arg-type]


def test_a_download_takes_its_place_whole(add_model: AddModel, tmp_path: Path) -> None:
    one = add_model("placed", {"o/m/a.txt": b"1", "o/m/old.txt": b"1"}, "o/m")
    two = add_model("placed", {"o/m/a.txt": b"2"}, "o/m")
    place = one.download(tmp_path / "deep" / "down")
    assert place == tmp_path / "deep" / "down" / "m" and (place / "a.txt").read_text() == "1"
    with pytest.raises(ConflictError, match="is there already"):
        two.download(place.parent)
    assert two.download(place.parent, overwrite=True) == place
    assert [path.name for path in place.iterdir()] == ["a.txt"] and (place / "a.txt").read_text() == "2"
    assert list(place.parent.iterdir()) == [place]


def test_a_link_in_the_way_is_replaced_and_not_followed(add_model: AddModel, tmp_path: Path) -> None:
    model = add_model("linked", {"m.txt": b"new"})
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "m.txt").symlink_to(tmp_path / "victim")
    with pytest.raises(ConflictError):
        model.download(tmp_path)
    assert model.download(tmp_path, overwrite=True).read_text() == "new"
    assert (tmp_path / "victim").read_text() == "mine" and not (tmp_path / "m.txt").is_symlink()


def test_what_cannot_be_loaded_says_what_to_do(add_model: AddModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidError, match="does not know how to load it") as caught:
        add_model("bin", {"m.bin": b"x"}).load()
    assert "download" in str(caught.value.hint)
    with pytest.raises(InvalidError, match="could not be loaded: UnpicklingError"):
        add_model("broken", {"m.pkl": b"\x80\x04broken"}).load()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("schema.json", json.dumps({}))
    for name, data, library in [
        ("m.skops", archive.getvalue(), "skops"),
        ("m.onnx", b"\x08\x0a\x12", "onnxruntime"),
        ("m.json", b'{"learner": {}}', "xgboost"),
        ("m.txt", b"tree\nversion=v4\n", "lightgbm"),
    ]:
        monkeypatch.setitem(__import__("sys").modules, library, None)
        with pytest.raises(MissingLibraryError, match=f"needs {library}, which is not installed"):
            add_model("library", {name: data}).load()
