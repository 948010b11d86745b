"""An attempt whose runner is gone: what is left of it is ended, and what it left is kept.

``python -m jupyter_aml.jobs.lost RUN_FOLDER ATTEMPT`` does so where no service looks after runs, and writes
the result that the runner could not.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_aml.core.journal import LifeLock
from jupyter_aml.core.paths import RunFolder
from jupyter_aml.jobs.collect import LiveFiles, take_outputs
from jupyter_aml.jobs.processes import end_all
from jupyter_aml.jobs.work import Assignment, read_result, write_result
from jupyter_aml.tracking.recorder import Recorder

MESSAGE = "the process that ran it was killed from outside, or the machine went down"


def keep_what_is_left(
    folder: RunFolder, attempt: int, job: dict[str, Any], complain: Callable[[str], None]
) -> None:
    """Keep a lost attempt's outputs, and its notebook as it was last saved."""
    own = folder.attempt_folder(attempt)
    recorder = Recorder(folder, attempt)
    try:
        if "notebook" in job:
            name = f"notebook/{Path(job['notebook']).name}"
            LiveFiles(own / "work", recorder, complain).take(name, own / "executed.ipynb")
        take_outputs(own / "work", recorder, complain)
    finally:
        recorder.close()


def main(arguments: list[str]) -> int:
    """0 when the attempt has a result, 1 when somebody still runs it."""
    folder, attempt = RunFolder(Path(arguments[0])), int(arguments[1])
    lock = LifeLock(folder.lock)
    if not lock.take(wait=1.0):
        return 1
    try:
        own = folder.attempt_folder(attempt)
        if read_result(own) is None:
            assignment = Assignment.load(own)
            end_all(assignment.run_id)
            keep_what_is_left(folder, attempt, assignment.job, lambda text: None)
            error = {"class": "RunnerLost", "message": MESSAGE, "reason": "runner_lost"}
            write_result(own, "Failed", error, time.time_ns() // 1_000_000)
    finally:
        lock.release()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
