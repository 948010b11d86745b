"""Registering an artifact of 1 GB from a run: rows are written, no byte is read beyond its first ones."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator

from jupyter_aml.workspace import Workspace
from tests.benchmarks.measuring import fresh_workspace

SIZE = 1024**3
FILES = 10_000
ROUNDS = 30
_WANTED_MS = 50
_CHUNK = os.urandom(1024 * 1024)


def chunks() -> Iterator[bytes]:
    """One GB that is no pickle, in pieces."""
    for _ in range(SIZE // len(_CHUNK)):
        yield _CHUNK


def register_seconds(workspace: Workspace, path: str, rounds: int) -> list[float]:
    """Seconds of each of so many calls of `register_model` of what the newest run has at ``path``."""
    run = workspace.runs.list(limit=1)[0]
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        run.register_model("bench", path)
        taken.append(time.perf_counter() - begun)
    return taken


def main() -> None:
    """Print what registering takes, the first time, in the median and at worst."""
    with fresh_workspace() as workspace:
        with workspace.experiments["bench"].start_run() as run:
            workspace.client.call("upload_artifact", run_id=run.id, path="outputs/model.pkl", content=chunks)
            for number in range(FILES):
                run.log_text(f"outputs/folder/{number:05}.txt", str(number))
        used = workspace_bytes(workspace)
        taken = register_seconds(workspace, "outputs/model.pkl", ROUNDS)
        many = register_seconds(workspace, "outputs/folder", 3)
        grown = workspace_bytes(workspace) - used
        median, worst = statistics.median(taken) * 1000, max(taken) * 1000
        print(
            f"  register_model of 1 GB from a run: {median:.1f} ms, the first {taken[0] * 1000:.1f} ms, the slowest "
            f"{worst:.1f} ms of {ROUNDS} (wanted: under {_WANTED_MS}); the blobs grew by {grown:,} bytes"
        )
        print(f"  of a folder of {FILES:,} files: {statistics.median(many) * 1000:,.0f} ms")
        begun = time.perf_counter()
        model = workspace.models.get("bench", 1)
        place = model.download(workspace.client.location.folder.root.parent / "here")
        seconds = time.perf_counter() - begun
        print(
            f"  download of 1 GB with every byte checked: {seconds:.1f} s, {place.stat().st_size / seconds / 1e6:,.0f} MB/s"
        )


def workspace_bytes(workspace: Workspace) -> int:
    """The bytes of all blobs."""
    return sum(
        path.stat().st_size for path in workspace.client.location.folder.blobs.rglob("*") if path.is_file()
    )
