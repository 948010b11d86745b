"""How fast a search over 100,000 runs is: against SQL by hand on the same database, and against MLflow.

    python tests/benchmarks/bench_search.py [RUNS]

With ``AML_BENCH_MLFLOW_PYTHON`` set to a Python that has MLflow, the same runs go into MLflow's own SQLite
store (straight into its tables) and its ``search_runs`` is asked the same, in a process of its own. Each
round asks for other values, so no answer is a repeated one. Times are the thread's processor time: a search
only computes, and so a busy machine does not blur the ratios.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

RUNS = 100_000
PAGE = 100
ROUNDS = 40
MLFLOW_ROUNDS = 3
BLOCK = 10_000
EXPERIMENTS = 10
METRICS = ("rmse", "mae", "r2", "loss", "accuracy")


class Case(NamedTuple):
    """A search, and SQL for it; ``{value}`` and the ``?`` take the values of a round."""

    name: str
    filter: str
    order_by: list[str]
    values: Callable[[int], tuple[Any, ...]]
    by_hand: tuple[str, ...]


_ALONG = """SELECT m.run FROM metric_series m
    CROSS JOIN params p ON p.run = m.run CROSS JOIN runs r ON r.number = m.run
    WHERE m.name = 'rmse' AND m.kind = 'scalar' AND m.last_value < ?1 AND p.name = 'alpha' AND p.value = ?2
    AND r.archived_at IS NULL ORDER BY m.last_value, m.run DESC LIMIT 101"""
_OTHER = """SELECT o.run FROM metric_series o CROSS JOIN params p ON p.run = o.run
    CROSS JOIN metric_series m ON m.run = o.run CROSS JOIN runs r ON r.number = o.run
    WHERE o.name = 'mae' AND o.kind = 'scalar' AND o.last_value IS NOT NULL
    AND m.name = 'rmse' AND m.kind = 'scalar' AND m.last_value < ?1 AND p.name = 'alpha' AND p.value = ?2
    AND r.archived_at IS NULL ORDER BY o.last_value, o.run DESC LIMIT 101"""


def _common(turn: int) -> tuple[Any, ...]:
    return 0.5 + turn / 1000, str(turn % 10 / 10)


CASES = (
    Case(
        "metric and param, ordered by that metric",
        "metrics.rmse < {0} and params.alpha = '{1}'",
        ["metrics.rmse"],
        _common,
        (_ALONG, _ALONG.replace("CROSS JOIN", "JOIN")),
    ),
    Case(
        "metric and param, ordered by another metric",
        "metrics.rmse < {0} and params.alpha = '{1}'",
        ["metrics.mae"],
        _common,
        (_OTHER, _OTHER.replace("CROSS JOIN", "JOIN")),
    ),
)


def generated(runs: int) -> Iterator[tuple[int, dict[str, float], dict[str, str]]]:
    """Number, metrics and params of each run, the same at each call."""
    chance = random.Random(0)
    for number in range(1, runs + 1):
        yield (
            number,
            {name: chance.random() for name in METRICS},
            {
                "alpha": str(chance.randrange(10) / 10),
                "depth": str(chance.randrange(20)),
                "solver": chance.choice("abc"),
                "batch": str(2 ** chance.randrange(8)),
                "seed": str(number),
            },
        )


def build_own(path: Path, runs: int) -> Any:
    """Our database with the runs in it."""
    import sqlalchemy as sa

    from jupyter_aml.core.database import Database
    from jupyter_aml.tracking import tables

    database = Database(path)
    names = [{"name": f"experiment {n}", "user": "me", "created_at": 0} for n in range(EXPERIMENTS)]
    database.write(lambda connection: connection.execute(sa.insert(tables.experiments), names))
    common = {
        "kind": "command",
        "display_name": "a run",
        "status": "Completed",
        "user": "me",
        "compute": "local",
    }
    source = {"python": "3.11.2", "host": "laptop", "packages_digest": "0" * 64, "argv": ["train.py"] * 10}
    point = {"kind": "scalar", "count": 1, "first_time": 0, "last_step": 0, "last_time": 0, "ordered": True}
    data = generated(runs)
    while block := list(itertools.islice(data, BLOCK)):
        rows: dict[sa.Table, list[dict[str, Any]]] = {
            tables.runs: [
                {
                    "number": n, "id": f"{n:032x}", "experiment": n % EXPERIMENTS + 1, "created_at": n,
                    "source": source, **common,
                }
                for n, _, _ in block
            ],
            tables.metric_series: [
                {"run": n, "name": name, "last_value": v, "min_value": v, "max_value": v, **point}
                for n, metrics, _ in block
                for name, v in metrics.items()
            ],
            tables.params: [
                {"run": n, "name": name, "value": value}
                for n, _, params in block
                for name, value in params.items()
            ],
        }  # fmt: skip
        for table, values in rows.items():
            database.write(
                functools.partial(sa.Connection.execute, statement=sa.insert(table), parameters=values)
            )
    return database


def seconds(function: Callable[[], Any]) -> float:
    """The processor time of one call."""
    start = time.thread_time()
    function()
    return time.thread_time() - start


def by_hand(driver: sqlite3.Connection, sql: str, values: tuple[Any, ...]) -> list[int]:
    """A page of run numbers by SQL."""
    return [row[0] for row in driver.execute(sql, values).fetchall()[:PAGE]]


def load_found(connection: Any, find: Callable[[], list[int]]) -> None:
    """Everything the page of runs shows that ``find`` finds, by us."""
    from jupyter_aml.tracking.reading import load_runs

    load_runs(connection, find())


def load_by_hand(driver: sqlite3.Connection, find: Callable[[], list[int]]) -> list[dict[str, Any]]:
    """Everything the page of runs shows that ``find`` finds, by SQL."""
    numbers = find()
    among = f"IN ({','.join('?' * len(numbers))})"
    pages: dict[int, dict[str, Any]] = {}
    for number, name, error, source, spec, *rest in driver.execute(
        f"""SELECT r.number, e.name, r.error, r.source, r.spec, p.id, r.id, r.display_name, r.description, r.kind,
        r.status, r.attempt, r.user, r.compute, r.created_at, r.started_at, r.ended_at, r.archived_at
        FROM runs r JOIN experiments e ON e.number = r.experiment LEFT JOIN runs p ON p.number = r.parent
        WHERE r.number {among}""",
        numbers,
    ):
        pages[number] = {
            "experiment": name,
            "own": rest,
            "json": [text and json.loads(text) for text in (error, source, spec)],
            "params": {},
            "tags": {},
            "metrics": {},
        }
    for part, sql in (
        ("params", f"SELECT run, name, value FROM params WHERE run {among}"),
        ("tags", f"SELECT run, name, value FROM tags WHERE run {among}"),
        ("metrics", f"SELECT run, name, last_value FROM metric_series WHERE kind = 'scalar' AND run {among}"),
    ):
        for run, name, value in driver.execute(sql, numbers):
            pages[run][part][name] = value
    return [pages[number] for number in numbers]


def measure_own(database: Any, case: Case) -> dict[str, float]:
    """Medians in seconds: finding by us and by hand, and finding with loading by us and by hand."""
    from jupyter_aml.tracking.search import find_runs

    times: dict[str, list[float]] = {}
    with database.read() as connection:
        driver = connection.connection.driver_connection
        for turn in range(ROUNDS):
            values = case.values(turn)
            wanted = case.filter.format(*values)

            def find(wanted: str = wanted) -> list[int]:
                return find_runs(connection, filter=wanted, order_by=case.order_by, limit=PAGE, secret=b"x")[
                    0
                ]

            numbers = find()
            ways: dict[str, Callable[[], Any]] = {
                "find": find,
                "full": functools.partial(load_found, connection, find),
            }
            for index, sql in enumerate(case.by_hand):
                hand = functools.partial(by_hand, driver, sql, values)
                assert hand() == numbers, f"{case.name}: the answers differ"
                ways[f"find by hand {index}"] = hand
                ways[f"full by hand {index}"] = functools.partial(load_by_hand, driver, hand)
            for name, way in ways.items():
                times.setdefault(name, []).append(seconds(way))
    medians = {name: statistics.median(found) for name, found in times.items()}
    best = {
        kind: min(v for name, v in medians.items() if name.startswith(f"{kind} by"))
        for kind in ("find", "full")
    }
    return {"find": medians["find"], "full": medians["full"]} | {
        f"{kind} by hand": v for kind, v in best.items()
    }


def build_mlflow(path: Path, experiments: list[str], runs: int) -> None:
    """The same runs, straight into the tables MLflow made."""
    insert_run = """INSERT INTO runs (run_uuid, name, source_type, source_name, user_id, status, start_time,
        end_time, lifecycle_stage, artifact_uri, experiment_id)
        VALUES (?, 'a run', 'LOCAL', '', 'me', 'FINISHED', ?, ?, 'active', '', ?)"""
    insert_metric = """INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
        VALUES (?, ?, 0, 0, 0, ?)"""
    insert_param = "INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)"
    connection = sqlite3.connect(path)
    for number, metrics, params in generated(runs):
        run = f"{number:032x}"
        connection.execute(insert_run, (run, number, number + 1, experiments[number % EXPERIMENTS]))
        connection.executemany(insert_metric, [(name, value, run) for name, value in metrics.items()])
        connection.executemany(insert_param, [(name, value, run) for name, value in params.items()])
    connection.commit()
    connection.close()


def measure_mlflow(folder: Path, runs: int) -> float:
    """Median seconds of MLflow's search for the first case (run by MLflow's Python)."""
    from mlflow.entities import ViewType
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path = folder / "mlflow.db"
    store = SqlAlchemyStore(f"sqlite:///{path}", str(folder))
    experiments = [store.create_experiment(f"experiment {n}") for n in range(EXPERIMENTS)]
    build_mlflow(path, experiments, runs)
    case = CASES[0]
    times = []
    for turn in range(MLFLOW_ROUNDS):
        wanted = case.filter.format(*case.values(turn))
        start = time.thread_time()
        found = store.search_runs(experiments, wanted, ViewType.ACTIVE_ONLY, PAGE, case.order_by)
        times.append(time.thread_time() - start)
        assert len(found) == PAGE or runs < RUNS
    return statistics.median(times)


def ask_mlflow(folder: Path, runs: int) -> float | None:
    """`measure_mlflow` in MLflow's own Python; None when none is given."""
    python = os.environ.get("AML_BENCH_MLFLOW_PYTHON")
    if not python:
        print("MLflow: skipped (set AML_BENCH_MLFLOW_PYTHON to a Python that has it)")
        return None
    command = [python, __file__, str(runs), "--mlflow", str(folder)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(answer.splitlines()[-1])


def main(runs: int = RUNS) -> dict[str, float]:
    """Print the ratios; return them by name."""
    ratios = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = build_own(folder / "aml.db", runs)
        print(
            f"search over {runs:,} runs with 5 metrics and 5 params each, pages of {PAGE}, median of {ROUNDS}"
        )
        for case in CASES:
            t = measure_own(database, case)
            print(f"{case.name}:")
            for kind, what in (("find", "run numbers"), ("full", "whole runs")):
                own, hand = t[kind], t[f"{kind} by hand"]
                ratios[f"{case.name}, {what}"] = own / hand
                print(f"  {what}: {own * 1e3:.2f} ms, by hand {hand * 1e3:.2f} ms: {own / hand:.2f} times")
            if case is CASES[0] and (mlflow := ask_mlflow(folder, runs)):
                ratio = ratios["MLflow"] = mlflow / t["full"]
                print(f"  MLflow's search_runs: {mlflow * 1e3:.0f} ms: we are {ratio:.0f} times faster")
        database.close()
    return ratios


if __name__ == "__main__":
    arguments = sys.argv[1:]
    size = int(arguments[0]) if arguments else RUNS
    if "--mlflow" in arguments:
        print(measure_mlflow(Path(arguments[-1]), size))
    else:
        main(size)
