"""R-C: the power goes at a random moment; everything that was acknowledged is there afterwards."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_aml.client import launch
from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.jobs.notebook.document import read_notebook
from jupyter_aml.workspace import Workspace
from tests.faults.conftest import PowerDisk
from tests.faults.kit import freeze, kill, service_pid, until

pytestmark = pytest.mark.power
CUTS = int(os.environ.get("AML_TEST_POWER_CUTS", "5"))

WRITER = """
import json, os, sys
from jupyter_aml.workspace import Workspace
workspace = Workspace.get(sys.argv[1])
acks = open(sys.argv[2], "a", buffering=1)
def told(**what): acks.write(json.dumps(what) + "\\n")
number = 0
while True:
    number += 1
    run = workspace.experiments["x"].start_run(tags={"n": str(number)})
    told(op="run", id=run.id, tags={"n": str(number)})
    data = os.urandom(20_000) + run.id.encode()
    item = workspace.client.call("upload_artifact", run_id=run.id, path="a.bin", content=data)
    told(op="artifact", id=run.id, path="a.bin", digest=item["digest"])
    for step in range(50): run.log("v", step + 0.5, step)
    points = len(workspace.client.call("metric_history", run_id=run.id, name="v")["values"])
    told(op="points", id=run.id, points=points)
    run.set_tag("late", "yes")
    told(op="run", id=run.id, tags={"n": str(number), "late": "yes"})
    run.complete()
    told(op="end", id=run.id)
"""


def _acknowledged(files: list[Path]) -> list[dict[str, object]]:
    lines = [line for file in files if file.exists() for line in file.read_text().split("\n")[:-1]]
    return [json.loads(line) for line in lines]


def _lost(workspace: Workspace, told: dict[str, object]) -> str | None:
    run = workspace.runs.get(str(told["id"]))
    if told["op"] == "run" and not dict(told["tags"]).items() <= run.tags.items():  # type: ignore[call-overload]
        return f"tags of {told}"
    if told["op"] == "artifact":
        data = run.read_file(str(told["path"]))
        return None if data.endswith(run.id.encode()) and len(data) == 20_032 else f"bytes of {told}"
    if told["op"] == "points" and run.metric_history("v")["values"] != [n + 0.5 for n in range(50)]:
        return f"points of {told}"
    return f"end of {told}" if told["op"] == "end" and run.status != "Completed" else None


def _cut_and_restore(disk: PowerDisk, folder: Path, pids: list[int | None]) -> None:
    disk.cut()
    for pid in pids:
        kill(pid)
    until(lambda: not [kill(pid) for pid in _users(disk.path)], 30)  # a second starter's service, too
    disk.restore()
    (folder / "run" / "service.json").unlink(missing_ok=True)  # the machine is another one after a boot


def _users(folder: Path) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdecimal() and int(entry) != os.getpid():
            links = [Path("/proc", entry, "cwd"), *_descriptors(entry)]
            if any(_target(link).startswith(str(folder)) for link in links):
                found.append(int(entry))
    return found


def _descriptors(pid: str) -> list[Path]:
    try:
        return list(Path("/proc", pid, "fd").iterdir())
    except OSError:
        return []


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def test_random_cuts_lose_nothing_that_was_acknowledged(
    power_disk: PowerDisk, workspace_on: Callable[[Path], Workspace], tmp_path: Path
) -> None:
    """R-C01: two writers make runs, log, upload, end them; a cut; what was told is there, each byte."""
    workspace = workspace_on(power_disk.path)
    root = power_disk.path / "workspace"
    choice = random.Random(20_26)
    files: list[Path] = []
    checked = 0
    for cut in range(CUTS):
        own = [tmp_path / f"acks-{cut}-{number}" for number in range(2)]
        files += own
        with (tmp_path / "writers.log").open("ab") as log:
            writers = [
                subprocess.Popen([sys.executable, "-c", WRITER, str(root), str(file)], stderr=log)
                for file in own
            ]
        until(lambda own=own: len(_acknowledged(own)) >= 2)
        time.sleep(choice.uniform(0, 1.5))
        service = service_pid(workspace)
        assert service is not None
        workspace.client.close()
        freeze(service)  # nothing is acknowledged after the cut
        _cut_and_restore(power_disk, root, [*(writer.pid for writer in writers), service])
        for writer in writers:
            writer.wait()
        told = _acknowledged(own)
        checked += len(told)
        assert [lost for item in told if (lost := _lost(workspace, item))] == []
        problems = workspace.client.call("check_workspace")["problems"]
        assert [problem for problem in problems if not problem.startswith("F3")] == []
    assert [lost for item in _acknowledged(files) if (lost := _lost(workspace, item))] == []
    print(f"{CUTS} cuts, {checked} acknowledged items, none lost")
    until(lambda: not any(run.status == "Running" for run in workspace.runs.search(limit=1000)), 30)


PUTTER = """
import sys
from pathlib import Path
from jupyter_aml.core.blobs import BlobStore
blob = BlobStore(Path(sys.argv[1])).put(b"x" * 100_000)
Path(sys.argv[2]).write_text(blob.digest)
"""


@pytest.mark.parametrize("site", ["blob.written", "blob.synced", "blob.renamed", "blob.kept"])
def test_a_cut_at_each_step_of_storing_a_blob(site: str, power_disk: PowerDisk, tmp_path: Path) -> None:
    """R-C02: after the cut there is the whole blob or none, never a part; what was told is there."""
    root, told = power_disk.path / "blobs", tmp_path / "told"
    environment = {**os.environ, "AML_TEST_MODE": "1", "AML_FAILPOINTS": f"{site}=stop"}
    process = subprocess.Popen([sys.executable, "-c", PUTTER, str(root), str(told)], env=environment)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    power_disk.cut()
    process.kill()
    process.wait()
    power_disk.restore()
    blobs = BlobStore(root)
    digests = list(blobs.digests()) if root.is_dir() else []
    assert all(blobs.verify(digest) for digest in digests)
    assert not told.exists()
    assert len(digests) == 1 or site != "blob.kept"
    assert blobs.verify(blobs.put(b"x" * 100_000).digest)


SAVER = """
import sys
from pathlib import Path
from nbformat.v4 import new_code_cell, new_notebook
from jupyter_aml.core.paths import RunFolder
from jupyter_aml.jobs.notebook.document import write_notebook
from jupyter_aml.tracking.recorder import Recorder
folder = Path(sys.argv[1])
recorder = Recorder(RunFolder(folder / "run"), 1)
output = folder / "executed.ipynb"
number = 0
while True:
    number += 1
    cells = [new_code_cell(f"{number} + {i}") for i in range(50)]
    write_notebook(output, new_notebook(cells=cells))
    recorder.add_file("notebook/book.ipynb", output)
    open(sys.argv[2], "a").write(f"{number}\\n")
"""


def test_a_cut_while_the_executed_notebook_is_saved(power_disk: PowerDisk, tmp_path: Path) -> None:
    """R-C03: each copy that was handed over is a whole notebook; no copy under a digest's name is torn."""
    from jupyter_aml.core.blobs import file_digest

    told = tmp_path / "told"
    process = subprocess.Popen([sys.executable, "-c", SAVER, str(power_disk.path), str(told)])
    until(lambda: told.exists() and len(told.read_text().split()) >= 5)
    freeze(process.pid)
    power_disk.cut()
    process.kill()
    process.wait()
    power_disk.restore()
    staged = [p for p in (power_disk.path / "run" / "staging").iterdir() if not p.name.startswith(".")]
    assert len(staged) >= len(told.read_text().split())
    for path in staged:
        assert file_digest(path).digest == path.name
        assert len(read_notebook(path.read_bytes()).cells) == 50


def test_power_is_back_and_the_service_starts_on_what_is_there(
    power_disk: PowerDisk, workspace_on: Callable[[Path], Workspace]
) -> None:
    """A cut right after the first start: the workspace opens, with its own id."""
    workspace = workspace_on(power_disk.path)
    root = power_disk.path / "workspace"
    before = workspace.client.call("get_workspace")["id"]
    workspace.client.close()
    _cut_and_restore(power_disk, root, [service_pid(workspace)])
    assert workspace.client.call("get_workspace")["id"] == before
    assert launch.is_running(workspace.client.location.folder)
