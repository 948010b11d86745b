"""MLflow's model registry, which is ours: the names, versions, aliases and stages that every face shows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from jupyter_aml import limits
from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError
from jupyter_aml.mlflow import filters
from jupyter_aml.mlflow.call import Call
from jupyter_aml.mlflow.errors import ExistsError, MissingValueError, WrongValueError
from jupyter_aml.mlflow.fields import Fields
from jupyter_aml.mlflow.sources import MODEL_ID_PROPERTY, download_uri, resolved_source, told_source
from jupyter_aml.mlflow.subjects import experiment_id
from jupyter_aml.models import operations as models
from jupyter_aml.models.model import (
    CreateModel,
    CreateModelVersion,
    ModelVersion,
    RegisteredModel,
    SetModelAlias,
    SetModelStage,
    UpdateModel,
    UpdateModelVersion,
)
from jupyter_aml.tracking.tables import experiments

_STAGES = ("None", "Staging", "Production", "Archived")
_MODEL_ATTRIBUTES = ("name", "creation_timestamp", "last_updated_timestamp")
_VERSION_ATTRIBUTES = (
    "name", "run_id", "source_path", "version_number", "creation_timestamp", "last_updated_timestamp",
)  # fmt: skip
_PAGE, _PAGE_MOST = 100, 200_000  # what MLflow's clients may ask for


def create_model(call: Call) -> dict[str, Any]:
    """Make a model's name."""
    fields = call.fields
    body = CreateModel(
        name=fields.needed("name"),
        description=fields.text("description") or "",
        tags=fields.pairs("tags"),
    )
    try:
        made = models.create_model(call.context, body)
    except ConflictError:
        raise ExistsError(f"Registered Model (name={body.name}) already exists.") from None
    return {"registered_model": _model_json(call, made)}


def get_model(call: Call) -> dict[str, Any]:
    """A model with the newest version of each stage."""
    return {"registered_model": _model_json(call, _model(call))}


def _model(call: Call, fields: Fields | None = None) -> RegisteredModel:
    name = (fields or call.fields).needed("name")
    try:
        return models.get_model(call.context, name)
    except NotFoundError as error:
        raise NotFoundError(f"Registered Model with name={name[:200]} not found", None, error.hint) from None


def search_models(call: Call) -> dict[str, Any]:
    """Models by MLflow's filter, by name unless ordered otherwise."""
    fields = call.fields
    wanted, order = fields.text("filter"), fields.texts("order_by")
    count = fields.count("max_results", _PAGE, _PAGE_MOST)
    items: list[dict[str, Any]] = []
    token: str | None = None
    while True:
        page = models.list_models(call.context, which="all", limit=limits.PAGE_MAX, page_token=token)
        items += [
            {
                "name": model.name,
                "creation_timestamp": model.created_at,
                "last_updated_timestamp": model.updated_at,
                "tags": model.tags,
                "model": model,
            }
            for model in page.items
        ]
        token = page.next_page_token
        if token is None:
            break
    items.sort(key=lambda item: str(item["name"]))
    found = filters.select(items, attributes=_MODEL_ATTRIBUTES, filter=wanted, order_by=order)
    shown, after = filters.page(
        found,
        min(count, limits.PAGE_MAX),
        fields.text("page_token"),
        call.store.secret,
        ["registered models", wanted, order],
    )
    answer: dict[str, Any] = {"registered_models": [_model_json(call, item["model"]) for item in shown]}
    return answer | ({"next_page_token": after} if after else {})


def rename_model(call: Call) -> dict[str, Any]:
    """Give a model another name; its versions, aliases and stages go with it."""
    model = _model(call)
    try:
        body = UpdateModel(new_name=call.fields.needed("new_name"))
        changed = models.update_model(call.context, model.name, body)
    except ConflictError:
        raise ExistsError("Registered Model of the new name already exists.") from None
    return {"registered_model": _model_json(call, changed)}


def update_model(call: Call) -> dict[str, Any]:
    """Change a model's description."""
    body = UpdateModel(description=call.fields.text("description"))
    changed = models.update_model(call.context, _model(call).name, body)
    return {"registered_model": _model_json(call, changed)}


def delete_model(call: Call) -> dict[str, Any]:
    """Delete a model with its versions, unless one is in use."""
    models.delete_model(call.context, _model(call).name)
    return {}


def latest_versions(call: Call) -> dict[str, Any]:
    """The newest version of each stage, or of the stages asked for."""
    model = _model(call)
    stages = [_stage(text) for text in call.fields.texts("stages")] or list(_STAGES)
    versions = [version for version in _latest(call, model) if version.stage in stages]
    return {"model_versions": [_version_json(call, version) for version in versions]}


def set_model_tag(call: Call) -> dict[str, Any]:
    """Set a tag of a model."""
    return _change_model_tag(call, call.fields.value("value"))


def delete_model_tag(call: Call) -> dict[str, Any]:
    """Remove a tag of a model; nothing happens where it has none of that name."""
    return _change_model_tag(call, None)


def _change_model_tag(call: Call, value: str | None) -> dict[str, Any]:
    body = UpdateModel(tags={call.fields.needed("key"): value})
    models.update_model(call.context, _model(call).name, body)
    return {}


def set_alias(call: Call) -> dict[str, Any]:
    """Let an alias mean a version from now on."""
    version = _version(call)
    body = SetModelAlias(alias=call.fields.needed("alias"), version=version.version)
    models.set_model_alias(call.context, version.name, body)
    return {}


def delete_alias(call: Call) -> dict[str, Any]:
    """Forget an alias."""
    models.delete_model_alias(call.context, _model(call).name, call.fields.needed("alias"))
    return {}


def get_by_alias(call: Call) -> dict[str, Any]:
    """The version that an alias means."""
    model, alias = _model(call), call.fields.needed("alias")
    if alias not in model.aliases:
        raise InvalidError(f"Registered model alias {alias[:200]} not found.")
    found = models.get_model_version(call.context, model.name, model.aliases[alias])
    return {"model_version": _version_json(call, found)}


def create_version(call: Call) -> dict[str, Any]:
    """Register a logged model, or a folder of a run, as a model's next version. No byte is copied."""
    fields = call.fields
    text = fields.needed("source")
    model = _model(call)
    with call.store.database.read() as connection:
        source = resolved_source(connection, text, fields.text("model_id"))
    properties = {MODEL_ID_PROPERTY: source.model_id} if source.model_id else {}
    body = CreateModelVersion(
        run_id=source.run_id,
        path=source.path,
        model=source.model,
        description=fields.text("description") or "",
        tags=fields.pairs("tags"),
        properties=properties,
    )
    made = models.create_model_version(call.context, model.name, body)
    return {"model_version": _version_json(call, made)}


def get_version(call: Call) -> dict[str, Any]:
    """A version of a model."""
    return {"model_version": _version_json(call, _version(call))}


def _version(call: Call) -> ModelVersion:
    name = call.fields.needed("name")
    number = call.fields.integer("version")
    if number is None:
        raise MissingValueError("version")
    try:
        if not 1 <= number <= limits.MODEL_VERSION_MAX:
            raise NotFoundError("There is no such number.")
        return models.get_model_version(call.context, name, number)
    except NotFoundError:
        raise NotFoundError(f"Model Version (name={name[:200]}, version={number}) not found") from None


def search_versions(call: Call) -> dict[str, Any]:
    """Versions by MLflow's filter, those that changed last first."""
    fields = call.fields
    wanted, order = fields.text("filter"), fields.texts("order_by")
    count = fields.count("max_results", _PAGE, _PAGE_MOST)
    items = [_item(call, version) for version in _all_versions(call)]
    items.sort(key=lambda item: (-item["last_updated_timestamp"], item["name"], -item["version_number"]))
    found = filters.select(items, attributes=_VERSION_ATTRIBUTES, filter=wanted, order_by=order)
    shown, after = filters.page(
        found,
        min(count, limits.PAGE_MAX),
        fields.text("page_token"),
        call.store.secret,
        ["model versions", wanted, order],
    )
    answer: dict[str, Any] = {"model_versions": [item["version"] for item in shown]}
    return answer | ({"next_page_token": after} if after else {})


def _all_versions(call: Call, name: str | None = None) -> list[ModelVersion]:
    found: list[ModelVersion] = []
    token: str | None = None
    while True:
        page = models.list_model_versions(
            call.context, name=name, which="all", limit=limits.PAGE_MAX, page_token=token
        )
        found += page.items
        token = page.next_page_token
        if token is None:
            return found


def _item(call: Call, version: ModelVersion) -> dict[str, Any]:
    """What a filter can speak of."""
    shown = _version_json(call, version)
    return {
        "name": version.name,
        "run_id": shown.get("run_id", ""),
        "source_path": shown["source"],
        "version_number": version.version,
        "creation_timestamp": version.created_at,
        "last_updated_timestamp": version.updated_at,
        "tags": version.tags,
        "version": shown,
    }


def version_uri(call: Call) -> dict[str, Any]:
    """Where a version's files can be read: they are its own, whatever became of its run."""
    version = _version(call)
    return {"artifact_uri": download_uri(version.name, version.version)}


def update_version(call: Call) -> dict[str, Any]:
    """Change a version's description."""
    version = _version(call)
    body = UpdateModelVersion(description=call.fields.text("description"))
    changed = models.update_model_version(call.context, version.name, version.version, body)
    return {"model_version": _version_json(call, changed)}


def delete_version(call: Call) -> dict[str, Any]:
    """Delete a version, unless it is in use."""
    version = _version(call)
    models.delete_model_version(call.context, version.name, version.version)
    return {}


def set_stage(call: Call) -> dict[str, Any]:
    """Move a version to a stage."""
    version, stage = _version(call), _stage(call.fields.needed("stage"))
    body = SetModelStage(stage=stage, archive_existing=call.fields.flag("archive_existing_versions"))
    changed = models.set_model_stage(call.context, version.name, version.version, body)
    return {"model_version": _version_json(call, changed)}


def set_version_tag(call: Call) -> dict[str, Any]:
    """Set a tag of a version."""
    return _change_version_tag(call, call.fields.value("value"))


def delete_version_tag(call: Call) -> dict[str, Any]:
    """Remove a tag of a version; nothing happens where it has none of that name."""
    return _change_version_tag(call, None)


def _change_version_tag(call: Call, value: str | None) -> dict[str, Any]:
    version = _version(call)
    body = UpdateModelVersion(tags={call.fields.needed("key"): value})
    models.update_model_version(call.context, version.name, version.version, body)
    return {}


def _stage(text: str) -> Any:
    for stage in _STAGES:
        if stage.lower() == text.lower():
            return stage
    raise WrongValueError("stage", text, f"one of {', '.join(_STAGES)}")


def _latest(call: Call, model: RegisteredModel) -> list[ModelVersion]:
    newest: dict[str, ModelVersion] = {}
    for version in _all_versions(call, model.name):
        before = newest.get(version.stage)
        if before is None or version.version > before.version:
            newest[version.stage] = version
    return list(newest.values())


def _model_json(call: Call, model: RegisteredModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "creation_timestamp": model.created_at,
        "last_updated_timestamp": model.updated_at,
        "description": model.description,
        "latest_versions": [_version_json(call, version) for version in _latest(call, model)],
        "tags": [{"key": key, "value": value} for key, value in model.tags.items()],
        "aliases": [{"alias": alias, "version": str(number)} for alias, number in model.aliases.items()],
    }


def _version_json(call: Call, version: ModelVersion) -> dict[str, Any]:
    lineage = version.lineage
    shown = {
        "name": version.name,
        "version": str(version.version),
        "creation_timestamp": version.created_at,
        "last_updated_timestamp": version.updated_at,
        "user_id": version.user,
        "current_stage": version.stage,
        "description": version.description,
        "source": told_source(version, _experiment(call, lineage.experiment)),
        "status": "READY",
        "tags": [{"key": key, "value": value} for key, value in version.tags.items()],
        "aliases": version.aliases,
    }
    if lineage.run_id:
        shown["run_id"] = lineage.run_id
    if model_id := version.properties.get(MODEL_ID_PROPERTY):
        shown["model_id"] = model_id
    return shown


def _experiment(call: Call, name: str | None) -> str | None:
    if name is None:
        return None
    with call.store.database.read() as connection:
        number = connection.execute(
            sa.select(experiments.c.number).where(experiments.c.name == name)
        ).scalar_one_or_none()
    return None if number is None else experiment_id(number, name)
