"""Models from the shell and the notebook: Azure's verbs and flags, a model's YAML, what Tab offers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_aml.commands.main import main
from jupyter_aml.workspace import Workspace
from tests.magics.conftest import notebook, served  # noqa: F401 - fixtures
from tests.models.conftest import AddModel

if TYPE_CHECKING:
    from tests.magics.conftest import Notebook


class Shell:
    """The command line in this workspace."""

    def __init__(self, ws: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
        self._ws = ws
        self._capsys = capsys

    def run(self, *words: str, code: int = 0) -> Any:
        """What a command answers as JSON; the text of its error where it ends with ``code``."""
        assert main(["model", *words, "-w", str(self._ws.path), "-o", "json"]) == code
        said = self._capsys.readouterr()
        return said.err if code else json.loads(said.out or "null")


@pytest.fixture
def shell(ws: Workspace, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(ws, capsys)


def test_a_model_s_life_by_azure_s_verbs(shell: Shell, ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"x")
    made = shell.run(
        "create", "--name", "life", "--path", str(tmp_path / "m.bin"), "--type", "custom_model", "--stage",
        "Development", "--description", "d", "--tags", "a=1", "b=2", "--no-wait", "--registry-name", "r",
    )  # fmt: skip
    assert (made["version"], made["stage"], made["tags"]) == ("1", "Development", {"a": "1", "b": "2"})
    assert shell.run("create", "-n", "life", "-v", "3", "-p", str(tmp_path / "m.bin"))["version"] == "3"
    changed = shell.run(
        "update", "-n", "life", "-v", "1", "--set", "tags.c=x y", "description=new", "--remove", "tags.a",
        "--add", "properties.p=q", "--stage", "production", "--alias", "champion",
    )  # fmt: skip
    assert (changed["tags"], changed["properties"]) == ({"b": "2", "c": "x y"}, {"p": "q"})
    assert (changed["description"], changed["stage"], changed["aliases"]) == ("new", "Production", "champion")
    assert shell.run("show", "-n", "life", "-l", "champion")["version"] == "1"
    assert shell.run("show", "life@latest", "--query", "id") == "azureml:life:3"
    assert [item["version"] for item in shell.run("list", "-n", "life")] == ["3", "1"]
    assert [item["name"] for item in shell.run("list", "--stage", "Production")] == ["life"]
    assert len(shell.run("list", "-r", "1")) == 1
    assert [row["model"] for row in shell.run("compare", "life", "-v", "1", "-v", "3")] == [
        "life:1",
        "life:3",
    ]
    where = shell.run("download", "--name", "life", "--version", "1", "-p", str(tmp_path / "to"))
    assert where == str(tmp_path / "to" / "life" / "m.bin") and Path(where).read_bytes() == b"x"
    shell.run("archive", "-n", "life", "-v", "3")
    assert [item["version"] for item in shell.run("list", "-n", "life", "--archived-only")] == ["3"]
    assert len(shell.run("list", "-n", "life", "--include-archived")) == 2
    shell.run("restore", "-n", "life", "-v", "3")
    shell.run("archive", "--name", "life")
    assert "life" not in [item["name"] for item in shell.run("list")]
    shell.run("restore", "--name", "life")
    shell.run("update", "life:1", "--remove", "aliases.champion")
    assert "no alias 'champion'" in shell.run("show", "life@champion", code=3)
    shell.run("delete", "-n", "life", "-v", "3", "--yes")
    shell.run("delete", "life")
    assert "There is no model 'life'" in shell.run("show", "-n", "life", code=3)


def test_a_model_s_yaml(shell: Shell, add_model: AddModel, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "m.bin").write_bytes(b"x")
    (tmp_path / "model.yml").write_text(
        "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: yaml\nversion: 2\n"
        "path: files\ntype: custom_model\ndescription: from YAML\ntags: {a: 1}\nproperties: {p: q}\n"
    )
    made = shell.run("create", "--file", str(tmp_path / "model.yml"))
    assert (made["name"], made["version"], made["path"]) == ("yaml", "2", "files")
    assert (made["tags"], made["properties"]) == ({"a": "1"}, {"p": "q"})
    made = shell.run("create", "-f", str(tmp_path / "model.yml"), "--set", "name=other", "--version", "7")
    assert (made["name"], made["version"]) == ("other", "7")
    run = add_model("seed", {"outputs/m.bin": b"x"}).run
    assert run is not None
    path = f"azureml://jobs/{run.id}/outputs/artifacts/paths/outputs/m.bin"
    (tmp_path / "model.yml").write_text(f"name: yaml\npath: {path}\n")
    assert shell.run("create", "--file", str(tmp_path / "model.yml"))["job_name"] == run.id
    (tmp_path / "model.yml").write_text("name: yaml\nplace: here\n")
    assert "has no 'place'" in shell.run("create", "--file", str(tmp_path / "model.yml"), code=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create", "--name", "x"], "needs a name and a path"),
        (["create", "--name", "x", "--path", "/nowhere/m"], "no file and no folder"),
        (["show", "--name", "nobody"], "There is no model 'nobody'"),
        (["update", "--name", "seed", "--set", "path=x"], "cannot be set"),
        (["update", "--name", "seed", "--remove", "stage"], "cannot be removed"),
        (["update", "--name", "seed", "--stage", "Best"], "does not have the form"),
        (["list", "--archived-only", "--include-archived"], "exclude each other"),
        (["list", "--stage", "' OR 1"], "Nothing"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    shell: Shell,
    add_model: AddModel,
    words: list[str],
    said: str,
    ws: Workspace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_model("seed", {"m.bin": b"x"})
    code = main(["model", *words, "-w", str(ws.path)])
    told = capsys.readouterr()
    assert said in told.err + told.out.replace("[]", "Nothing") and "Traceback" not in told.err
    assert code in ((0,) if said == "Nothing" else (1, 2, 3))


def test_a_notebook_registers_and_completes(workspace: Workspace, served: Notebook) -> None:  # noqa: F811
    with workspace.experiments["iris"].start_run() as run:
        run.log_text("outputs/model.bin", "weights")
    made = served.run(f"%aml register {run.display_name} outputs/model.bin --name diabetes --tags team=blue")
    assert (made["name"], made["job_name"], made["tags"]) == ("diabetes", run.id, {"team": "blue"})
    assert served.completions("%aml model show dia") == ["diabetes"]
    assert served.run("%aml model show diabetes")["digest"] == workspace.models["diabetes"].digest
