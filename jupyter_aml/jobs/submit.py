"""Sending a job to the service: the user's side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.core.blobs import Blob, bytes_digest, file_digest
from jupyter_aml.core.durations import duration
from jupyter_aml.environments.environment import reference_to
from jupyter_aml.jobs.model import Job, NotebookModel
from jupyter_aml.jobs.snapshot import LocalFile, list_snapshot
from jupyter_aml.tracking.run import Run
from jupyter_aml.tracking.source import source_of

if TYPE_CHECKING:
    from jupyter_aml.client import Client
    from jupyter_aml.environments.environment import EnvironmentLike


def submit_job(
    client: Client,
    job: Job,
    *,
    compute: str | None = None,
    experiment: str | None = None,
    display_name: str | None = None,
    tags: Mapping[str, str] | None = None,
    environment: EnvironmentLike | None = None,
) -> Run:
    """Take the job's files along, queue it, and return its run.

    ``environment`` takes the place of the job's own.
    """
    wanted = job.environment if environment is None else environment
    spec = job.spec.model_dump(mode="json")
    spec["environment"] = None if wanted is None else reference_to(client, wanted)
    files = _send_files(client, job)
    found = client.call(
        "submit_job",
        job=spec,
        files=files,
        experiment=experiment or job.experiment_name or "default",
        display_name=display_name or job.display_name,
        compute=compute or "local",
        tags={**job.tags, **{name: str(value) for name, value in (tags or {}).items()}},
        source=source_of((job.folder or Path.cwd()).absolute()),
    )
    return Run(client, found)


def _send_files(client: Client, job: Job) -> list[dict[str, Any]]:
    """Send what the service does not have yet; the snapshot's list of files."""
    local = [] if job.folder is None else list_snapshot(job.folder, modules_only=job.modules_only)
    wanted = [(file, file_digest(file.source).digest) for file in local if file.path not in job.extra]
    generated = {path: bytes_digest(data) for path, data in job.extra.items()}
    digests = list({*generated.values(), *(digest for _, digest in wanted)})
    missing = set(client.call("missing_blobs", digests=digests)["missing"]) if digests else set()
    listed = []
    for path, digest in generated.items():
        if digest in missing:
            _send(client, job.extra[path])
        listed.append({"path": path, "digest": digest, "size": len(job.extra[path])})
    for file, digest in wanted:
        # A file that changed since it was looked at goes along as it is now.
        blob = _send(client, _read(file)) if digest in missing else Blob(digest, file.size)
        missing.discard(digest)
        listed.append(
            {"path": file.path, "digest": blob.digest, "size": blob.size, "executable": file.executable}
        )
    return listed


def _send(client: Client, data: bytes) -> Blob:
    digest = bytes_digest(data)
    client.call("put_blob", digest=digest, content=data)
    return Blob(digest, len(data))


def _read(file: LocalFile) -> bytes:
    with os.fdopen(os.open(file.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:
        return stream.read()


def cell_job(
    source: str,
    namespace: Mapping[str, Any],
    *,
    include: Sequence[str] | None = None,
    returns: Sequence[str] | None = None,
    folder: Path | None = None,
    timeout: str | float | None = None,
) -> Job:
    """The job that runs a cell: a generated notebook, its variables, and the modules beside it."""
    from jupyter_aml.cells import CELL_NOTEBOOK, PAYLOAD_PATH, capture, cell_notebook

    payload = capture(source, namespace, include=include, returns=returns)
    document = cell_notebook(source, payload)
    import nbformat

    spec = NotebookModel(
        type="cell", notebook=CELL_NOTEBOOK, returns=list(returns or ()), timeout=duration(timeout)
    )
    job = Job(
        spec,
        folder or Path.cwd(),
        modules_only=True,
        extra={CELL_NOTEBOOK: nbformat.writes(document).encode(), PAYLOAD_PATH: payload.data},
    )
    behind = "; ".join(f"{name}: {reason}" for name, reason in payload.left_out.items())
    job.summary = f"{payload.summary}, without {behind}" if behind else payload.summary
    return job
