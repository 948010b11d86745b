"""Where a new version's files come from: a run, what was sent before, another version. No byte is copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jupyter_aml import limits
from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.environments.lock import LOCK_PATH
from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError, TooLargeError, did_you_mean
from jupyter_aml.models import records
from jupyter_aml.models.model import CreateModelVersion, Lineage, ModelFile
from jupyter_aml.models.tables import model_files, model_versions, models
from jupyter_aml.tracking.reading import run_row
from jupyter_aml.tracking.tables import artifacts, experiments

_LONGEST_GIT = 2_000  # characters of one thing that git says


@dataclass(frozen=True)
class Origin:
    """A version's files, the name of the one file or of the folder they are in, and their lineage."""

    files: list[ModelFile]
    root: str
    is_folder: bool
    lineage: Lineage


def origin_of(connection: sa.Connection, blobs: BlobStore, body: CreateModelVersion) -> Origin:
    """What the request names."""
    if body.run_id is not None and body.path is not None:
        return from_run(connection, body.run_id, body.path)
    if body.model is not None:
        return _from_version(connection, body.model)
    return _from_files(blobs, body.files or [], body.root or "", body.git)


def from_run(connection: sa.Connection, run_id: str, path: str) -> Origin:
    """The file ``path`` of a run, or all its files below the folder ``path``."""
    run = run_row(connection, run_id)
    path = check_logical_path(path.rstrip("/"))
    a = artifacts.c
    below, after = path + "/", path + "0"  # "0" is the character after "/"
    found = connection.execute(
        sa.select(a.path, a.digest, a.size)
        .where(a.run == run.number, sa.or_(a.path == path, sa.and_(a.path > below, a.path < after)))
        .order_by(a.path)
        .limit(limits.MODEL_FILES + 1)
    ).all()
    if not found:
        raise _no_file(connection, run, path)
    root = path.rsplit("/", 1)[-1]
    is_folder = found[0].path != path
    taken = found if is_folder else found[:1]
    files = [
        ModelFile(path=row.path.removeprefix(below) if is_folder else root, digest=row.digest, size=row.size)
        for row in taken
    ]
    _check_count(len(files))
    return Origin(files, root, is_folder, _lineage(connection, run, path))


def _no_file(connection: sa.Connection, run: sa.Row[Any], path: str) -> NotFoundError:
    known = connection.execute(
        sa.select(artifacts.c.path)
        .where(artifacts.c.run == run.number)
        .order_by(artifacts.c.path)
        .limit(1000)
    ).scalars()
    places = {place for file in known for place in (file, file.rsplit("/", 1)[0])}
    return NotFoundError(
        f"The run {run.display_name} has no file and no folder {path!r}.",
        hint=did_you_mean(path, sorted(places)) or "List its files with run.get_file_names().",
    )


def _lineage(connection: sa.Connection, run: sa.Row[Any], path: str) -> Lineage:
    spec = run.spec or {}
    lock = connection.execute(
        sa.select(artifacts.c.digest).where(artifacts.c.run == run.number, artifacts.c.path == LOCK_PATH)
    ).scalar_one_or_none()
    experiment = connection.execute(
        sa.select(experiments.c.name).where(experiments.c.number == run.experiment)
    ).scalar_one()
    return Lineage(
        run_id=run.id,
        run_name=run.display_name,
        run_kind=run.kind,
        run_user=run.user,
        experiment=experiment,
        path=path,
        snapshot=run.snapshot,
        notebook=spec.get("notebook") if spec.get("type") == "notebook" else None,
        git=_short(run.source.get("git")),
        environment=spec.get("environment"),
        environment_lock=lock,
    )


def _short(git: object) -> dict[str, Any] | None:
    if not isinstance(git, dict):
        return None
    return {name: v[:_LONGEST_GIT] if isinstance(v, str) else v for name, v in git.items()}


def _from_version(connection: sa.Connection, text: str) -> Origin:
    row = records.resolve(connection, text)
    name = connection.execute(
        sa.select(models.c.name)
        .join(model_versions, model_versions.c.model == models.c.number)
        .where(model_versions.c.number == row.number)
    ).scalar_one()
    lineage = Lineage.model_validate(row.lineage).model_copy(update={"model": f"{name}:{row.version}"})
    return Origin(files_of(connection, row.number), row.root, row.is_folder, lineage)


def files_of(connection: sa.Connection, number: int) -> list[ModelFile]:
    """All files of the version whose row has this number, by path."""
    f = model_files.c
    rows = connection.execute(sa.select(f.path, f.digest, f.size).where(f.version == number).order_by(f.path))
    return [ModelFile(**row._mapping) for row in rows]


def _from_files(blobs: BlobStore, files: list[ModelFile], root: str, git: dict[str, Any] | None) -> Origin:
    if check_logical_path(root) and "/" in root:
        raise InvalidError(
            f"The name {root!r} is no single name.", hint="Give the file's or the folder's name."
        )
    if not files:
        raise InvalidError("A model without files cannot be registered.")
    paths = {check_logical_path(file.path) for file in files}
    if len(paths) < len(files):
        raise InvalidError("The model names a file twice.")
    for path in paths:
        parts = path.split("/")
        if any("/".join(parts[:depth]) in paths for depth in range(1, len(parts))):
            raise InvalidError(f"The model names a file above {path!r} that would have to be a folder.")
    for file in files:
        if blobs.size(file.digest) != file.size:
            raise InvalidError(f"The file {file.path!r} does not have the {file.size:,} bytes announced.")
    is_folder = not (len(files) == 1 and files[0].path == root)
    return Origin(sorted(files, key=lambda file: file.path), root, is_folder, Lineage(git=git))


def _check_count(count: int) -> None:
    if count > limits.MODEL_FILES:
        raise TooLargeError(
            f"The folder has more than {limits.MODEL_FILES:,} files.",
            hint="Register the part that is the model.",
        )


def check_stored(blobs: BlobStore, files: list[ModelFile]) -> None:
    """Refuse files whose bytes are gone (called in the writer, where nothing is collected meanwhile)."""
    for file in files:
        if not blobs.has(file.digest):
            raise ConflictError(
                f"The bytes of {file.path!r} are not stored any more.", hint="Send the file again."
            )
