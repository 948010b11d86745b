"""100,000 points from the first ``log`` to all readable, against MLflow's ``log_batch``; and bytes a point."""

from __future__ import annotations

import os
import statistics
import time

from tests.benchmarks.measuring import fresh_workspace, line, peer

POINTS = 100_000
ROUNDS = 3
MLFLOW = f"""
import time, mlflow
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
mlflow.set_tracking_uri("sqlite:///mlflow.db")
client = MlflowClient()
run = client.create_run(client.create_experiment("bench")).info.run_id
client.log_batch(run, [Metric("warm", 1.0, 0, 0)])
begun = time.perf_counter()
for first in range(0, {POINTS}, 1000):
    client.log_batch(run, [Metric("loss", 1 / (step + 1), 1700000000000 + step, step) for step in range(first, first + 1000)])
assert len(client.get_metric_history(run, "loss")) == {POINTS}
print(time.perf_counter() - begun)
"""


def main() -> None:
    ours, sizes = [], []
    with fresh_workspace() as workspace:
        database = workspace.client.location.folder.database
        for _ in range(ROUNDS):
            with workspace.experiments["bench"].start_run() as run:
                run.log("warm", 1.0)
                run.metric_history("warm")
                before = _size(workspace, database)
                begun = time.perf_counter()
                for step in range(POINTS):
                    run.log("loss", 1 / (step + 1), step)
                assert len(run.metric_history("loss")["values"]) == POINTS
                ours.append(time.perf_counter() - begun)
            sizes.append((_size(workspace, database) - before) / POINTS)
    line("100,000 points logged and read", statistics.median(ours), peer(MLFLOW), "s", "at most 0.1")
    print(f"  a point takes {statistics.median(sizes):.1f} bytes of database (wanted: at most 40)")


def _size(workspace: object, database: os.PathLike[str]) -> int:
    import sqlite3

    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        return int(pages * connection.execute("PRAGMA page_size").fetchone()[0])


if __name__ == "__main__":
    main()
