"""A run on an attached machine (a real sshd on loopback) against ``ssh host python script.py``."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from jupyter_aml import command
from jupyter_aml.compute.engines.ssh.connection import TargetFolder, ssh_arguments, ssh_environment
from tests.benchmarks.measuring import fresh_workspace, line
from tests.compute.ssh.conftest import SSHD, Host, attach

ROUNDS = 15


def main() -> None:
    """Print the ratio of the medians of paired rounds."""
    if SSHD is None:
        print("  no sshd on this machine: left out")
        return
    with tempfile.TemporaryDirectory() as folder, fresh_workspace(warm=True) as workspace:
        host = Host(Path(folder))
        try:
            attach(workspace, host, python=sys.executable)
            script = Path(folder) / "code" / "script.py"
            script.parent.mkdir()
            script.write_text("print('hello')")
            place = TargetFolder(workspace.client.location.folder.computes / "gpu-box")
            plain = ssh_arguments(place.load(), place, f"exec {sys.executable} {script}")
            job = command("python script.py", code=script.parent)
            ours, theirs = [], []
            for number in range(ROUNDS + 1):
                begun = time.perf_counter()
                subprocess.run(plain, env=ssh_environment(place), check=True, capture_output=True)
                middle = time.perf_counter()
                workspace.submit(job, compute="gpu-box").wait_for_completion(show_output=False)
                if number:  # the first run brings what there is to bring
                    theirs.append(middle - begun)
                    ours.append(time.perf_counter() - middle)
            line(
                "a run on an attached machine, submitted to Completed, against ssh host python script.py",
                statistics.median(ours), statistics.median(theirs), "s", "at most 3",
            )  # fmt: skip
        finally:
            host.stop()
