"""The artifact proxy: files up and down by MLflow's paths, and every hostile path refused alike (A01 to A15)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.mlflow.conftest import Wire

PAYLOADS: dict[str, list[Any]] = json.loads(
    (Path(__file__).parents[1] / "security" / "payloads.json").read_text()
)
HARMLESS = {"~", "*", "**", "%", "$HOME/x", "${HOME}/x", "$(id)", "[a-z]", "{a,b}", "NUL.txt", "a.", "-rf", "--help",
            ".git/hooks/post-checkout", ".ipynb_checkpoints/x", "__pycache__/x.pyc", "..;/x", "con\u0130",
            "{S}-evil/x"}  # fmt: skip


@pytest.fixture(scope="module")
def run(wire: Wire) -> str:
    return wire.run(wire.experiment("files"))


@pytest.fixture(scope="module")
def files(wire: Wire, run: str) -> str:
    """The path of a run's files, some of which are there."""
    root = wire.artifacts(run)
    for path, data in (("a.txt", b"one"), ("d/e/b.bin", bytes(range(256)) * 9), ("d/é ü.html", b"<b>")):
        assert wire.put(f"{root}/{quote(path)}", data).json() == {}
    return root


def listed(wire: Wire, path: str) -> list[dict[str, Any]]:
    answer = wire.ask("GET", "mlflow-artifacts/artifacts", {"path": path})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["files"]
    return found


def test_files_are_listed_level_by_level(wire: Wire, run: str, files: str) -> None:
    root = files.removeprefix("mlflow-artifacts/artifacts/")
    assert listed(wire, root) == [
        {"path": "a.txt", "is_dir": False, "file_size": 3}, {"path": "d", "is_dir": True},
    ]  # fmt: skip
    assert [entry["path"] for entry in listed(wire, f"{root}/d")] == ["e", "é ü.html"]
    assert listed(wire, f"{root}/a.txt") == [] and listed(wire, f"{root}/none") == []
    assert listed(wire, f"{root}/%") == [] and listed(wire, f"{root}/*") == []  # taken as they are
    named = wire.ask("GET", "mlflow/artifacts/list", {"run_id": run, "path": "d"}).json()
    assert [entry["path"] for entry in named["files"]] == ["d/e", "d/é ü.html"]


def test_bytes_come_back_as_an_attachment_no_browser_runs(wire: Wire, files: str) -> None:
    answer = wire.http.get(f"/api/2.0/{files}/{quote('d/é ü.html')}")
    assert answer.content == b"<b>" and answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    part = wire.http.get(f"/api/2.0/{files}/d/e/b.bin", headers={"Range": "bytes=250-260"})
    assert part.status_code == 206 and part.content == bytes([250, 251, 252, 253, 254, 255, 0, 1, 2, 3, 4])
    missing = wire.ask("GET", f"{files}/nothing.txt")
    assert missing.status_code == 404 and missing.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_files_and_folders_are_deleted_while_the_run_lasts(wire: Wire) -> None:
    root = wire.artifacts(wire.run())
    for path in ("x/1", "x/2", "xy", "y"):
        wire.put(f"{root}/{path}", b"-")
    assert wire.ask("DELETE", f"{root}/x").status_code == 200
    assert [entry["path"] for entry in listed(wire, root.split("/", 2)[2])] == ["xy", "y"]
    assert wire.ask("DELETE", f"{root}/x").status_code == 404
    for path in (root, f"{root}/", f"{root}/.", f"{root}/%2f", f"{root}//"):
        assert wire.http.delete(f"/api/2.0/{path}").status_code in (400, 404)
    assert wire.put(f"{root}/y/below", b"-").status_code == 409  # a file is no folder


def test_an_image_s_name_is_kept_in_a_form_that_can_be_read_back(wire: Wire) -> None:
    """MLflow's client writes ``%`` into it, and decodes what it lists once more."""
    root = wire.artifacts(wire.run())
    name = "images/loss#all%step%17%timestamp%1795255602533%g0914e4c-45c2%compressed.webp"
    assert wire.put(f"{root}/{quote(name)}", b"image").status_code == 200
    (entry,) = listed(wire, f"{root.split('/', 2)[2]}/images")
    assert entry["path"] == "loss~all+step+17+timestamp+1795255602533+g0914e4c-45c2+compressed.webp"
    assert wire.http.get(f"/api/2.0/{root}/images/{quote(entry['path'])}").content == b"image"


@pytest.mark.parametrize("path", [p for p in PAYLOADS["artifact_path"] if p not in HARMLESS], ids=ascii)
@pytest.mark.parametrize("once_more", [False, True])
def test_a_hostile_path_is_refused_by_every_verb_alike(
    wire: Wire, files: str, path: str, once_more: bool
) -> None:
    root = files.removeprefix("mlflow-artifacts/artifacts/")
    try:
        coded = quote(path, safe="")
    except UnicodeEncodeError:
        pytest.skip("no URL can hold it")
    if once_more:
        coded = quote(coded, safe="")
    answers = [
        wire.http.get(f"/api/2.0/{files}/{coded}"),
        wire.http.put(f"/api/2.0/{files}/{coded}", content=b"x"),
        wire.http.delete(f"/api/2.0/{files}/{coded}"),
        wire.http.get(f"/api/2.0/mlflow-artifacts/artifacts?path={root}/{coded}"),
    ]
    if not path.strip("/ "):  # the root, or a blank name: listing the root is no attack
        answers = answers[:3]
    if coded == path:  # nothing in it is coded, so coding it twice is the same plain name
        return
    for answer in answers:
        assert answer.status_code in (400, 404), (answer.request.method, path)
        assert "etc" not in answer.text and os.sep + "home" not in answer.text
    assert len({answer.text for answer in answers if answer.status_code == 400}) <= 1


@pytest.mark.parametrize(
    "path",
    ["", "x", "0", "0/models", "../0/{run}/artifacts/a.txt", "0/{run}/artifact/a.txt", "0/{run}", "-1/{run}/artifacts/a.txt",
     "0/{RUN}/artifacts/a.txt", "0/models/m-{run}x/artifacts/a", "0/models/{run}/artifacts/a", "registered/x",
     "registered/../1/x", "registered/x/0/y", "registered/x/1e3/y", "{run}/a.txt", "0//{run}/artifacts/a.txt"],
)  # fmt: skip
def test_a_path_that_names_no_owner_means_nothing(wire: Wire, run: str, files: str, path: str) -> None:
    path = path.replace("{run}", run).replace("{RUN}", run.upper())
    for method in ("GET", "PUT", "DELETE"):
        answer = wire.http.request(method, f"/api/2.0/mlflow-artifacts/artifacts/{quote(path)}")
        assert answer.status_code in (400, 404), (method, path, answer.text)
    assert wire.ask("GET", "mlflow-artifacts/artifacts", {"path": path}).status_code in (400, 404)


def test_an_upload_that_is_not_whole_is_no_file(wire: Wire, files: str) -> None:
    answer = wire.http.put(f"/api/2.0/{files}/torn.bin", content=b"half", headers={"X-AML-SHA256": "0" * 64})
    assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert wire.ask("GET", f"{files}/torn.bin").status_code == 404
