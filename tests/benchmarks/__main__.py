"""``python -m tests.benchmarks [NAME ...]``: run all benchmarks, or those named.

``AML_PEERS_PYTHON`` is a Python with the peers of ``peers.txt``; without it comparisons with them are left out.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
import time

NAMES = (
    "bench_import",
    "bench_logging",
    "bench_points",
    "bench_notebooks",
    "bench_many_runs",
    "bench_search",
    "bench_compute",
    "bench_environments",
    "bench_models",
    "bench_ssh",
    "bench_mlflow",
)


def main(names: list[str]) -> None:
    if peers := os.environ.get("AML_PEERS_PYTHON"):
        os.environ.setdefault("AML_BENCH_MLFLOW_PYTHON", peers)
    print(
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.platform()}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"
    )
    for name in names or NAMES:
        print(f"\n== {name} ==", flush=True)
        sys.argv[1:] = []
        importlib.import_module(f"tests.benchmarks.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
