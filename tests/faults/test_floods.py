"""R-F01: output without end: in big pieces, in one line, in tiny flushes, rewritten; memory stays small."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from jupyter_aml import limits
from jupyter_aml.workspace import Workspace
from tests.faults.kit import book_job, ended, executed, runner_pid, service_pid

MIB = 2**20
FLOODS = {
    "pieces": f"for _ in range(400): print('x' * {100_000})",
    "one line": f"import sys\nfor _ in range(40): sys.stdout.write('y' * {MIB})\nprint()",
    "flushes": "for i in range(20_000): print(i, end=' ', flush=True)",
    "progress": "import sys\nfor i in range(20_000): sys.stdout.write(f'\\rstep {i}'); sys.stdout.flush()",
    "below python": "import os\nfor _ in range(300): os.write(1, b'z' * 100_000 + b'\\n')",
}


def _peak(pid: int) -> int:
    """The most memory the process ever had, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return 0


def test_floods_are_kept_within_the_limits(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AML_MAX_RUNS", "2")
    workspace.client.call("get_workspace")
    service = service_pid(workspace)
    assert service is not None
    before = _peak(service)
    runs = {
        name: workspace.submit(book_job(tmp_path / name, cell, "print('after the flood')"))
        for name, cell in FLOODS.items()
    }
    peaks: dict[str, int] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            for name, run in runs.items():
                if (pid := runner_pid(run)) is not None:
                    peaks[name] = max(peaks.get(name, 0), _peak(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        ended(*runs.values(), seconds=110)
    finally:
        over.set()
        watcher.join()
    for name, run in runs.items():
        assert run.status == "Completed", (name, run.error)
        (log,) = [
            item["size"]
            for item in workspace.client.call("list_artifacts", run_id=run.id)["items"]
            if item["path"] == "user_logs/std_log.txt"
        ]
        assert log <= limits.LOG_BYTES + 1000, name
        (book,) = [name for name in run.get_file_names() if name.startswith("notebook/")]
        assert len(run.read_file(book)) < 2 * limits.CELL_OUTPUT_BYTES + MIB, name
        text = "".join(output.get("text", "") for output in executed(run).cells[-1].outputs)
        assert text == "after the flood\n", name
        assert peaks.get(name), "nobody looked at its runner"
        # A cold Python with papermill has about 80 MB; up to half of the log's limit waits in memory.
        assert peaks[name] < 300 * MIB, (name, peaks)
    assert _peak(service) < before + 100 * MIB
    print(
        {name: f"{peak // MIB} MiB" for name, peak in peaks.items()}, f"service {_peak(service) // MIB} MiB"
    )
