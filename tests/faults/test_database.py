"""R-D: many writers, a database somebody else holds, and who has it open."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.errors import UnavailableError
from jupyter_aml.workspace import Workspace
from tests.faults.kit import ended, service_pid, until

WRITER = """
import sys, time
from jupyter_aml.workspace import Workspace
workspace = Workspace.get(sys.argv[1])
end, told = time.monotonic() + 6, []
while not told or time.monotonic() < end:
    with workspace.experiments["load"].start_run(tags={"writer": sys.argv[2]}) as run:
        for step in range(100): run.log("v", float(step), step)
        run.log_params({"a": 1, "b": "x"})
        run.log_text("a.txt", run.id)
        run.set_tag("tagged", "yes")
        with run.child_run() as child: child.log("w", 1.0)
    told.append(run.id)
print("\\n".join(told))
"""


def test_eight_writers_never_meet_a_lock(workspace: Workspace) -> None:
    """R-D01: eight processes for six seconds; no error for anybody, and every count is exact."""
    root = str(workspace.client.location.root)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, root, str(number)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(8)
    ]  # fmt: skip
    done = []
    for writer in writers:
        told, errors = writer.communicate(timeout=100)
        assert writer.returncode == 0 and errors == "", errors
        done += told.split()
    service_log = workspace.client.location.folder.service_log.read_text()
    assert "locked" not in service_log and "Traceback" not in service_log
    runs = [workspace.runs.get(run_id) for run_id in done]
    assert len(set(done)) == len(done) >= 8
    for run in runs:
        assert run.status == "Completed" and run.params == {"a": "1", "b": "x"}
        assert run.metrics == {"v": 99.0} and run.tags["tagged"] == "yes"
    for run in runs[::5]:
        assert run.metric_history("v")["steps"] == list(range(100))
        assert run.read_file("a.txt") == run.id.encode()
    assert workspace.client.call("get_workspace")["counts"]["runs"] == 2 * len(done)
    print(f"{len(done)} runs of 8 writers, {100 * len(done)} points")


def test_a_database_held_by_another_program_is_waited_for_and_then_named(
    workspace: Workspace, tmp_path: Path
) -> None:
    """R-D02: reads go on, writes say 503, jobs go on, and all is there when it lets go."""
    run = workspace.experiments["x"].start_run()
    job = workspace.submit(
        command(f"echo begun; while ! [ -e {tmp_path}/go ]; do sleep 0.05; done; echo over")
    )
    until(lambda: "begun" in job.logs())
    other = sqlite3.connect(workspace.client.location.folder.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        run.log("v", 1.0)
        assert workspace.runs.search("status = 'Running'")[0].id
        (tmp_path / "go").touch()
        with ThreadPoolExecutor(1) as pool:
            read = pool.submit(workspace.client.call, "get_run", run_id=run.id)
            with pytest.raises(UnavailableError, match="held by another program"):
                workspace.client.call("set_tags", run_id=run.id, tags={"a": "b"})
            assert read.result()["status"] == "Running"
    finally:
        other.execute("ROLLBACK")
        other.close()
    ended(job, seconds=30)
    assert job.status == "Completed" and job.logs() == "begun\nover\n"
    run.complete()
    assert run.metrics == {"v": 1.0} and workspace.runs.get(run.id).tags == {}


def test_only_the_service_has_the_database_open(workspace: Workspace, tmp_path: Path) -> None:
    """R-D05: not the client, not the runner, not the job that logs, not the command line."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "job.py").write_text(
        "import time\nfrom jupyter_aml import Run\n"
        "Run.get_context().log('v', 1.0)\nprint('begun')\ntime.sleep(60)\n"
    )
    job = workspace.submit(command(f"{sys.executable} -u job.py", code=tmp_path / "code"))
    until(lambda: "begun" in job.logs())
    assert job.metrics == {"v": 1.0}
    openers = set()
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        try:
            links = [os.readlink(link) for link in Path("/proc", entry, "fd").iterdir()]
        except OSError:
            continue
        if any(link.startswith(str(workspace.client.location.folder.database)) for link in links):
            openers.add(int(entry))
    job.cancel()
    assert openers == {service_pid(workspace)}
    ended(job)


def test_a_service_that_cannot_open_its_database_says_why(workspace: Workspace) -> None:
    """R-D06: the reason comes to the caller, the file is left as it is, and a repaired one opens."""
    from jupyter_aml.errors import AmlError
    from tests.conftest import stop_service

    workspace.client.call("get_workspace")
    stop_service(workspace)
    database = workspace.client.location.folder.database
    good = database.read_bytes()
    database.write_bytes(b"no database at all" * 1000)
    with pytest.raises(AmlError, match="damaged"):
        workspace.client.call("get_workspace")
    assert database.read_bytes().startswith(b"no database")
    database.write_bytes(good)
    assert workspace.client.call("get_workspace")["name"] == "default"
