"""What a runner is told, and the folder it works in.

``spec.json`` is written by the service when it claims the run, with mode 0600 because the run's token is in
it. The work folder is made from the snapshot by digest: each file's bytes are checked while they are
copied, so that what was submitted is what runs.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from jupyter_aml.compute.engines.local.slice import Slice
from jupyter_aml.core.blobs import BlobCorruptError, BlobStore
from jupyter_aml.core.durable import write_durably
from jupyter_aml.core.paths import WorkspaceFolder, make_private


@dataclass(frozen=True)
class Assignment:
    """One attempt of a run, as the service hands it to a runner.

    ``files`` are the snapshot's ``{path, digest, size, executable}``; ``environment`` is the job's whole
    environment but for what the runner adds; ``doorbell`` is the socket that wakes the service. ``slices``
    are the parts of this machine the job is held to, one for each of its nodes; none for the whole of it.
    ``compute`` is where the run was sent.
    ``python_environment`` is the environment the job names, as `environments.assign` tells it; None for the
    service's own Python. ``tracking`` is what MLflow's client is to see, in the job's environment.
    ``inputs`` are the job's data, as `data.assign` tells it.
    """

    run_id: str
    attempt: int
    display_name: str
    experiment: str
    workspace: str
    job: dict[str, Any]
    files: list[dict[str, Any]]
    token: str
    environment: dict[str, str]
    doorbell: str
    slices: list[dict[str, Any]] = field(default_factory=list)
    python_environment: dict[str, Any] | None = None
    compute: str = "local"
    tracking: dict[str, str] = field(default_factory=dict)
    inputs: list[dict[str, Any]] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Write it to an attempt's folder."""
        make_private(folder)
        write_durably(folder / "spec.json", json.dumps(asdict(self)).encode())

    @classmethod
    def load(cls, folder: Path) -> Assignment:
        """Read it back."""
        return cls(**json.loads((folder / "spec.json").read_bytes()))

    def places(self) -> list[Slice]:
        """The slices of this machine the job is held to, one for each of its nodes."""
        return [Slice.from_json(found) for found in self.slices]

    def place(self) -> Slice | None:
        """The first of its slices."""
        return Slice.from_json(self.slices[0]) if self.slices else None

    def job_environment(self, prepared: dict[str, str] | None = None) -> dict[str, str]:
        """The environment of the job's own processes; ``prepared`` takes the place of ``environment``."""
        run_folder = WorkspaceFolder(Path(self.workspace)).run_folder(self.run_id)
        place = self.place()
        return {
            **(self.environment if prepared is None else prepared),
            **(place.environment() if place else {}),
            **({} if "MLFLOW_TRACKING_URI" in self.job["environment_variables"] else self._mlflow()),
            **self.job["environment_variables"],
            "AML_RUN_ID": self.run_id,
            "AML_ATTEMPT": str(self.attempt),
            "AML_WORKSPACE": self.workspace,
            "AML_EXPERIMENT": self.experiment,
            "AML_RUN_NAME": self.display_name,
            "AML_RUN_KIND": self.job["type"],
            "AML_RUN_DIR": str(run_folder.root),
            "AML_TOKEN": self.token,
        }

    def _mlflow(self) -> dict[str, str]:
        """What a script needs that knows only MLflow, to log to this run; the run's token opens no other."""
        if not self.tracking:
            return {}
        return {
            **self.tracking,
            "MLFLOW_TRACKING_TOKEN": self.token,
            "MLFLOW_RUN_ID": self.run_id,
            "MLFLOW_EXPERIMENT_NAME": self.experiment,
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }


def make_work_folder(assignment: Assignment, work: Path) -> None:
    """Lay out the snapshot in ``work`` with an empty ``outputs/`` beside it."""
    blobs = BlobStore(WorkspaceFolder(Path(assignment.workspace)).blobs)
    make_private(work)
    for file in assignment.files:
        target = work / file["path"]
        make_private(target.parent)
        copy_blob(blobs, file["digest"], target)
        if file["executable"]:
            target.chmod(0o700)
    for name in ("outputs", "logs"):
        make_private(work / name)


def copy_blob(blobs: BlobStore, digest: str, target: Path) -> None:
    """Copy a blob to the new file ``target``; `BlobCorruptError` for bytes that are not its own."""
    found = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with blobs.open(digest) as source, os.fdopen(descriptor, "wb") as file:
        while chunk := source.read(1024 * 1024):
            found.update(chunk)
            file.write(chunk)
    if found.hexdigest() != digest:
        raise BlobCorruptError(
            f"The stored bytes of {target.name!r} are not what was submitted (snapshot_mismatch).",
            hint="Run 'aml fsck' to see everything that is affected; submit the job again from its source.",
        )


def write_result(folder: Path, status: str, error: dict[str, Any] | None, ended_at: int) -> None:
    """Write how an attempt ended, durably, before anything else says so."""
    result = {"status": status, "error": error, "ended_at": ended_at}
    write_durably(folder / "result.json", json.dumps(result).encode())


def read_result(folder: Path) -> dict[str, Any] | None:
    """How an attempt ended, or None if it never came so far (or the file is not one of a runner)."""
    try:
        found = json.loads((folder / "result.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    sound = (
        isinstance(found, dict)
        and found.get("status") in ("Completed", "Failed", "Canceled")
        and isinstance(found.get("error"), dict | None)
        and type(found.get("ended_at")) is int
        and 0 <= found["ended_at"] < 2**62
    )
    return found if sound else None
