"""What a job is: a specification, with Azure ML's v2 names, that everything which submits one builds.

In the user's hands a job may name a local folder (``code``); on its way to the service that becomes a
snapshot of files by digest, because no field of the service's API is a location.
"""

from __future__ import annotations

import keyword
import math
import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator

from jupyter_aml import limits
from jupyter_aml.core.durations import duration
from jupyter_aml.core.paths import check_logical_path, check_text
from jupyter_aml.core.variables import check_variables
from jupyter_aml.data.references import parse_reference as parse_data_reference
from jupyter_aml.environments.references import parse_reference
from jupyter_aml.errors import InvalidError, NotFoundError
from jupyter_aml.tracking.model import Digest, Key, Model, Tags

_INPUT_NAME = re.compile(r"[A-Za-z0-9_]{1,128}", re.ASCII)

if TYPE_CHECKING:
    from jupyter_aml.environments.environment import EnvironmentLike


class JobModel(Model):
    """What every kind of job has."""

    description: str = Field("", max_length=limits.DESCRIPTION_LENGTH)
    environment_variables: dict[str, str] = {}
    timeout: float | None = Field(None, gt=0, le=10**9, description="seconds from the start of the run")
    retries: int = Field(0, ge=0, le=limits.RETRIES_MAX)
    environment: str | None = Field(
        None, max_length=400, description="name:version, name@latest or name; null: the service's own Python"
    )

    @field_validator("environment_variables")
    @classmethod
    def _variables(cls, variables: dict[str, str]) -> dict[str, str]:
        return check_variables(variables)

    @field_validator("environment")
    @classmethod
    def _environment(cls, reference: str | None) -> str | None:
        if reference is not None:
            parse_reference(reference)
        return reference


class Resources(Model):
    """What a job asks of its compute."""

    instance_count: int = Field(1, ge=1, le=1000, description="nodes of a cluster")


class Distribution(Model):
    """How a command is run as several processes, which find each other by environment variables."""

    type: Literal["pytorch", "mpi"] = "pytorch"
    process_count_per_instance: int = Field(1, ge=1, le=256)


class DataInput(Model):
    """A data asset as an input; the submit writes the exact version in."""

    type: Literal["uri_file", "uri_folder", "mltable"] = "uri_folder"
    path: str = Field(max_length=400, description="azureml:name:version, azureml:name@latest or name")
    mode: Literal["ro_mount", "download", "direct"] = "ro_mount"

    @field_validator("path")
    @classmethod
    def _path(cls, reference: str) -> str:
        parse_data_reference(reference)
        return reference


class CommandModel(JobModel):
    """A shell command, run in the snapshot's folder; once for each rank where it is distributed."""

    type: Literal["command"] = "command"
    command: str = Field(min_length=1, max_length=100_000)
    inputs: dict[str, str | int | float | bool | DataInput] = {}
    resources: Resources = Resources()
    distribution: Distribution | None = None


class NotebookModel(JobModel):
    """A notebook of the snapshot, executed by papermill with parameters; a cell is one that was generated."""

    type: Literal["notebook", "cell"] = "notebook"
    notebook: str
    parameters: dict[str, Any] = {}
    cell_timeout: float | None = Field(None, gt=0, le=10**9)
    returns: list[str] = []

    @field_validator("notebook")
    @classmethod
    def _notebook(cls, path: str) -> str:
        if not path.endswith(".ipynb"):
            raise InvalidError(f"{path!r} is no notebook.", hint="Its name must end in .ipynb.")
        return check_logical_path(path)

    @field_validator("parameters")
    @classmethod
    def _parameters(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        return {check_parameter_name(name): _plain(name, value) for name, value in parameters.items()}


JobSpec = Annotated[CommandModel | NotebookModel, Field(discriminator="type")]


class SubmittedFile(Model):
    """A file of a snapshot; its bytes were sent before."""

    path: str
    digest: Digest
    size: int = Field(ge=0)
    executable: bool = False


class SubmitJob(Model):
    """A job as it is submitted."""

    job: JobSpec
    files: list[SubmittedFile] = Field([], max_length=limits.SNAPSHOT_FILES)
    experiment: str = "default"
    display_name: str | None = None
    compute: str = Field("local", min_length=1, max_length=60)
    parent_id: str | None = None
    tags: Tags = {}
    source: dict[str, Any] = {}
    key: Key | None = None


class RerunJob(Model):
    """Changes for running a job again."""

    parameters: dict[str, Any] = {}
    display_name: str | None = None
    key: Key | None = None


class MissingBlobs(Model):
    """Digests a client is about to send."""

    digests: list[Digest] = Field(max_length=limits.SNAPSHOT_FILES + 10)


class InspectNotebook(Model):
    """A notebook whose parameters are asked for."""

    notebook: dict[str, Any]


class NotebookParameter(BaseModel):
    """A parameter of a notebook: its default as the notebook writes it; type and help may be empty."""

    name: str
    default: str
    type: str
    help: str


class NotebookInspection(BaseModel):
    """What a submit form needs to know of a notebook."""

    items: list[NotebookParameter]
    has_parameters_cell: bool


def check_parameter_name(name: str) -> str:
    """``name`` if it may be a notebook's parameter: papermill pastes names into code as they are."""
    good = isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)
    if (
        good
        and len(name) <= limits.NOTEBOOK_PARAMETER_NAME_LENGTH
        and unicodedata.normalize("NFKC", name) == name
    ):
        return name
    raise InvalidError(
        f"{ascii(name)[:80]} cannot name a parameter.", hint="Use a Python name, such as alpha."
    )


def _plain(name: str, value: Any, depth: int = 0) -> Any:
    """A parameter's value as JSON carries it; refused where it would arrive as something else."""
    if hasattr(value, "item") and getattr(value, "size", None) == 1:  # a number of numpy's
        value = value.item()
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple) and depth < limits.JSON_DEPTH:
        return [_plain(name, item, depth + 1) for item in value]
    if (
        isinstance(value, Mapping)
        and depth < limits.JSON_DEPTH
        and all(isinstance(key, str) for key in value)
    ):
        return {key: _plain(name, item, depth + 1) for key, item in value.items()}
    raise InvalidError(
        f"Parameter {name!r} holds {ascii(value)[:60]} ({type(value).__name__}), which cannot be passed on.",
        hint="Pass texts, finite numbers, and lists and dictionaries of them.",
    )


def _input(name: str, value: Any) -> str | int | float | bool | DataInput:
    """An input as a job keeps it."""
    if not _INPUT_NAME.fullmatch(name):
        raise InvalidError(f"{ascii(name)[:80]} cannot name an input.", hint="Use letters, digits and '_'.")
    given = value.as_input() if hasattr(value, "as_input") else value
    if isinstance(given, Mapping):
        unknown = set(given) - set(DataInput.model_fields)
        if unknown or not isinstance(given.get("path"), str):
            raise InvalidError(
                f"The input {name!r} is no data.",
                hint='Write {"path": "azureml:name:1", "mode": "ro_mount"}.',
            )
        return DataInput.model_validate({key: part for key, part in given.items() if part is not None})
    if isinstance(given, str | int | float | bool):
        return given
    raise InvalidError(
        f"The input {name!r} holds {type(value).__name__}, which cannot be passed on.",
        hint="Pass a text, a number, true or false, or a data asset: ws.data[...].",
    )


class Job:
    """A job in the user's hands: its specification, and the local folder and files that go with it."""

    def __init__(
        self,
        spec: CommandModel | NotebookModel,
        folder: Path | None,
        *,
        modules_only: bool = False,
        extra: Mapping[str, bytes] | None = None,
        experiment_name: str | None = None,
        display_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        environment: EnvironmentLike | None = None,
    ) -> None:
        self.spec = spec
        self.environment = environment
        self.folder = folder
        self.modules_only = modules_only
        self.extra = dict(extra or {})
        self.experiment_name = experiment_name
        self.display_name = display_name
        self.tags = dict(tags or {})
        self.summary = ""

    def __repr__(self) -> str:
        what = self.spec.command if isinstance(self.spec, CommandModel) else self.spec.notebook
        return f"<Job {self.spec.type} {what!r}>"


def command(
    command: str,
    *,
    code: str | Path | None = None,
    inputs: Mapping[str, Any] | None = None,
    environment_variables: Mapping[str, str] | None = None,
    experiment_name: str | None = None,
    display_name: str | None = None,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    timeout: str | float | None = None,
    retries: int = 0,
    environment: EnvironmentLike | None = None,
    instance_count: int = 1,
    distribution: Mapping[str, Any] | None = None,
) -> Job:
    """A command job.

    Args:
        command: run by ``sh`` in a copy of ``code``; ``${{inputs.NAME}}`` stands for an input, quoted.
        code: the folder to take along, as it is at the submit; none without it.
        inputs: by name, literal values and data: ``ws.data["diabetes:1"]``, ``asset.as_input("download")`` or
            ``{"path": "azureml:diabetes:1", "mode": "ro_mount"}``; data stands for a path in the command.
        timeout: seconds, or a text such as ``"30m"``.
        retries: how often to start again after a failure.
        environment: what it runs with: a name, ``name:3``, ``name@latest``, an `Environment`, or a definition
            such as ``{"conda_file": "env.yml"}``; without it the Python of the workspace's service.
        instance_count: nodes of a cluster it runs on.
        distribution: ``{"type": "pytorch"|"mpi", "process_count_per_instance": 2}``.
    """
    spec = CommandModel(
        resources=Resources(instance_count=instance_count),
        distribution=None if distribution is None else Distribution.model_validate(dict(distribution)),
        command=command,
        inputs={name: _input(name, value) for name, value in (inputs or {}).items()},
        environment_variables=dict(environment_variables or {}),
        description=description,
        timeout=duration(timeout),
        retries=retries,
    )
    folder = None if code is None else Path(code)
    if folder is not None and not folder.is_dir():
        raise NotFoundError(
            f"There is no folder {str(code)!r} to take along.", hint=f"Looked from {os.getcwd()}."
        )
    return Job(
        spec,
        folder,
        experiment_name=experiment_name,
        display_name=display_name,
        tags=tags,
        environment=environment,
    )


def notebook(
    path: str | Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    code: str | Path | None = None,
    environment_variables: Mapping[str, str] | None = None,
    experiment_name: str | None = None,
    display_name: str | None = None,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    timeout: str | float | None = None,
    cell_timeout: str | float | None = None,
    retries: int = 0,
    environment: EnvironmentLike | None = None,
) -> Job:
    """A notebook job.

    Args:
        path: the notebook; ``code``, the folder taken along with it, is the notebook's own unless given.
        parameters: values for names of its ``parameters`` cell.
        timeout, cell_timeout: seconds, or a text such as ``"30m"``, for the run and for each cell.
        retries: how often to start again after a failure.
        environment: what it runs with, as for `command`.
    """
    file = Path(path)
    if not file.is_file():
        raise NotFoundError(f"There is no notebook {str(path)!r}.", hint=f"Looked from {os.getcwd()}.")
    folder = Path(code) if code is not None else file.parent
    try:
        inside = file.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        raise InvalidError(f"The notebook {file} does not lie in the folder {folder}.") from None
    check_text(inside, "notebook's path", limits.PATH_LENGTH)
    spec = NotebookModel(
        notebook=inside,
        parameters=dict(parameters or {}),
        environment_variables=dict(environment_variables or {}),
        description=description,
        timeout=duration(timeout),
        cell_timeout=duration(cell_timeout),
        retries=retries,
    )
    return Job(
        spec,
        folder,
        experiment_name=experiment_name,
        display_name=display_name,
        tags=tags,
        environment=environment,
    )
