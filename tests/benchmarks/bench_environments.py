"""An environment that is built already: how soon a job has it, and what the whole run takes beyond a plain one."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from jupyter_aml import command
from jupyter_aml.client.launch import index_environment
from jupyter_aml.environments.build import Builder
from jupyter_aml.environments.curated import CURATED
from jupyter_aml.environments.index import uv_environment
from jupyter_aml.environments.overlay import make_overlay
from jupyter_aml.workspace import Workspace
from tests.benchmarks.measuring import fresh_workspace, line

ROUNDS = 15


def from_cache(root: Path) -> float:
    """Seconds until the sklearn environment is ready to start a job with, when it was built before."""
    builder = Builder(
        root, index=uv_environment(index_environment(), []), write=lambda line: None, stop=lambda: None
    )
    definition = CURATED["sklearn"].definition
    os.close(builder.ready(definition).use)
    taken = []
    for number in range(ROUNDS):
        begun = time.perf_counter()
        ready = builder.ready(definition)
        make_overlay(ready.built, ready.resolution.python.version, root / f"overlay-{number}")
        taken.append(time.perf_counter() - begun)
        os.close(ready.use)
    return statistics.median(taken)


def run_seconds(workspace: Workspace, environment: str | None) -> float:
    """Seconds from submit to Completed of a command that does nothing."""
    begun = time.perf_counter()
    run = workspace.submit(command("python -c pass", environment=environment))
    run.wait_for_completion(show_output=False)
    return time.perf_counter() - begun


def main() -> None:
    """Print both."""
    with tempfile.TemporaryDirectory() as folder:
        seconds = from_cache(Path(folder))
        print(
            f"  a built environment, asked for again, is ready after {seconds * 1000:.1f} ms (wanted: at most 50)"
        )
    with fresh_workspace() as workspace:
        run_seconds(workspace, "sklearn")
        plain, built = [], []
        for _ in range(ROUNDS):
            plain.append(run_seconds(workspace, None))
            built.append(run_seconds(workspace, "sklearn"))
        line(
            "a command in a built environment, against one in the service's own Python",
            statistics.median(built), statistics.median(plain), "s", "as little as can be",
        )  # fmt: skip
