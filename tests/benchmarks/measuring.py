"""What the benchmarks share: a workspace of their own, a peer's figure, and lines that read alike."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator

from jupyter_aml.client import launch
from jupyter_aml.workspace import Workspace


@contextlib.contextmanager
def fresh_workspace(*, warm: bool = False) -> Iterator[Workspace]:
    """A workspace in a new folder, whose service ends with the block."""
    with tempfile.TemporaryDirectory(prefix="aml-bench-") as home:
        os.environ["AML_HOME"] = home
        os.environ["AML_WARM"] = "1" if warm else "0"
        workspace = Workspace.default()
        try:
            yield workspace
        finally:
            workspace.client.call("stop_service")
            launch.wait_until_gone(workspace.client.location.folder)


def peer(code: str) -> float | None:
    """The number a peer's program prints as its last line; None where the peers are not installed."""
    python = os.environ.get("AML_PEERS_PYTHON")
    if python is None:
        return None
    with tempfile.TemporaryDirectory(prefix="aml-peer-") as folder:
        environment = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "1",
            "WANDB_MODE": "offline",
            "WANDB_SILENT": "true",
        }
        done = subprocess.run(
            [python, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        print(f"  the peer failed: {done.stderr.strip().splitlines()[-1:]}")
        return None
    return float(json.loads(done.stdout.strip().splitlines()[-1]))


def line(what: str, ours: float, other: float | None, unit: str, wanted: str) -> None:
    """One comparison: ours, the other's, the ratio other/ours, and what the ratio should be."""
    if other is None:
        print(f"  {what}: {ours:,.4g} {unit}; the peer is not installed here")
    else:
        print(
            f"  {what}: {ours:,.4g} {unit} against {other:,.4g} {unit}, ratio {ours / other:.3g} (wanted: {wanted})"
        )
