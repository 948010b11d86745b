"""One scalar, one call: ``run.log`` against MLflow, wandb, and a bare ``os.write`` of the same bytes."""

from __future__ import annotations

import os
import statistics
import tempfile
import time

from tests.benchmarks.measuring import fresh_workspace, line, peer

CALLS = 50_000
ROUNDS = 5
MLFLOW = """
import time, mlflow
mlflow.set_tracking_uri("sqlite:///mlflow.db")
with mlflow.start_run():
    mlflow.log_metric("loss", 0.5, step=0)
    begun = time.perf_counter()
    for step in range(1, 301): mlflow.log_metric("loss", 0.5, step=step)
    print(300 / (time.perf_counter() - begun))
"""
WANDB = """
import time, wandb
run = wandb.init(project="bench", mode="offline", settings=wandb.Settings(silent=True, console="off"))
run.log({"loss": 0.5})
begun = time.perf_counter()
for step in range(5000): run.log({"loss": 0.5})
rate = 5000 / (time.perf_counter() - begun)
run.finish()
print(rate)
"""


def bare(size: int, path: str) -> float:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    data = b"x" * size
    begun = time.perf_counter()
    for _ in range(CALLS):
        os.write(descriptor, data)
    spent = time.perf_counter() - begun
    os.close(descriptor)
    return CALLS / spent


def main() -> None:
    ours, limit = [], []
    with fresh_workspace() as workspace, workspace.experiments["bench"].start_run() as run:
        run.log("loss", 0.5)
        journal = run._writer()._writer.path
        for _ in range(ROUNDS):
            before, begun = journal.stat().st_size, time.perf_counter()
            for step in range(CALLS):
                run.log("loss", 0.5, step)
            ours.append(CALLS / (time.perf_counter() - begun))
            size = (journal.stat().st_size - before) // CALLS
            with tempfile.NamedTemporaryFile(dir=journal.parent, suffix=".bare") as file:
                limit.append(bare(size, file.name))
    calls, least = statistics.median(ours), statistics.median(limit)
    print(f"  run.log: {calls:,.0f} calls/s; os.write of the same {size} bytes: {least:,.0f}/s; "
          f"ratio {least / calls:.2f} (wanted: at most 3)")  # fmt: skip
    line("run.log against MLflow (SQLite)", calls, peer(MLFLOW), "calls/s", "at least 100")
    line("run.log against wandb (offline)", calls, peer(WANDB), "calls/s", "at least 8")


if __name__ == "__main__":
    main()
