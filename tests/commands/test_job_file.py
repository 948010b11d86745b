"""Azure's job files, and ``--set``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jupyter_aml.commands.job_file import load, set_value
from jupyter_aml.errors import AmlError, UsageError
from jupyter_aml.jobs.model import CommandModel

AZURE = """
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
code: src
command: python main.py --lr ${{inputs.lr}} --name ${{inputs.name}}
inputs:
  lr: 0.01
  name:
    value: first
environment: azureml:AzureML-sklearn-1.5@latest
compute: azureml:cpu-cluster
display_name: shown
experiment_name: azure
description: Train it.
tags: {team: 7}
limits:
  timeout: 3600
"""


@pytest.fixture
def job_file(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    file = tmp_path / "job.yml"
    file.write_text(AZURE)
    return file


def test_azures_command_job_is_ours(job_file: Path) -> None:
    said: list[str] = []
    job, compute = load(job_file, ["compute=local", "inputs.lr=0.5", "tags.team=blue"], said.append)
    assert isinstance(job.spec, CommandModel)
    assert job.spec.inputs == {"lr": 0.5, "name": "first"}
    assert (job.spec.timeout, job.spec.description) == (3600, "Train it.")
    assert (job.folder, job.tags, job.experiment_name, job.display_name) == (
        job_file.parent / "src",
        {"team": "blue"},
        "azure",
        "shown",
    )
    assert compute == "local"
    assert (job.environment, said) == ("azureml:AzureML-sklearn-1.5@latest", [])


def test_an_environment_in_the_job_itself_is_looked_for_beside_its_file(job_file: Path) -> None:
    said: list[str] = []
    changes = ["environment.conda_file=conda.yml", "environment.image=mcr.example/x"]
    text = AZURE.replace("environment: azureml:AzureML-sklearn-1.5@latest", "environment: {}")
    job_file.write_text(text)
    job, _ = load(job_file, changes, said.append)
    assert job.environment == {"conda_file": str(job_file.parent / "conda.yml")}
    assert said == [
        "The job's container image is not used here: it runs with Python packages of this machine."
    ]
    assert load(job_file, changes[1:], said.append)[0].environment is None


@pytest.mark.parametrize(
    ("changes", "problem", "hint"),
    [
        (["comand=x"], "Unknown field 'comand'.", "Did you mean 'command'?"),
        (["type=sweep"], "jobs of type 'sweep' are not supported", "It is command or notebook."),
        (["command="], "the field 'command' is missing", None),
        (
            ["inputs.data.path=data.csv"],
            "input 'data' is 'data.csv', and no data asset",
            "aml data create -n data",
        ),
        (["code=none"], "There is no folder", "Looked from"),
    ],
)
def test_what_cannot_be_is_refused(
    job_file: Path, changes: list[str], problem: str, hint: str | None
) -> None:
    with pytest.raises(AmlError) as caught:
        load(job_file, changes, lambda text: None)
    assert problem in caught.value.headline
    assert hint is None or hint in str(caught.value.hint)


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ("a.b=1", {"a": {"b": 1, "c": [1, {"d": 2}]}}),
        ("a.c[0]=true", {"a": {"b": 0, "c": [True, {"d": 2}]}}),
        ("a.c[1].d=x=y", {"a": {"b": 0, "c": [1, {"d": "x=y"}]}}),
        ('a."b.c"=2', {"a": {"b": 0, "c": [1, {"d": 2}], "b.c": 2}}),
        ("new.deep=[1]", {"a": {"b": 0, "c": [1, {"d": 2}]}, "new": {"deep": [1]}}),
        ('trigger="15 * * * *"', {"a": {"b": 0, "c": [1, {"d": 2}]}, "trigger": "15 * * * *"}),
    ],
)
def test_set_changes_the_document(change: str, result: dict[str, Any]) -> None:
    document: dict[str, Any] = {"a": {"b": 0, "c": [1, {"d": 2}]}}
    set_value(document, change)
    assert document == result


@pytest.mark.parametrize(
    "change", ["a", "=1", "a.c[7]=1", "a.b.x=1", "a.c.x=1", "a[0]=1", "a..b=1", "a.c[0].x=1"]
)
def test_a_wrong_path_changes_nothing(change: str) -> None:
    document: dict[str, Any] = {"a": {"b": 0, "c": [1]}}
    with pytest.raises(UsageError):
        set_value(document, change)
    assert document == {"a": {"b": 0, "c": [1]}}
