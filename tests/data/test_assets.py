"""Data assets of the workspace's own: what is registered is what is found again, and it never changes."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

import pytest

from jupyter_aml.core.blobs import BlobStore, file_digest
from jupyter_aml.core.paths import WorkspaceFolder
from jupyter_aml.errors import AmlError, ConflictError, InvalidError, NotFoundError
from jupyter_aml.service.garbage import collect_garbage
from jupyter_aml.service.process import open_store
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service
from tests.data.conftest import CSV

PAYLOADS = json.loads((Path(__file__).parents[1] / "security" / "payloads.json").read_text())
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def blob_folder(ws: Workspace) -> Path:
    assert ws.path is not None
    return WorkspaceFolder(ws.path).blobs


def test_a_file_is_kept_once_and_comes_back_as_it_was(ws: Workspace, csv: Path, tmp_path: Path) -> None:
    first = ws.data.register("diabetes", csv, description="small", tags={"team": "blue"})
    assert (first.reference, first.type, first.size) == ("diabetes:1", "uri_file", len(CSV))
    assert (first.description, first.tags) == ("small", {"team": "blue"})
    before = set(BlobStore(blob_folder(ws)).digests())
    assert file_digest(csv).digest in before
    assert ws.data.register("diabetes", str(csv)) == first
    assert ws.data.register("copy", csv).reference == "copy:1"
    assert set(BlobStore(blob_folder(ws)).digests()) == before
    csv.write_text("changed")
    assert first.path().name == "diabetes.csv" and first.path().read_text() == CSV
    (made,) = first.download(tmp_path / "here")
    assert made.name == "diabetes.csv" and made.read_text() == CSV
    with pytest.raises(ConflictError, match="already"):
        first.download(tmp_path / "here")
    made.write_text("mine")  # a download is the user's own
    assert first.path().read_text() == CSV
    first.download(tmp_path / "here", overwrite=True)
    assert made.read_text() == CSV


def test_versions_and_labels_name_what_they_named(ws: Workspace, csv: Path) -> None:
    first = ws.data.register("train", csv)
    csv.write_text(CSV + "50,1,90.0\n")
    second = ws.data.register("train", csv)
    csv.write_text(CSV + "51,1,91.0\n")
    named = ws.data.register("train", csv, version="beta.1")
    assert [item.version for item in ws.data.list("train")] == ["beta.1", "2", "1"]
    for text, found in [
        ("train", named), ("train:1", first), ("azureml:train:2", second), ("train@latest", named),
        ("azureml://locations/x/workspaces/y/data/train/versions/2", second),
        ("azureml://registries/r/data/train/labels/latest", named),
    ]:  # fmt: skip
        assert ws.data[text] == found
    assert ws.data.get("train", label="latest") == named and ws.data.get("train", "1") == first
    with pytest.raises(ConflictError, match="is there already, and different"):
        ws.data.register("train", csv, version="1")
    for wrong in ("train:9", "trian", "train:1@latest", "train@old"):
        with pytest.raises((NotFoundError, InvalidError)):
            ws.data[wrong]
    with pytest.raises(NotFoundError) as caught:
        ws.data["trian"]
    assert caught.value.hint == "Did you mean 'train'?"


def test_an_archived_version_is_hidden_and_still_there(ws: Workspace, csv: Path) -> None:
    first = ws.data.register("old", csv)
    csv.write_text("x\n1\n")
    second = ws.data.register("old", csv)
    second.archive()
    assert ws.data["old"] == first and ws.data["old:2"].path().read_text() == "x\n1\n"
    ws.data.archive("old")
    assert "old" not in [item.name for item in ws.data.list()]
    assert [item.version for item in ws.data.list("old", archived=True)] == ["2", "1"]
    with pytest.raises(NotFoundError, match="archived"):
        ws.data["old"]
    second.restore()
    assert ws.data["old"] == second
    second.update(description="new words", tags={"a": "1"})
    second.update(tags={"a": None, "b": "2"})
    assert (ws.data["old"].description, ws.data["old"].tags) == ("new words", {"b": "2"})


def test_a_folder_is_shown_without_copying_and_cannot_be_written_through(
    ws: Workspace, folder: Path, tmp_path: Path
) -> None:
    asset = ws.data.register("photos", folder)
    assert (asset.type, asset.size) == ("uri_folder", 256_004)
    names = ["cats/a.bin", "cats/empty", "index.txt"]
    assert asset.get_file_names() == names
    view = asset.path()
    assert view == asset.path()
    assert sorted(str(p.relative_to(view)) for p in view.rglob("*") if p.is_file()) == names
    for name in names:
        assert (view / name).read_bytes() == (folder / name).read_bytes()
        assert not stat.S_IMODE((view / name).stat().st_mode) & 0o222
        assert blob_folder(ws) in (view / name).resolve().parents
    (view / "index.txt").unlink()
    assert (asset.path() / "index.txt").read_text() == "one\n"
    made = asset.download(tmp_path / "down")
    assert [file.read_bytes() for file in made] == [(folder / name).read_bytes() for name in names]
    assert all(stat.S_IMODE(file.stat().st_mode) & 0o200 for file in made)


@pytest.mark.parametrize("kind", ["link to a file", "link to a folder", "pipe", "bad name", "empty"])
def test_what_no_data_asset_can_hold_is_refused_and_named(ws: Workspace, tmp_path: Path, kind: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    if kind == "link to a file":
        (root / "odd").symlink_to("/etc/hostname")
    elif kind == "link to a folder":
        (root / "odd").symlink_to("/etc")
    elif kind == "pipe":
        os.mkfifo(root / "odd")
    elif kind == "bad name":
        (root / "odd%2e.txt").touch()
    with pytest.raises(InvalidError, match="no file" if kind == "empty" else "odd"):
        ws.data.register("refused", root)
    assert "refused" not in [item.name for item in ws.data.list()]


@pytest.mark.parametrize("path", PAYLOADS["artifact_path"])
def test_a_client_of_ones_own_names_no_file_outside(ws: Workspace, path: str, tmp_path: Path) -> None:
    """A, B10, F01: what is sent is checked where it arrives; what is odd and harmless lands where it says."""
    blob = ws.client.call("put_blob", digest=ABC, content=b"abc")
    file = {"path": path, "digest": blob["digest"], "size": 3}
    try:
        ws.client.call("register_data", name="odd", type="uri_folder", files=[file])
    except AmlError as error:
        assert error.http_status in (400, 422)
        return
    (made,) = ws.data["odd"].download(tmp_path / "inside")
    assert made.read_bytes() == b"abc" and made.resolve() == (tmp_path / "inside").resolve() / path
    assert [item.name for item in tmp_path.iterdir()] == ["inside"]


def test_what_is_sent_must_be_what_is_announced(ws: Workspace) -> None:
    blob = ws.client.call("put_blob", digest=ABC, content=b"abc")
    good = {"path": "a.txt", "digest": blob["digest"], "size": 3}
    wrong = [
        {"files": [{**good, "size": 4}]}, {"files": [good, good]}, {"files": [{**good, "digest": "0" * 64}]},
        {"files": [good, {**good, "path": "a.txt/b"}]}, {"files": []}, {"files": [good], "type": "mltable"},
        {"files": [good, {**good, "path": "b"}], "type": "uri_file"}, {"files": [good], "name": "a/b"},
        {"files": [good], "name": "../x"}, {"files": [good], "place": {"datastore": "workspaceblobstore"}},
        {"place": {"datastore": "absent"}}, {"place": {"datastore": "workspaceblobstore", "path": "../run/token"}},
        {"place": {"datastore": "workspaceblobstore", "path": "/etc/passwd"}}, {"files": [good], "version": "a b"},
    ]  # fmt: skip
    for body in wrong:
        with pytest.raises(AmlError) as caught:
            ws.client.call("register_data", **{"name": "wrong", "type": "uri_folder", **body})
        assert caught.value.http_status in (400, 404, 422), body
    assert "wrong" not in [item.name for item in ws.data.list()]


@pytest.mark.parametrize(
    "text", ["https://evil.example/x.csv", "simplecache::file:///etc/hostname", "file:///etc/hostname",
             "s3://bucket/x", "azureml://datastores/absent/paths/x"],
)  # fmt: skip
def test_an_address_is_no_place(ws: Workspace, text: str) -> None:
    """B08, B09: only registered datastores."""
    with pytest.raises(AmlError):
        ws.data.register("evil", text)


def test_a_download_is_not_led_out_of_its_folder(ws: Workspace, folder: Path, tmp_path: Path) -> None:
    asset = ws.data.register("led", folder)
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (inside / "cats").symlink_to(outside)
    with pytest.raises(InvalidError, match="outside"):
        asset.download(inside)
    assert list(outside.iterdir()) == []


def test_damaged_bytes_are_not_handed_out(ws: Workspace, tmp_path: Path) -> None:
    source = tmp_path / "x.bin"
    source.write_bytes(b"good bytes")
    asset = ws.data.register("damaged", source)
    (blob,) = blob_folder(ws).rglob(file_digest(source).digest)
    blob.chmod(0o600)
    blob.write_bytes(b"evil bytes")
    try:
        with pytest.raises(AmlError, match="not those that were registered"):
            asset.download(tmp_path / "down")
        assert list((tmp_path / "down").iterdir()) == []
    finally:
        blob.write_bytes(b"good bytes")


def test_the_collector_keeps_what_a_data_asset_consists_of(ws: Workspace, folder: Path) -> None:
    asset = ws.data.register("kept", folder)
    asset.archive()
    store = blob_folder(ws)
    long_ago = time.time() - 10 * 86_400
    for digest in BlobStore(store).digests():
        os.utime(store / digest[:2] / digest, (long_ago, long_ago))
    stop_service(ws)
    assert ws.path is not None
    opened = open_store(ws.path)
    collect_garbage(opened)
    opened.database.close()
    assert ws.data["kept:1"].path().joinpath("index.txt").read_text() == "one\n"
