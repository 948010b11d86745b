"""From submit to the first line, to the end, and what a further cell costs: against the papermill command."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from jupyter_aml import notebook
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.benchmarks.measuring import fresh_workspace, line

ROUNDS = 5
IMPORTS = "import pandas\nimport sklearn.linear_model"


def write(path: Path, cells: list[str]) -> Path:
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    document.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(document, path)
    return path


def papermill(path: Path) -> float:
    begun = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "papermill",
        "--no-progress-bar",
        str(path),
        str(path.with_suffix(".out.ipynb")),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def finish(run: Run) -> float:
    while not run.is_final:
        time.sleep(0.002)
    assert run.status == "Completed", run.error
    return time.perf_counter()


def submit(workspace: Workspace, path: Path) -> float:
    begun = time.perf_counter()
    return finish(workspace.submit(notebook(path), experiment="bench")) - begun


def first_line(workspace: Workspace) -> float:
    stamp = f"import time; print(time.time()); _ = {time.time()}"
    begun = time.time()
    run = workspace.submit_cell(stamp, {}, experiment="bench")
    finish(run)
    return float(run.logs().split()[0]) - begun


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="aml-bench-") as name, contextlib.chdir(name):
        folder = Path(name)
        one = write(folder / "one.ipynb", ["1"])
        ten = write(folder / "ten.ipynb", [IMPORTS, *["1"] * 9])
        short, long = write(folder / "short.ipynb", ["1"] * 10), write(folder / "long.ipynb", ["1"] * 60)
        cold(ten)
        with fresh_workspace(warm=True) as workspace:
            workspace.warm_up()
            submit(workspace, one)
            time.sleep(15)
            pairs = [(first_line(workspace), papermill(one)) for _ in range(ROUNDS)]
            compare(
                "trivial cell, submit to its first line, warm, against papermill's command",
                pairs,
                "at most 0.125",
            )
            pairs = [(submit(workspace, ten), papermill(ten)) for _ in range(ROUNDS)]
            compare("ten cells with pandas and scikit-learn, warm", pairs, "at most 0.25")
            more = [(submit(workspace, long) - submit(workspace, short)) / 50 * 1000 for _ in range(ROUNDS)]
            theirs = (papermill(long) - papermill(short)) / 50 * 1000
            line("a further trivial cell", statistics.median(more), theirs, "ms", "at most 10 ms")


def cold(ten: Path) -> None:
    with fresh_workspace() as workspace:
        workspace.get_details()
        submit(workspace, ten)
        compare("ten cells with pandas and scikit-learn, cold",
                [(submit(workspace, ten), papermill(ten)) for _ in range(ROUNDS)], "at most 1.10")  # fmt: skip


def compare(what: str, pairs: list[tuple[float, float]], wanted: str) -> None:
    ours, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
    line(what, ours, theirs, "s", wanted)


if __name__ == "__main__":
    main()
