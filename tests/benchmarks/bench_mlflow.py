"""MLflow's protocol as we serve it against MLflow's own server, by the same raw requests, in one run.

    python -m tests.benchmarks bench_mlflow

* ``log-batch``: batches of 1,000 metrics (wanted: at least 5 times its rate).
* ``runs/search``: pages of 100 over many runs (wanted: at least 10 times faster). Its runs go straight into
  its tables, ours into ours, both see the same searches over HTTP.
* artifacts: 1 GB up and down through the artifact proxy (wanted: at least as fast), and how far the
  service's memory rises meanwhile.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from jupyter_aml.client import launch
from jupyter_aml.workspace import Workspace
from tests.benchmarks.bench_search import generated
from tests.benchmarks.measuring import fresh_workspace

BATCHES = 20
RUNS = int(os.environ.get("AML_BENCH_MLFLOW_RUNS", "100000"))
SEARCHES = 7
BYTES = 10**9
_CHUNK = 1 << 20


@dataclass
class Server:
    """A server of MLflow's protocol: its address, its token, the process whose memory is watched."""

    uri: str
    token: str
    pids: list[int]

    def connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.uri)
        return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)

    def path(self, rest: str) -> str:
        return f"{urlsplit(self.uri).path}/api/2.0/{rest}"

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def ask(self, connection: http.client.HTTPConnection, method: str, rest: str, given: Any = None) -> Any:
        body = None if given is None else json.dumps(given)
        connection.request(method, self.path(rest), body, self.headers())
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{rest}: {answer.status} {data[:300]!r}")
        return json.loads(data)


@contextlib.contextmanager
def mlflow_server(python: str) -> Iterator[tuple[Server, Path]]:
    """MLflow's own server as it comes, with SQLite, and its database."""
    with tempfile.TemporaryDirectory(prefix="aml-mlflow-") as name:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        store = Path(name) / "mlflow.db"
        process = subprocess.Popen(
            [python, "-m", "mlflow", "server", "--port", str(port), "--backend-store-uri", f"sqlite:///{store}",
             "--artifacts-destination", f"{name}/artifacts"],
            cwd=name, env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        server = Server(f"http://127.0.0.1:{port}", "", [process.pid])
        try:
            _wait_until_up(server)
            yield server, store
        finally:
            os.killpg(process.pid, 15)
            process.wait()


def _wait_until_up(server: Server) -> None:
    deadline = time.monotonic() + 180
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException, RuntimeError):
            server.ask(server.connection(), "GET", "mlflow/experiments/get?experiment_id=0")
            return
        if time.monotonic() > deadline:
            raise RuntimeError("MLflow's server did not come up")
        time.sleep(0.5)


def our_server(workspace: Workspace) -> Server:
    """Our service."""
    uri = workspace.get_mlflow_tracking_uri()
    address = launch.read_address(workspace.client.location.folder)
    assert address is not None
    return Server(uri, os.environ["MLFLOW_TRACKING_TOKEN"], [address.pid])


def batches_a_second(server: Server) -> float:
    """How many batches of 1,000 metrics it takes a second, from one client."""
    connection = server.connection()
    run = server.ask(connection, "POST", "mlflow/runs/create", {"experiment_id": "0", "start_time": 1})
    run_id = run["run"]["info"]["run_id"]
    bodies = [
        json.dumps({
            "run_id": run_id,
            "metrics": [
                {"key": f"m{n % 10}", "value": n / 7, "timestamp": 1_700_000_000_000 + n, "step": turn * 100 + n // 10}
                for n in range(1000)
            ],
        })
        for turn in range(BATCHES + 1)
    ]  # fmt: skip
    times = []
    for body in bodies:
        start = time.perf_counter()
        connection.request("POST", server.path("mlflow/runs/log-batch"), body, server.headers())
        answer = connection.getresponse()
        answer.read()
        times.append(time.perf_counter() - start)
        assert answer.status == 200
    return 1 / statistics.median(times[1:])


def searches(server: Server, experiments: list[str]) -> float:
    """Median seconds of a search for a page of 100 runs, as a client sees them."""
    connection = server.connection()
    times = []
    for turn in range(SEARCHES):
        given = {
            "experiment_ids": experiments,
            "filter": f"metrics.rmse < {0.5 + turn / 1000} and params.alpha = '{turn / 10}'",
            "order_by": ["metrics.rmse ASC"],
            "max_results": 100,
        }
        start = time.perf_counter()
        found = server.ask(connection, "POST", "mlflow/runs/search", given)
        times.append(time.perf_counter() - start)
        assert len(found["runs"]) == 100 or RUNS < 10_000
    return statistics.median(times)


def fill_ours(database: Path, runs: int) -> list[str]:
    """Runs straight into our tables, as many a search must look through; the experiments' ids."""
    import sqlite3

    connection = sqlite3.connect(database)
    for number in range(1, 11):
        connection.execute(
            "INSERT INTO experiments (number, name, user, created_at) VALUES (?, ?, 'me', 0)",
            (number + 100, f"experiment {number}"),
        )
    for number, metrics, params in generated(runs):
        at = number + 1000
        connection.execute(
            "INSERT INTO runs (number, id, experiment, kind, display_name, status, attempt, user, compute, created_at, "
            "started_at, ended_at, source) VALUES (?, ?, ?, 'mlflow', 'a run', 'Completed', 1, 'me', 'local', ?, ?, ?, '{}')",
            (at, f"{number:032x}", number % 10 + 101, number, number, number + 1),
        )
        connection.executemany(
            "INSERT INTO metric_series (run, name, kind, count, first_time, last_step, last_time, last_value, min_value, "
            "max_value, ordered) VALUES (?, ?, 'scalar', 1, 0, 0, 0, ?, ?, ?, 1)",
            [(at, name, value, value, value) for name, value in metrics.items()],
        )
        connection.executemany(
            "INSERT INTO params (run, name, value) VALUES (?, ?, ?)", [(at, *pair) for pair in params.items()]
        )
    connection.commit()
    connection.close()
    return [str(number + 100) for number in range(1, 11)]


def fill_theirs(server: Server, database: Path, runs: int) -> list[str]:
    """The same runs straight into MLflow's tables."""
    from tests.benchmarks.bench_search import build_mlflow

    connection = server.connection()
    experiments = [
        server.ask(connection, "POST", "mlflow/experiments/create", {"name": f"experiment {n}"})[
            "experiment_id"
        ]
        for n in range(10)
    ]
    build_mlflow(database, experiments, runs)
    return experiments


class Memory:
    """The most memory a service's processes had while the block ran, above what they had before."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids
        self._done = threading.Event()
        self.before = self.most = self._now()

    def _now(self) -> int:
        total = 0
        for pid in self._pids:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * 1024
        return total

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self.most = max(self.most, self._now())

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def transfer(server: Server) -> tuple[float, float, float]:
    """Seconds to send and to fetch 1 GB, and by how many MB the server's memory rose."""
    connection = server.connection()
    made = server.ask(connection, "POST", "mlflow/runs/create", {"experiment_id": "0", "start_time": 1})
    place = made["run"]["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    path = server.path(f"mlflow-artifacts/artifacts/{place}/big.bin")
    block = os.urandom(_CHUNK)
    with Memory(server.pids) as memory:
        start = time.perf_counter()
        connection.putrequest("PUT", path)
        connection.putheader("Authorization", f"Bearer {server.token}")
        connection.putheader("Content-Length", str(BYTES))
        connection.endheaders()
        left = BYTES
        while left:
            part = block[:left]
            connection.send(part)
            left -= len(part)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        sent = time.perf_counter() - start
        start = time.perf_counter()
        connection.request("GET", path, headers={"Authorization": f"Bearer {server.token}"})
        answer = connection.getresponse()
        got = 0
        while data := answer.read(_CHUNK):
            got += len(data)
        assert got == BYTES
        fetched = time.perf_counter() - start
    return sent, fetched, (memory.most - memory.before) / 1e6


def measure(server: Server, experiments: list[str]) -> dict[str, float]:
    """All figures of a server."""
    found = {"batches a second": batches_a_second(server)}
    found["search, s"] = searches(server, experiments)
    found["upload, s"], found["download, s"], found["memory, MB"] = transfer(server)
    return found


def main() -> None:
    """Print what both need, and the ratios."""
    python = os.environ.get("AML_PEERS_PYTHON")
    with fresh_workspace() as workspace:
        server = our_server(workspace)
        ours = measure(server, fill_ours(workspace.client.location.folder.database, RUNS))
    for name, value in ours.items():
        print(f"  ours: {name}: {value:,.4g}", flush=True)
    if python is None:
        print("  MLflow's own server: not installed here")
        return
    with mlflow_server(python) as (server, database):
        theirs = measure(server, fill_theirs(server, database, RUNS))
    wanted = {
        "batches a second": ("at least 5", lambda a, b: a / b), "search, s": ("at least 10", lambda a, b: b / a),
        "upload, s": ("at least 1", lambda a, b: b / a), "download, s": ("at least 1", lambda a, b: b / a),
    }  # fmt: skip
    for name, (least, ratio) in wanted.items():
        print(
            f"  {name}: MLflow {theirs[name]:,.4g}, we {ratio(ours[name], theirs[name]):.3g} times as fast (wanted: {least})"
        )


if __name__ == "__main__":
    main()
