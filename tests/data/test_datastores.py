"""Datastores: places outside the workspace, reached with credentials that nobody is shown."""

from __future__ import annotations

import http.server
import json
import os
import sqlite3
import stat
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_aml.data.asset import DataChangedWarning
from jupyter_aml.data.datastore import DatastorePath
from jupyter_aml.errors import AmlError, ConflictError, ForbiddenError, InvalidError, NotFoundError
from jupyter_aml.workspace import Workspace
from tests.data.conftest import CSV

PAYLOADS = json.loads((Path(__file__).parents[1] / "security" / "payloads.json").read_text())
SECRET = "s3cr3t-canary-4711"


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A folder that is a datastore's root, with something beside it."""
    root = tmp_path / "lake"
    (root / "2024" / "deep").mkdir(parents=True)
    (root / "2024" / "a.csv").write_text(CSV)
    (root / "2024" / "deep" / "b.csv").write_text(CSV)
    (tmp_path / "beside.txt").write_text("secret")
    (root / "out.txt").symlink_to(tmp_path / "beside.txt")
    (root / "loop").symlink_to(root)
    return root


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """An HTTP server of files below /files/, which asks for a password, and points elsewhere when asked to."""
    root = tmp_path / "site"
    (root / "files").mkdir(parents=True)
    (root / "files" / "a.csv").write_text(CSV)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(root))

        def do_GET(self) -> None:
            if self.headers.get("Authorization") != "Basic bWU6czNjcjN0LWNhbmFyeS00NzEx":
                self.send_error(401)
            elif self.path == "/files/away.csv":
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/files/a.csv")
                self.end_headers()
            else:
                super().do_GET()

        do_HEAD = do_GET  # noqa: N815 - http.server names it so

        def log_message(self, *arguments: Any) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/files"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_workspace_has_a_default_one(ws: Workspace, csv: Path, tmp_path: Path) -> None:
    store = ws.datastores.get_default()
    assert (store.name, store.type, store.is_default) == ("workspaceblobstore", "workspace", True)
    place = store.upload(csv, "raw")
    assert place.uri == "azureml://datastores/workspaceblobstore/paths/raw/diabetes.csv"
    with pytest.raises(ConflictError, match="already"):
        store.upload(csv, "raw")
    store.upload(csv, "raw", overwrite=True)
    assert [(item["path"], item["size"]) for item in store.browse("raw")] == [("raw/diabetes.csv", len(CSV))]
    (made,) = store.download(tmp_path / "down", "raw")
    assert made.read_text() == CSV and made.name == "diabetes.csv"
    with pytest.raises(ConflictError, match="workspace's own"):
        ws.datastores.delete("workspaceblobstore")


def test_a_folder_is_a_datastore_and_nothing_beside_it(ws: Workspace, lake: Path, tmp_path: Path) -> None:
    store = ws.datastores.create("lake", path=lake, description="here", tags={"a": "b"})
    assert ws.datastores.create("lake", path=lake) == store
    assert (store.type, store.description, store.tags) == ("local", "here", {"a": "b"})
    assert [(item["path"], item["is_folder"]) for item in store.browse()] == [("2024", True), ("loop", True)]
    assert [item["path"] for item in store.browse("2024")] == ["2024/a.csv", "2024/deep"]
    made = store.download(tmp_path / "down", "2024")
    assert sorted(str(file.relative_to(tmp_path / "down")) for file in made) == ["a.csv", "deep/b.csv"]
    for path in (
        "out.txt",
        "../beside.txt",
        "/etc/passwd",
        "2024/../../beside.txt",
        "absent",
        "2024%2f..",
        "~",
    ):
        with pytest.raises(AmlError):
            ws.client.call("browse_datastore", name="lake", path=path)
        with pytest.raises(AmlError):
            store.download(tmp_path / "evil", path)
        with pytest.raises(AmlError):
            ws.data.register("evil", DatastorePath(store, path))
    (lake / "elsewhere").symlink_to(tmp_path)
    with pytest.raises(ForbiddenError, match="leads out"):
        store.upload(lake / "2024" / "a.csv", "elsewhere")
    with pytest.raises(ConflictError, match="another"):
        ws.datastores.create("lake", path=tmp_path)
    assert ws.datastores.create("lake", path=lake, replace=True, description="new").description == "new"
    store.set_default()
    assert ws.datastores.get_default() == store
    ws.datastores.set_default("workspaceblobstore")
    assert not store.is_default
    ws.datastores.delete("lake")
    assert "lake" not in [item.name for item in ws.datastores.list()]
    assert (lake / "2024" / "a.csv").exists()


def test_no_datastore_shows_the_workspace_or_the_system(ws: Workspace, tmp_path: Path) -> None:
    assert ws.path is not None
    (tmp_path / "link").symlink_to(ws.path)
    for root in (
        ws.path,
        ws.path / "run",
        ws.path.parent,
        tmp_path / "link",
        Path("/"),
        Path("/proc/self"),
        Path("/dev"),
    ):
        with pytest.raises(ForbiddenError):
            ws.datastores.create("evil", path=root)
    for url in (f"sqlite:///{ws.path}/aml.db", f"sqlite:///{tmp_path}/link/aml.db"):
        with pytest.raises(ForbiddenError):
            ws.datastores.create("evil", url=url)


@pytest.mark.parametrize("uri", PAYLOADS["location_uri"])
def test_no_odd_location_is_taken(ws: Workspace, uri: str) -> None:
    """B09, B10: one protocol, no chain, no escape; refused before anything is opened."""
    for settings in (
        {"type": "http", "endpoint": uri}, {"type": "local", "path": uri}, {"type": "sql", "url": uri},
        {"type": "s3", "bucket": uri}, {"type": "s3", "bucket": "b", "endpoint": uri},
        {"type": "azure_blob", "account_name": uri, "container_name": "c"}, {"type": uri},
    ):  # fmt: skip
        if settings.get("path", "").startswith("/") or uri.startswith(("http://", "https://")):
            continue
        with pytest.raises(AmlError) as caught:
            ws.client.call("create_datastore", name="evil", settings=settings, validated=False)
        assert caught.value.http_status in (400, 403, 404, 422), settings


def test_credentials_are_in_the_vault_and_nowhere_else(ws: Workspace, site: str) -> None:
    """J06, J11: not in an answer, not in the database, not in a log; the file is the owner's alone."""
    store = ws.datastores.create("secret", endpoint=site, credentials={"username": "me", "password": SECRET})
    with pytest.raises(InvalidError, match="credentials"):
        ws.datastores.create("worse", endpoint=f"http://me:{SECRET}@example.org/x")
    with pytest.raises(InvalidError, match="password"):
        ws.datastores.create("worse", url=f"postgresql://me:{SECRET}@localhost/x", skip_validation=True)
    with pytest.raises(InvalidError, match="takes no credential"):
        ws.datastores.create("worse", endpoint=site, credentials={"passwrod": SECRET})
    assert ws.path is not None
    answers = [store.data, ws.datastores["secret"].data, ws.client.call("list_datastores")]
    assert SECRET not in json.dumps(answers) and store.data["has_credentials"] is True
    vault = ws.path / "vault.json"
    assert stat.S_IMODE(vault.stat().st_mode) == 0o600 and store.credentials()["password"] == SECRET
    for root, _, names in os.walk(ws.path):
        for name in names:
            file = Path(root, name)
            if file != vault and file.is_file():
                assert SECRET.encode() not in file.read_bytes(), file
    store.update(credentials={"username": "me", "password": "wrong"})
    with pytest.raises(ForbiddenError, match="401"):
        store.browse()
    ws.datastores.delete("secret")
    assert "wrong" not in vault.read_text()


def test_files_behind_http(ws: Workspace, site: str, tmp_path: Path) -> None:
    credentials = {"username": "me", "password": SECRET}
    store = ws.datastores.create("web", endpoint=site, credentials=credentials)
    assert [item["path"] for item in store.browse()] == ["a.csv"]
    asset = ws.data.register("web-data", store.path("a.csv"))
    assert (asset.type, asset.size, asset.get_file_names()) == ("uri_file", len(CSV), ["a.csv"])
    (made,) = asset.download(tmp_path / "down")
    assert made.read_text() == CSV
    assert asset.check() is None
    with pytest.raises(NotFoundError):
        ws.data.register("absent", store.path("b.csv"))
    with pytest.raises(ForbiddenError, match="another address"):
        store.download(tmp_path / "down", "away.csv")
    (tmp_path / "site" / "files" / "a.csv").write_text(CSV + "1,1,1.0\n")
    with pytest.warns(DataChangedWarning, match="web-data:1 changed.*bytes instead of"):
        asset.download(tmp_path / "again")


def test_data_in_a_datastore_stays_there_and_a_change_is_told(
    ws: Workspace, lake: Path, tmp_path: Path
) -> None:
    store = ws.datastores.create("lake2", path=lake)
    folder = ws.data.register("there", "azureml://datastores/lake2/paths/2024")
    assert (folder.type, folder.size) == ("uri_folder", 2 * len(CSV))
    assert folder.get_file_names() == ["a.csv", "deep/b.csv"]
    assert ws.data.register("there", store.path("2024")) == folder
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (folder.path() / "a.csv").samefile(lake / "2024" / "a.csv")
    with pytest.raises(ConflictError, match="there:1 lies in"):
        ws.datastores.delete("lake2")
    (lake / "2024" / "c.csv").write_text("x")
    with pytest.warns(DataChangedWarning, match="3 files instead of 2"):
        folder.path()
    (lake / "2024" / "c.csv").unlink()
    assert folder.check() is None
    os.utime(lake / "2024" / "a.csv", (1, 1))
    with pytest.warns(DataChangedWarning, match="written since"):
        folder.check()
    assert ws.data.register("there", store.path("2024")).version == "2"
    (lake / "2024").rename(lake / "gone")
    with pytest.warns(DataChangedWarning, match="no longer there"):
        folder.check()


def test_a_database_shows_its_tables(ws: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE sales (day TEXT, amount REAL)")
    store = ws.datastores.create("shop", url=f"sqlite:///{file}")
    assert store.type == "sql" and [item["path"] for item in store.browse()] == ["sales"]
    with pytest.raises(InvalidError, match="a database"):
        store.download(tmp_path)
    file.unlink()
    with pytest.raises(AmlError, match="not there"):
        store.browse()
    assert not file.exists()


def test_what_cannot_be_reached_is_not_registered_unless_asked(ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not there"):
        ws.datastores.create("later", path=tmp_path / "absent")
    store = ws.datastores.create("later", path=tmp_path / "absent", skip_validation=True)
    (tmp_path / "absent").mkdir()
    assert store.browse() == []
    with pytest.raises(NotFoundError) as caught:
        ws.datastores["latre"]
    assert caught.value.hint == "Did you mean 'later'?"


@pytest.mark.slow
def test_files_in_a_bucket(ws: Workspace, folder: Path, tmp_path: Path) -> None:
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    pytest.importorskip("s3fs")
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"access_key_id": "AKIATEST", "secret_access_key": SECRET}
        settings = {
            "bucket": "lake",
            "prefix": "team",
            "endpoint": f"http://{host}:{port}",
            "region": "us-east-1",
        }
        import boto3

        client = boto3.client(
            "s3", endpoint_url=settings["endpoint"], region_name="us-east-1",
            aws_access_key_id="AKIATEST", aws_secret_access_key=SECRET,
        )  # fmt: skip
        client.create_bucket(Bucket="lake")
        client.put_object(Bucket="lake", Key="beside.txt", Body=b"not ours")
        client.put_object(Bucket="lake", Key="team/first.txt", Body=b"first")
        client.close()
        store = ws.datastores.create("bucket", credentials=keys, **settings)
        store.upload(folder, "photos")
        assert [(item["path"], item["is_folder"]) for item in store.browse()] == [
            ("first.txt", False), ("photos", True),
        ]  # fmt: skip
        with pytest.raises(ConflictError):
            store.upload(folder, "photos")
        asset = ws.data.register("in-bucket", store.path("photos"))
        assert (asset.type, asset.size) == ("uri_folder", 256_004)
        made = asset.download(tmp_path / "down")
        assert {file.relative_to(tmp_path / "down").as_posix(): file.read_bytes() for file in made} == {
            name: (folder / name).read_bytes() for name in asset.get_file_names()
        }
        (folder / "index.txt").write_text("two\n")
        store.upload(folder / "index.txt", "photos", overwrite=True)
        with pytest.warns(DataChangedWarning, match="written since"):
            asset.check()
        for path in ("../beside.txt", "absent"):
            with pytest.raises(AmlError):
                store.download(tmp_path / "evil", path)
    finally:
        server.stop()
    with pytest.raises(AmlError) as caught:
        store.browse()
    assert SECRET not in str(caught.value)
