"""Ten processes at once, 10,000 points each: nothing lost, nobody sees a lock; the service's memory and starts."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from jupyter_aml.client import launch
from tests.benchmarks.measuring import fresh_workspace

RUNS, POINTS = 10, 10_000
CODE = f"""
from jupyter_aml import Workspace
with Workspace.default().experiments["many"].start_run() as run:
    for step in range({POINTS}): run.log("loss", 1 / (step + 1), step)
print(run.id)
"""


def main() -> None:
    with fresh_workspace() as workspace:
        begun = time.perf_counter()
        workspace.get_details()
        print(f"  service, cold start to its first answer: {time.perf_counter() - begun:.2f} s")
        starts = []
        for _ in range(20):
            begun = time.perf_counter()
            with workspace.experiments["warm"].start_run():
                starts.append(time.perf_counter() - begun)
        print(f"  start_run on a warm service: {statistics.median(starts) * 1000:.1f} ms")
        begun = time.perf_counter()
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(RUNS)
        ]
        outputs = [process.communicate() for process in processes]
        spent = time.perf_counter() - begun
        address = launch.read_address(workspace.client.location.folder)
        assert address is not None
        status = Path(f"/proc/{address.pid}/status").read_text()
        peak = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
        counts = [len(workspace.runs.get(out.strip()).metric_history("loss")["values"]) for out, _ in outputs]
        errors = [error for _, error in outputs if error.strip()]
        print(f"  {RUNS} processes, {POINTS:,} points each: {sum(counts):,} kept of {RUNS * POINTS:,}, "
              f"{len(errors)} complained, {spent:.1f} s")  # fmt: skip
        print(f"  the service's peak memory: {peak:.0f} MB (wanted: under 300)")


if __name__ == "__main__":
    main()
