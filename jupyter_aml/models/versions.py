"""Writing versions: what is checked, how a number is given, how what belongs to a version changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from jupyter_aml import limits
from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.core.operation import Context
from jupyter_aml.core.paths import check_text, check_value
from jupyter_aml.errors import ConflictError, InvalidError
from jupyter_aml.models import records
from jupyter_aml.models.digests import model_digest
from jupyter_aml.models.flavors import find_flavor
from jupyter_aml.models.model import CreateModelVersion, ModelVersion
from jupyter_aml.models.origins import Origin, check_stored, origin_of
from jupyter_aml.models.references import check_model_name
from jupyter_aml.models.tables import model_aliases, model_files, model_versions, models
from jupyter_aml.tracking import states
from jupyter_aml.tracking.ingest import ingest_for_reading
from jupyter_aml.tracking.operations import request_digest

_v, _m = model_versions.c, models.c


def register(context: Context, name: str, body: CreateModelVersion) -> ModelVersion:
    """Register a version and show it; the same key gives the same version."""
    check_model_name(name)
    check_description(body.description)
    check_pairs(body.tags, "tag")
    check_pairs(body.properties, "property")
    digest = request_digest([name, body.model_dump(exclude={"key", "git"})])
    user, key = context.principal.user, body.key
    if body.run_id is not None:
        ingest_for_reading(context.store, body.run_id)
    with context.database.read() as connection:
        done = _keyed(connection, user, key, digest)
        if done is not None:
            return records.show_version(connection, done)
        origin = origin_of(connection, context.store.blobs, body)
    values = _values(context.store.blobs, origin, body) | {
        "user": user,
        "key": key,
        "request_digest": digest,
    }

    def write(connection: sa.Connection) -> ModelVersion:
        done = _keyed(connection, user, key, digest)
        if done is None:
            check_stored(context.store.blobs, origin.files)
            done = _insert(connection, name, body.version, values, origin)
        return records.show_version(connection, done)

    return context.database.write(write)


def _keyed(connection: sa.Connection, user: str, key: str | None, digest: str) -> int | None:
    """The version an earlier request with this idempotency key made, if there was one."""
    if key is None:
        return None
    row = connection.execute(
        sa.select(_v.number, _v.request_digest).where(_v.user == user, _v.key == key)
    ).one_or_none()
    if row is not None and row.request_digest != digest:
        raise ConflictError(
            f"The idempotency key {key!r} was used for another request.", hint="Use a fresh key."
        )
    return None if row is None else int(row.number)


def _values(blobs: BlobStore, origin: Origin, body: CreateModelVersion) -> dict[str, Any]:
    def read(digest: str, size: int) -> bytes:
        with blobs.open(digest) as stream:
            return stream.read(size)

    flavor, kind, signature = find_flavor(origin.files, read, body.type)
    lineage = origin.lineage.model_copy(update={"datasets": body.datasets or origin.lineage.datasets})
    told = body.signature or signature
    return {
        "description": body.description,
        "tags": body.tags,
        "properties": body.properties,
        "stage": body.stage,
        "type": kind,
        "flavor": flavor.model_dump(mode="json"),
        "signature": None if told is None else told.model_dump(mode="json"),
        "root": origin.root,
        "is_folder": origin.is_folder,
        "digest": model_digest((file.path, file.digest) for file in origin.files),
        "size": sum(file.size for file in origin.files),
        "file_count": len(origin.files),
        "run": lineage.run_id,
        "lineage": lineage.model_dump(mode="json"),
    }


def _insert(
    connection: sa.Connection, name: str, version: int | None, values: dict[str, Any], origin: Origin
) -> int:
    model = connection.execute(sa.select(models).where(_m.name == name)).one_or_none()
    if model is None:
        insert_model(connection, name, values["user"], "", {})
        model = records.find_model(connection, name)
    number = version or model.last_version + 1
    if number > limits.MODEL_VERSION_MAX:
        raise InvalidError(f"The model {name!r} has come to the last number there is.")
    taken = sa.select(_v.number).where(_v.model == model.number, _v.version == number)
    if connection.execute(taken).one_or_none():
        raise ConflictError(
            f"The model {name!r} has a version {number} already.",
            hint="Versions never change: leave the version out, and the next number is taken.",
        )
    at = states.now()
    connection.execute(
        sa.update(models)
        .where(_m.number == model.number)
        .values(last_version=max(number, model.last_version), updated_at=at)
    )
    made = connection.execute(
        sa.insert(model_versions).values(
            model=model.number, version=number, created_at=at, updated_at=at, **values
        )
    )
    (row,) = made.inserted_primary_key or (0,)
    connection.execute(
        sa.insert(model_files), [{"version": row, **file.model_dump()} for file in origin.files]
    )
    return int(row)


def insert_model(
    connection: sa.Connection, name: str, user: str, description: str, tags: Mapping[str, str]
) -> None:
    """Insert a name that is not there yet."""
    at = states.now()
    connection.execute(
        sa.insert(models).values(
            name=name, description=description, tags=dict(tags), user=user, created_at=at, updated_at=at
        )
    )


def set_alias(connection: sa.Connection, row: sa.Row[Any], alias: str) -> None:
    """Let ``alias`` of the model mean the version with this row."""
    statement = insert(model_aliases).values(model=row.model, alias=alias, version=row.number)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["model", "alias"], set_={"version": row.number})
    )
    connection.execute(sa.update(models).where(_m.number == row.model).values(updated_at=states.now()))


def set_archived(connection: sa.Connection, which: sa.ColumnElement[bool], *, archived: bool) -> None:
    """Archive versions or bring them back; one that is archived keeps the time that happened."""
    at = states.now()
    wrong = _v.archived_at.is_(None) if archived else _v.archived_at.is_not(None)
    connection.execute(
        sa.update(model_versions)
        .where(which, wrong)
        .values(archived_at=at if archived else None, updated_at=at)
    )


def merged(old: Mapping[str, str], changes: Mapping[str, str | None], what: str) -> dict[str, str]:
    """Tags or properties after a change, in which None removes one."""
    found = {key: value for key, value in {**old, **changes}.items() if value is not None}
    check_pairs(found, what)
    return found


def check_description(text: str) -> str:
    """``text`` if it may be a description."""
    return check_value(text, "description", limits.DESCRIPTION_LENGTH)


def check_pairs(pairs: Mapping[str, str], what: str) -> None:
    """Refuse tags or properties (``what``) that cannot be kept."""
    if len(pairs) > limits.TAGS_A_RUN:
        raise InvalidError(f"A model has at most {limits.TAGS_A_RUN:,} of each kind of {what}.")
    for name, value in pairs.items():
        check_text(name, f"name of a {what}", limits.TAG_NAME_LENGTH)
        check_value(value, f"value of {what} {name!r}", limits.TAG_VALUE_LENGTH)
