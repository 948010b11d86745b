"""``aml data`` and ``aml datastore``: the same as in Python, for scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jupyter_aml.commands.main import main
from jupyter_aml.workspace import Workspace
from tests.data.conftest import CSV

Aml = Callable[..., Any]


@pytest.fixture
def aml(ws: Workspace, capsys: pytest.CaptureFixture[str]) -> Aml:
    """Runs a command; its JSON, or with ``code`` what it complains of."""

    def run(*words: str, code: int = 0) -> Any:
        found = main([*words, "-w", str(ws.path), "-o", "json"])
        out, err = capsys.readouterr()
        assert found == code, err
        return err if code else json.loads(out) if out.strip() else None

    return run


def test_data_goes_in_and_comes_out(aml: Aml, csv: Path, tmp_path: Path) -> None:
    made = aml("data", "create", "-n", "diabetes", "-p", str(csv), "--tags", "team=blue", "-d", "small")
    assert (made["name"], made["version"], made["type"], made["size"]) == (
        "diabetes",
        "1",
        "uri_file",
        len(CSV),
    )
    assert made["tags"] == {"team": "blue"} and made["description"] == "small"
    file = tmp_path / "data.yml"
    file.write_text(
        "$schema: x\nname: diabetes\nversion: 7\ntype: uri_file\npath: ./diabetes.csv\ntags: {a: 1}\n"
    )
    csv.write_text(CSV + "1,1,1.0\n")
    assert aml("data", "create", "-f", str(file), "--set", "description=set")["version"] == "7"
    assert [item["version"] for item in aml("data", "list", "-n", "diabetes")] == ["7", "1"]
    assert aml("data", "show", "-n", "diabetes", "-l", "latest")["description"] == "set"
    assert aml("data", "show", "diabetes:1")["used_by"] == []
    (where,) = aml("data", "download", "-n", "diabetes", "-v", "1", "-p", str(tmp_path / "down"))
    assert Path(where).read_text() == CSV
    assert "already" in aml("data", "download", "diabetes:1", "-p", str(tmp_path / "down"), code=1)
    aml("data", "update", "diabetes:7", "--set", "tags.b=2", "description=new", "--remove", "tags.a")
    assert aml("data", "show", "diabetes:7")["tags"] == {"b": "2"}
    aml("data", "archive", "-n", "diabetes", "-l", "latest")
    assert aml("data", "show", "diabetes")["version"] == "1"
    assert [item["version"] for item in aml("data", "list", "-n", "diabetes", "--archived-only")] == ["7"]
    aml("data", "restore", "-n", "diabetes", "-v", "7")
    assert aml("data", "show", "diabetes")["version"] == "7"
    assert "Did you mean 'diabetes'?" in aml("data", "show", "diabets", code=3)
    file.write_text("name: x\npaht: y\n")
    assert "Did you mean 'path'?" in aml("data", "create", "-f", str(file), code=1)
    for wrong in (["-n", "x"], ["-p", str(csv)]):
        aml("data", "create", *wrong, code=2)


def test_datastores(aml: Aml, csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    made = aml("datastore", "create", "-n", "lake", "--path", str(lake), "--description", "here")
    assert (made["type"], made["path"], made["is_default"]) == ("local", str(lake), False)
    assert aml("datastore", "upload", "lake", "-s", str(csv), "-p", "raw")["path"].endswith(
        "paths/raw/diabetes.csv"
    )
    assert [item["path"] for item in aml("datastore", "browse", "lake", "-p", "raw")] == ["raw/diabetes.csv"]
    found = aml("data", "create", "-n", "there", "-p", "raw/diabetes.csv", "--datastore", "lake")
    assert found["path"] == "azureml://datastores/lake/paths/raw/diabetes.csv" and found["type"] == "uri_file"
    (where,) = aml("datastore", "download", "lake", "-p", "raw", "-d", str(tmp_path / "down"))
    assert Path(where).read_text() == CSV
    assert aml("datastore", "set-default", "lake")["is_default"] is True
    assert "lies in" in aml("datastore", "delete", "lake", code=1)
    aml("data", "archive", "there")
    aml("datastore", "delete", "-n", "lake", "--yes")
    names = [item["name"] for item in aml("datastore", "list")]
    assert names == ["workspaceblobstore", "workspacefilestore"]
    monkeypatch.setenv("MY_PASSWORD", "s3cr3t-canary-0815")
    words = [
        "--endpoint",
        "https://example.invalid/x",
        "--credential",
        "username=USER",
        "password=MY_PASSWORD",
    ]
    monkeypatch.setenv("USER", "me")
    made = aml("datastore", "create", "-n", "web", *words[:4], "--credential", words[4])
    assert made["has_credentials"] is True and "s3cr3t" not in json.dumps(
        [made, aml("datastore", "show", "web")]
    )
    file = tmp_path / "store.yml"
    file.write_text(
        "name: sql\ntype: sql\nurl: postgresql://me@localhost/x\ncredentials: {password: abcd1234}\n"
    )
    made = aml("datastore", "create", "-f", str(file), "--skip-validation")
    assert made["url"] == "postgresql://me@localhost/x" and "abcd1234" not in json.dumps(made)
    aml("datastore", "create", "-n", "x", code=1)
    aml("datastore", "create", "--path", str(lake), code=2)
