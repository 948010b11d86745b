"""From a user's files to a definition: what is taken, what is said, what is refused with its line."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from jupyter_aml.client.launch import index_environment
from jupyter_aml.environments.curated import CURATED, substitution
from jupyter_aml.environments.index import pip_configuration, uv_environment
from jupyter_aml.environments.references import Reference, parse_reference
from jupyter_aml.environments.sources import definition_from_mapping, definition_of
from jupyter_aml.environments.uv_process import find_uv
from jupyter_aml.errors import AmlError, InvalidError, NotFoundError


def conda(path: Path, *lines: str, rest: str = "") -> Path:
    """A conda YAML with these dependencies."""
    file = path / "conda.yml"
    file.write_text(
        "name: x\nchannels: [conda-forge]\ndependencies:\n" + "".join(f"  - {x}\n" for x in lines) + rest
    )
    return file


def test_the_order_and_the_spelling_of_a_list_do_not_matter() -> None:
    one, other = definition_of(["six", "Tomli>=2"]), definition_of(["tomli >=2", "six", "six"])
    assert one == other and one.digest() == other.digest()
    assert one.digest() != definition_of(["six"]).digest()
    assert one.digest() == definition_of(["six", "tomli>=2"], image="mcr.example/x").digest()


def test_a_requirements_file_is_followed_and_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "held.txt").write_text("tomli<3\n")
    (tmp_path / "more.txt").write_text("colorama  # colours\n")
    main = tmp_path / "main.txt"
    main.write_text("\n# first\nsix==1.17.0\n-c held.txt\n-r more.txt\ntomli \\\n  >=2\n")
    found = definition_of(requirements_file=main)
    assert (found.requirements, found.constraints) == (["colorama", "six==1.17.0", "tomli>=2"], ["tomli<3"])
    main.write_text("six\n\n--index-url https://evil.example\n")
    with pytest.raises(InvalidError, match=r"line 3 of main\.txt"):
        definition_of(requirements_file=main)
    main.write_text("-r main.txt\n")
    with pytest.raises(InvalidError, match="named by a file that it names"):
        definition_of(requirements_file=main)
    with pytest.raises(NotFoundError):
        definition_of(requirements_file=tmp_path / "none.txt")


def test_a_conda_file_becomes_requirements_of_the_index(tmp_path: Path) -> None:
    (tmp_path / "pip.txt").write_text("colorama\n")
    file = conda(
        tmp_path, "python=3.11", "numpy=1.26", "scikit-learn>=1.4,<2", "pandas==2.1.0=py311_0", "pytorch::pytorch",
        "conda-forge::matplotlib-base", "pip=23", "six==1.17.0", "pip:\n      - tomli>=2\n      - -r pip.txt",
        rest="variables:\n  MODE: quick\n",
    )  # fmt: skip
    found = definition_of(conda_file=file)
    assert found.python == "3.11"
    assert found.requirements == [
        "colorama", "matplotlib", "numpy==1.26.*", "pandas==2.1.0", "scikit-learn<2,>=1.4", "six==1.17.0",
        "tomli>=2", "torch",
    ]  # fmt: skip
    assert found.environment_variables == {"MODE": "quick"}
    assert any("torch" in note for note in found.notes) and any("pip=23" in note for note in found.notes)


def test_conda_packages_that_are_no_python_are_listed_with_the_choices(tmp_path: Path) -> None:
    file = conda(tmp_path, "numpy", "cudatoolkit=11.0", "r-base", "openmpi")
    with pytest.raises(InvalidError) as caught:
        definition_of(conda_file=file)
    assert caught.value.detail == "  - cudatoolkit=11.0\n  - r-base\n  - openmpi"
    assert "interpreter" in str(caught.value.hint)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch pwned']", "dependencies: !!python/name:os.system", "- a", "a: [",
        "dependencies: x", "dependencies: [{pip: x}]", "dependencies: ['$(touch pwned)']", "dependencies: ['-e .']",
        "dependencies: [{pip: ['--index-url https://evil.example']}]", "\x00", "dependencies: [1.5]",
    ],
)  # fmt: skip
def test_a_hostile_conda_file_is_refused_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """E03: no tag of Python's, no option, no command; the safe loader only."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conda.yml").write_text(text)
    with pytest.raises(AmlError):
        definition_of(conda_file="conda.yml")
    assert not (tmp_path / "pwned").exists()


def test_a_project_gives_its_dependencies_its_python_and_the_extras_asked_for(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["six"]\n'
        '[project.optional-dependencies]\nfast = ["tomli>=2"]\nall = ["mine[fast]"]\n'
    )
    found = definition_of(pyproject=tmp_path, extras=["fast", "all"])
    assert (found.requirements, found.python) == (["six", "tomli>=2"], ">=3.10")
    with pytest.raises(InvalidError, match="no extra 'fats'") as caught:
        definition_of(pyproject=tmp_path, extras=["fats"])
    assert "fast" in str(caught.value.hint)


def test_the_kernel_as_it_is_gives_its_packages_in_their_versions() -> None:
    found = definition_of(from_kernel=True)
    assert f"ipykernel=={metadata.version('ipykernel')}" in found.requirements
    assert not any(line.startswith("jupyter-aml") for line in found.requirements)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"build": {"path": "."}}, "Dockerfile"),
        ({"conda": "x"}, "no field 'conda'"),
        (
            {"requirements": ["six"], "environment_variables": {"AML_TOKEN": "x"}},
            "AML_TOKEN is set by the runner",
        ),
        ({"python": "three"}, "no Python version"),
        ({"python": 3.1}, "must be a text"),
        ({"interpreter": "/no/such/python"}, "no interpreter"),
    ],
)
def test_what_cannot_be_made_is_refused(tmp_path: Path, given: dict[str, Any], problem: str) -> None:
    with pytest.raises(AmlError, match=problem):
        definition_from_mapping(given, tmp_path)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("train", Reference("train")),
        ("train:3", Reference("train", "3")),
        ("azureml:train:3", Reference("train", "3")),
        ("azureml:train@latest", Reference("train", None, "latest")),
        (
            "azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
            Reference("sklearn-1.5", None, "latest"),
        ),
        ("azureml://registries/azureml/environments/sklearn-1.5/versions/20", Reference("sklearn-1.5", "20")),
    ],
)
def test_the_forms_of_a_reference(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize(
    "text", ["", ":", "a:", "a:b c", "a@", "../x", "a/b", "a:1:2", "a@best", "$(x)", "a;b", "-e"]
)
def test_what_names_no_environment_is_refused(text: str) -> None:
    """D02: an environment's name follows the grammar of names."""
    with pytest.raises(InvalidError):
        parse_reference(text)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("AzureML-sklearn-1.0-ubuntu20.04-py38-cpu", "sklearn"), ("sklearn-1.5", "sklearn"),
        ("AzureML-lightgbm-3.2-ubuntu18.04-py37-cpu", "automl"), ("AzureML-Tutorial", "sklearn"),
        ("AzureML-Minimal", "minimal"), ("AzureML-AutoML", "automl"), ("ai-ml-automl", "automl"),
        ("AzureML-ACPT-pytorch-1.13-py38-cuda11.7-gpu", "pytorch-cpu"), ("acpt-pytorch-2.2-cuda12.1", "pytorch-cpu"),
        ("AzureML-pytorch-1.10-ubuntu18.04-py38-cuda11-gpu", "pytorch-cpu"),
    ],
)  # fmt: skip
def test_azures_curated_names_have_a_stand_in_that_is_stated(asked: str, name: str) -> None:
    found = substitution(asked)
    assert found is not None and found.name == name and found.name in CURATED
    assert asked in found.note and f"{name}:1 stands in" in found.note


def test_what_pip_was_told_of_its_index_is_told_to_uv(tmp_path: Path) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://first.example/simple\nextra-index-url = https://a.example\n  https://b.example\n"
        "find-links = /wheels\ntrusted-host = a.example\ntimeout = 7\n[install]\nno-index = false\n"
    )
    pip = {"PIP_CONFIG_FILE": str(config), "PIP_INDEX_URL": "https://own.example/simple"}
    assert pip_configuration(pip)["index-url"] == "https://own.example/simple"
    told = uv_environment(pip, ["https://more.example"])
    assert told["UV_DEFAULT_INDEX"] == "https://own.example/simple"
    assert told["UV_INDEX"] == "https://a.example https://b.example https://more.example"
    assert told["UV_INDEX_STRATEGY"] == "unsafe-best-match"  # as pip has it
    assert (told["UV_FIND_LINKS"], told["UV_INSECURE_HOST"], told["UV_HTTP_TIMEOUT"]) == (
        "/wheels",
        "a.example",
        "7",
    )
    assert "UV_NO_INDEX" not in told
    assert (
        uv_environment({**pip, "UV_DEFAULT_INDEX": "https://uv.example"}, [])["UV_DEFAULT_INDEX"]
        == "https://uv.example"
    )


def test_a_uv_lock_gives_exactly_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["six<1.17"]\n'
        '[project.optional-dependencies]\nfast = ["tomli"]\n'
    )
    index = uv_environment(index_environment(), [])
    environment = {**os.environ, **index, "UV_PYTHON_DOWNLOADS": "never"}
    command = [find_uv(), "lock", "--quiet", "--python", sys.executable]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    found = definition_of(uv_lock=tmp_path / "uv.lock", extras=["fast"])
    names = [line.split(" ")[0] for line in found.requirements]
    assert names[0] == "six==1.16.0" and names[1].startswith("tomli==") and len(names) == 2
    assert all("--hash=sha256:" in line for line in found.requirements) and found.python == ">=3.11"
    with pytest.raises(NotFoundError):
        definition_of(uv_lock=tmp_path / "none" / "uv.lock")
