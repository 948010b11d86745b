"""Submitting jobs: the service's side."""

from __future__ import annotations

import json
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Path as InPath
from fastapi import Query, Request
from sqlalchemy.dialects.sqlite import insert

from jupyter_aml import limits
from jupyter_aml.compute.records import check_target
from jupyter_aml.core import ids
from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.core.operation import Context, Operations
from jupyter_aml.core.paths import check_logical_path, check_text
from jupyter_aml.data import records as data_records
from jupyter_aml.data.assign import keep_inputs
from jupyter_aml.environments import records
from jupyter_aml.environments.assign import ASKED, check_pickles, keep_lock_of
from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError, TooLargeError, did_you_mean
from jupyter_aml.jobs.model import (
    CommandModel,
    DataInput,
    InspectNotebook,
    MissingBlobs,
    NotebookInspection,
    NotebookModel,
    RerunJob,
    SubmitJob,
    SubmittedFile,
)
from jupyter_aml.tracking.downloads import receive
from jupyter_aml.tracking.experiments import experiment_number
from jupyter_aml.tracking.model import RunModel, Status
from jupyter_aml.tracking.operations import (
    RunPath,
    fresh_run,
    insert_run,
    keyed_run,
    parent_number,
    publish,
    request_digest,
)
from jupyter_aml.tracking.reading import load_run, run_row
from jupyter_aml.tracking.recorder import OWN_TAGS
from jupyter_aml.tracking.records import set_own_tag, set_tags
from jupyter_aml.tracking.source_files import split_source, store_source
from jupyter_aml.tracking.tables import runs, snapshot_files

operations = Operations()


@operations.add("POST", "/blobs/missing", action="read", resource="aml.blobs", own_run=True)
def missing_blobs(context: Context, body: MissingBlobs) -> dict[str, list[str]]:
    """Which of these digests are not stored yet, so that only those are sent."""
    blobs = context.store.blobs
    return {"missing": [digest for digest in body.digests if not blobs.has(digest)]}


@operations.add(
    "PUT", "/blobs/{digest}", action="write", resource="aml.blobs", own_run=True, status=201, raw_body=True
)
async def put_blob(
    context: Context, digest: Annotated[str, InPath(pattern="^[0-9a-f]{64}$")], request: Request
) -> dict[str, Any]:
    """Store the body, which must have this sha256."""
    blob = await receive(context.store.blobs, request, digest)
    return {"digest": blob.digest, "size": blob.size}


@operations.add("POST", "/jobs", action="write", resource="aml.jobs", own_run=True, status=201)
def submit_job(context: Context, body: SubmitJob) -> RunModel:
    """Queue a job; its files must have been sent before. The same key gives the same run."""
    return _submit(context, body)


def _submit(context: Context, body: SubmitJob, repeated: sa.Row[Any] | None = None) -> RunModel:
    name = check_text(body.display_name or ids.display_name(), "display name", limits.DISPLAY_NAME_LENGTH)
    digest = request_digest(body.model_dump(exclude={"source", "key"}))
    environment, data = _environment(context, body), _data(context, body)
    with context.database.read() as connection:
        compute = check_target(connection, body.compute, body.job.model_dump())
    snapshot = check_files(context.store.blobs, body.files)
    if isinstance(body.job, NotebookModel):
        check_notebook(context.store.blobs, body.job, body.files)
    source, extra = split_source(body.source)
    stored = store_source(context.store.blobs, extra)

    def write(connection: sa.Connection) -> str:
        found = keyed_run(connection, context.principal.user, body.key, digest)
        if found:
            return found
        run_id = ids.new_run_id()
        number = insert_run(
            connection,
            {
                "id": run_id,
                "experiment": experiment_number(connection, body.experiment, context.principal.user),
                "parent": parent_number(connection, context, body.parent_id),
                "kind": body.job.type,
                "display_name": name,
                "description": body.job.description,
                "user": context.principal.user,
                "compute": compute,
                "source": source,
                "spec": body.job.model_dump(mode="json"),
                "snapshot": snapshot,
                "key": body.key,
                "request_digest": digest,
            },
            Status.QUEUED,
        )
        set_tags(connection, number, {"tags": body.tags})
        if environment is not None and environment.asked is not None:
            set_own_tag(connection, number, ASKED, environment.asked)
        if repeated is not None:
            set_own_tag(connection, number, "rerun_of", repeated.id)
            keep_lock_of(connection, number, repeated.number)
        _log_parameters(connection, number, body)
        keep_inputs(connection, number, data)
        save_files(connection, snapshot, body.files)
        stored.record(connection, number)
        return run_id

    failpoint("run.recorded")
    run_id = context.database.write(write)
    context.store.signals.wake()
    with context.database.read() as connection:
        run = load_run(connection, run_id)
    publish(context.store, run)
    return run


def _environment(context: Context, body: SubmitJob) -> records.Found | None:
    """The environment the job names, whose exact version is written into the job."""
    if body.job.environment is None:
        return None
    with context.database.read() as connection:
        found = records.find(connection, body.job.environment)
    if body.job.type == "cell" and isinstance(body.source.get("python"), str):
        check_pickles(found, body.source["python"])
    body.job.environment = found.reference
    return found


def _data(context: Context, body: SubmitJob) -> dict[str, tuple[int, str]]:
    """The job's data inputs, whose exact version is written into the job: (its number, mode) by name."""
    found: dict[str, tuple[int, str]] = {}
    for name, given in (body.job.inputs if isinstance(body.job, CommandModel) else {}).items():
        if not isinstance(given, DataInput):
            continue
        if name in (".", "..") or "/" in name:
            raise InvalidError(f"{ascii(name)[:80]} cannot name an input.")
        with context.database.read() as connection:
            row = data_records.find(connection, given.path)
        given.type, given.path = row.type, f"azureml:{row.name}:{row.version}"
        found[name] = (row.number, given.mode)
    return found


def _log_parameters(connection: sa.Connection, number: int, body: SubmitJob) -> None:
    """A job's parameters and inputs are params of its run, as far as they fit."""
    from jupyter_aml.tracking.records import set_param

    values = body.job.parameters if isinstance(body.job, NotebookModel) else body.job.inputs
    if len(values) > limits.PARAMS_A_RUN:
        raise InvalidError(f"A run has at most {limits.PARAMS_A_RUN:,} params.")
    for name, value in values.items():
        plain = value.path if isinstance(value, DataInput) else value
        text = plain if isinstance(plain, str) else json.dumps(plain)
        set_param(connection, number, {"name": name, "value": text[: limits.PARAM_VALUE_LENGTH]})


def check_files(blobs: BlobStore, files: list[SubmittedFile]) -> str:
    """The digest of a snapshot whose files are all stored and lawfully named."""
    seen: set[str] = set()
    for file in files:
        check_logical_path(file.path)
        if file.path in seen:
            raise InvalidError(f"The snapshot names {file.path!r} twice.")
        seen.add(file.path)
        if blobs.size(file.digest) != file.size:
            raise InvalidError(f"The file {file.path!r} does not have the {file.size:,} bytes announced.")
    for path in seen:
        parents = path.split("/")
        if any("/".join(parents[:depth]) in seen for depth in range(1, len(parents))):
            raise InvalidError(f"The snapshot names a file above {path!r} that would have to be a folder.")
    # A cell's variables travel outside the folder's limit, under the limit for shipped variables.
    if sum(file.size for file in files) > limits.SNAPSHOT_BYTES + limits.CELL_SHIP_BYTES:
        raise TooLargeError("The snapshot is over the limit.")
    return request_digest(
        [(file.path, file.digest, file.executable) for file in sorted(files, key=lambda f: f.path)]
    )


def save_files(connection: sa.Connection, snapshot: str, files: list[SubmittedFile]) -> None:
    """Keep the snapshot's list of files; the same snapshot is kept once."""
    rows = [{"snapshot": snapshot, **file.model_dump()} for file in files]
    if rows:
        connection.execute(insert(snapshot_files).on_conflict_do_nothing(), rows)


def check_notebook(blobs: BlobStore, job: NotebookModel, files: list[SubmittedFile]) -> None:
    """Refuse what would fail later: no notebook, an unknown parameter, a value of a wrong type."""
    found = next((file.digest for file in files if file.path == job.notebook), None)
    if found is None:
        raise InvalidError(
            f"The snapshot has no notebook {job.notebook!r}.", hint="Is it named in .amlignore?"
        )
    if job.type == "cell":
        return
    from jupyter_aml.jobs.notebook.document import read_notebook
    from jupyter_aml.jobs.notebook.kernel_names import kernel_of
    from jupyter_aml.jobs.notebook.parameters import check_parameters

    document = read_notebook(blobs.read(found))
    kernel_of(document)
    check_parameters(document, job.parameters)


@operations.add("POST", "/notebooks/inspect", action="read", resource="aml.jobs")
def inspect_notebook(context: Context, body: InspectNotebook) -> NotebookInspection:
    """The parameters of a notebook: name, default (its source text), type and help of each."""
    from jupyter_aml.jobs.notebook.document import read_notebook
    from jupyter_aml.jobs.notebook.parameters import notebook_parameters

    return NotebookInspection.model_validate(notebook_parameters(read_notebook(body.notebook)))


@operations.add("POST", "/runs/{run_id}/rerun", action="write", resource="aml.jobs", status=201)
def rerun_run(context: Context, run_id: RunPath, body: RerunJob) -> RunModel:
    """Submit a run's job again from its stored snapshot, with some parameters changed."""
    with context.database.read() as connection:
        row = run_row(connection, run_id)
        run = load_run(connection, run_id)
        files = connection.execute(
            sa.select(snapshot_files).where(snapshot_files.c.snapshot == row.snapshot)
        ).all()
    if row.spec is None:
        raise ConflictError(
            f"Run {row.display_name} was not submitted; there is no job to run again.",
            hint="Only runs of %%aml submit, aml submit and ws.submit can be run again.",
        )
    spec = dict(row.spec)
    values = "inputs" if spec["type"] == "command" else "parameters"
    unknown = [name for name in body.parameters if spec["type"] == "command" and name not in spec[values]]
    if unknown:
        raise InvalidError(
            f"The job has no input {unknown[0]!r}.", hint=did_you_mean(unknown[0], spec[values])
        )
    spec[values] = {**spec[values], **body.parameters}
    again = SubmitJob.model_validate(
        {
            "job": spec,
            "files": [
                {"path": f.path, "digest": f.digest, "size": f.size, "executable": f.executable}
                for f in files
            ],
            "experiment": run.experiment,
            "display_name": body.display_name,
            "tags": {name: value for name, value in run.tags.items() if not name.startswith(OWN_TAGS)},
            "source": run.source,
            "key": body.key,
        }
    )
    return _submit(context, again, repeated=row)


@operations.add("GET", "/resolve-run", action="read", resource="aml.runs")
def resolve_run(context: Context, text: Annotated[str, Query(min_length=1, max_length=250)]) -> RunModel:
    """The run that ``text`` means: the first 8 or more digits of its id, or a display name only it has."""
    by_id = len(text) >= 8 and all(c in "0123456789abcdef" for c in text)
    matches = sa.func.substr(runs.c.id, 1, len(text)) == text if by_id else runs.c.display_name == text
    if by_id:
        matches = sa.or_(matches, runs.c.display_name == text)
    with context.database.read() as connection:
        found = connection.execute(sa.select(runs.c.id).where(matches).limit(2)).scalars().all()
        if not found:
            names = connection.execute(
                sa.select(runs.c.display_name).order_by(runs.c.number.desc()).limit(1000)
            ).scalars()
            raise NotFoundError(
                f"There is no run {text!r}.", hint=did_you_mean(text, names) or "List them with: aml runs"
            )
    if len(found) > 1:
        raise ConflictError(f"More than one run is called {text!r}.", hint="Name it by its id: aml runs")
    return fresh_run(context, found[0])


@operations.add("POST", "/warm", action="write", resource="aml.jobs", status=202)
def warm_up(context: Context) -> dict[str, str]:
    """Begin to prepare for quick starts of runs; returns at once."""
    context.store.signals.publish({"warm": True})
    return {"status": "warming"}
