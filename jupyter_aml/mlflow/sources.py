"""A model version's ``source``: what it may name, and what stands for it in our registry.

MLflow's field is a location. Here it may only name something of this workspace, which is looked up when the
version is made and turned into the very files that are there; the text itself is not kept, and told anew
from where the files came from. Whatever else it says is refused with one sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa

from jupyter_aml.core.ids import is_run_id
from jupyter_aml.errors import InvalidError
from jupyter_aml.mlflow.logged_models import files_folder, home_run
from jupyter_aml.mlflow.paths import REGISTERED, artifact_place, checked_path
from jupyter_aml.models.model import ModelVersion

MODEL_ID_PROPERTY = "mlflow.modelId"
_LOGGED = re.compile(r"models:/(m-[0-9a-f]{32})", re.ASCII)
_VERSION = re.compile(r"models:/([A-Za-z0-9][A-Za-z0-9 ._-]*)/([1-9][0-9]{0,9})", re.ASCII)
_RUN = re.compile(r"runs:/([0-9a-f]{32})/(.+)", re.DOTALL)
_ARTIFACT = re.compile(r"mlflow-artifacts:/([^/].*)", re.DOTALL)


@dataclass(frozen=True)
class Source:
    """Where a new version's files are: in a run (``run_id``, ``path``), or in another version (``model``)."""

    run_id: str | None = None
    path: str | None = None
    model: str | None = None
    model_id: str | None = None


def resolved_source(connection: sa.Connection, text: str, model_id: str | None) -> Source:
    """What ``source`` means, with the logged model that the client says it is."""
    if match := _LOGGED.fullmatch(text):
        return _logged(connection, match[1])
    if match := _VERSION.fullmatch(text):
        return Source(model=f"{match[1]}:{match[2]}", model_id=model_id)
    if match := _RUN.fullmatch(text):
        return Source(match[1], checked_path(match[2].strip("/")), model_id=model_id)
    if match := _ARTIFACT.fullmatch(text):
        return _artifact(connection, match[1], model_id)
    raise _refused()


def _logged(connection: sa.Connection, model_id: str) -> Source:
    return Source(home_run(connection, model_id), files_folder(model_id), model_id=model_id)


def _artifact(connection: sa.Connection, path: str, model_id: str | None) -> Source:
    place = artifact_place(path.rstrip("/"))
    if place.version:
        return Source(model=f"{place.owner}:{place.version}", model_id=model_id)
    if place.is_model and not place.path:
        return _logged(connection, place.owner)
    if place.is_model or not place.path or not is_run_id(place.owner):
        raise _refused()
    return Source(place.owner, place.path, model_id=model_id)


def _refused() -> InvalidError:
    return InvalidError(
        "Invalid model version source: it names nothing of this workspace.",
        hint="Give a model that was logged here, as in runs:/RUN_ID/model or models:/MODEL_ID.",
    )


def told_source(version: ModelVersion, experiment: str | None) -> str:
    """The source of a version, from where its files came."""
    lineage = version.lineage
    if model_id := version.properties.get(MODEL_ID_PROPERTY):
        return f"models:/{model_id}"
    if lineage.model:
        name, _, number = lineage.model.rpartition(":")
        return f"models:/{name}/{number}"
    if lineage.run_id and lineage.path and experiment:
        return f"mlflow-artifacts:/{experiment}/{lineage.run_id}/artifacts/{lineage.path}"
    return download_uri(version.name, version.version)


def download_uri(name: str, version: int) -> str:
    """Where a version's own files can be read."""
    return f"mlflow-artifacts:/{REGISTERED}/{name}/{version}"
