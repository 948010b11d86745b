"""Environments in a workspace: versions that never change, labels, what is hidden, what may be named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.commands.main import main
from jupyter_aml.errors import AmlError, ConflictError, InvalidError, NotFoundError
from jupyter_aml.workspace import Workspace

PAYLOADS = json.loads((Path(__file__).parents[1] / "security" / "payloads.json").read_text())


@pytest.fixture(scope="module")
def ws(shared: Workspace) -> Workspace:
    return shared


def test_equal_content_is_the_same_version_and_other_content_the_next(ws: Workspace) -> None:
    first = ws.environments.create(
        "train", ["six", "tomli"], tags={"team": "blue"}, description="for training"
    )
    assert (first.reference, first.tags, first.is_ready) == ("train:1", {"team": "blue"}, False)
    assert ws.environments.create("train", ["tomli", "six"]) == first
    second = ws.environments.create("train", ["six"])
    assert second.reference == "train:2"
    named = ws.environments.create("train", ["tomli"], version="beta.1")
    assert ws.environments.create("train", ["colorama"]).reference == "train:3"
    for text, version in [
        ("train", "3"),
        ("train@latest", "3"),
        ("azureml:train:1", "1"),
        ("train:beta.1", "beta.1"),
    ]:
        assert ws.environments.get(text).version == version
    assert ws.environments.get("train", label="latest").version == "3"
    assert ws.environments.get("train", "2").requirements == ["six"]
    with pytest.raises(ConflictError, match="is there already, and different"):
        ws.environments.create("train", ["six"], version=named.version)
    assert [item.version for item in ws.environments.list("train")] == ["3", "beta.1", "2", "1"]


def test_an_archived_version_is_hidden_and_still_runs_what_names_it(ws: Workspace) -> None:
    for packages in (["six"], ["tomli"]):
        ws.environments.create("old", packages)
    ws.environments.archive("old", "2")
    assert ws.environments.get("old").version == "1"
    assert ws.environments.get("old:2").version == "2"
    ws.environments.archive("old")
    assert "old" not in [item.name for item in ws.environments.list()]
    assert [item.version for item in ws.environments.list("old", archived=True)] == ["2", "1"]
    with pytest.raises(NotFoundError, match="archived"):
        ws.environments.get("old")
    ws.environments.restore("old", "1")
    assert ws.environments.get("old").version == "1"


def test_a_name_that_is_not_there_is_answered_with_the_nearest(ws: Workspace) -> None:
    ws.environments.create("vision", ["six"])
    for wrong, hint in [("visoin", "Did you mean 'vision'?"), ("skleran", "Did you mean 'sklearn'?")]:
        with pytest.raises(NotFoundError) as caught:
            ws.submit(command("true", environment=wrong))
        assert caught.value.hint == hint
    with pytest.raises(NotFoundError, match="no version '9'") as caught:
        ws.submit(command("true"), environment="vision:9")
    assert caught.value.hint == "It has: 1."
    with pytest.raises(NotFoundError, match="no version '2'"):
        ws.environments.get("sklearn:2")
    assert ws.runs.list() == [] or all(run.experiment_name != "default" for run in ws.runs.list())


@pytest.mark.parametrize("name", ["sklearn", "Minimal", "anonymous", "a/b", "../x", "a:b", "a@b", "", "-x"])
def test_names_that_are_taken_or_are_none_are_refused(ws: Workspace, name: str) -> None:
    with pytest.raises((ConflictError, InvalidError)):
        ws.environments.create(name, ["six"])


def test_the_service_holds_to_the_same_grammar(ws: Workspace) -> None:
    """D01, D02: what a client of one's own sends is checked where it arrives."""
    for line in [
        *PAYLOADS["command_string"],
        "-r /etc/passwd",
        "--index-url https://evil.example",
        "x @ file:///etc",
    ]:
        for field in ("requirements", "constraints"):
            with pytest.raises(AmlError) as caught:
                ws.client.call("create_environment", name="evil", definition={field: [line]})
            assert caught.value.http_status in (400, 422)
    for definition in [
        {"interpreter": "../python"}, {"interpreter": "python"}, {"environment_variables": {"LD_PRELOAD": "x"}},
        {"extra_index_urls": ["file:///etc"]}, {"python": "3; rm"}, {"unknown": 1}, {"requirements": ["six"] * 5001},
    ]:  # fmt: skip
        sent = (
            {"requirements": [f"p{n}" for n in range(5001)]} if "requirements" in definition else definition
        )
        with pytest.raises(AmlError):
            ws.client.call("create_environment", name="evil", definition=sent)
    with pytest.raises(NotFoundError):
        ws.environments.get("evil")


def test_variables_that_cannot_cross_to_another_python_are_refused_before_the_run(ws: Workspace) -> None:
    ws.environments.create("other-python", ["six"], python="3.8")
    with pytest.raises(InvalidError, match=r"the environment other-python:1 has Python 3\.8") as caught:
        ws.submit_cell("y = x", {"x": 1}, environment="other-python")
    assert "variables cannot cross" in caught.value.headline


def test_the_commands_are_azures(
    ws: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AML_WORKSPACE", str(ws.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conda.yml").write_text("dependencies: [python=3.11, six, {pip: [tomli]}]")
    (tmp_path / "env.yml").write_text(
        "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nname: from-file\n"
        "image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04\nconda_file: ./conda.yml\ndescription: both\n"
    )

    def aml(*words: str) -> tuple[int, str, str]:
        code = main(["environment", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    code, out, err = aml("create", "--file", "env.yml", "--set", "version=7")
    made = json.loads(out)
    assert (code, made["name"], made["version"], made["description"]) == (0, "from-file", "7", "both")
    assert made["requirements"] == ["six", "tomli"]
    assert "image 'mcr.microsoft.com" in err and "not used here" in err
    assert json.loads(aml("show", "-n", "from-file", "-v", "7")[1]) == {**made, "notes": made["notes"]}
    assert aml("show", "--name", "none-such")[0] == 3
    assert aml("create", "-n", "x", "--pip", "-e .")[0] in (1, 2)
    assert aml("create")[0] == 2
    assert json.loads(aml("update", "from-file", "--set", "tags.a=b", "description=new")[1])["tags"] == {
        "a": "b"
    }
    assert aml("archive", "-n", "from-file")[0] == 0
    names = [item["name"] for item in json.loads(aml("list")[1])]
    assert "from-file" not in names and "sklearn" in names
    assert "from-file" in [item["name"] for item in json.loads(aml("list", "--include-archived")[1])]
    assert aml("restore", "-n", "from-file")[0] == 0
    assert "SIZE" in aml("list", "-o", "table")[1]
