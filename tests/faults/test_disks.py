"""R-B: the disk is full, read-only or failing: nothing acknowledged is lost, reading goes on, it passes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.core.journal import JournalWriter, Scalar, read_journal
from jupyter_aml.errors import StorageFullError, UnavailableError
from jupyter_aml.workspace import Workspace
from tests.faults.kit import ended, service_pid, until, with_failpoints, without_failpoints

Disk = Callable[[str, str], Path]
MIB = 2**20


def fill(folder: Path) -> Path:
    """Fill the disk to the last byte."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 512, 1):
            with pytest.raises(OSError, match="No space left"):
                while True:
                    file.write(b"x" * size)
    return ballast


@pytest.mark.power
def test_an_upload_that_does_not_fit_is_refused_and_the_same_one_fits_later(
    small_disk: Disk, workspace_on: Callable[[Path], Workspace]
) -> None:
    """R-B01: 507, nothing left behind, and the same bytes are taken once there is space."""
    disk = small_disk("disk", "size=24m")
    workspace = workspace_on(disk)
    run = workspace.experiments["x"].start_run()
    before = shutil.disk_usage(disk).used
    data = os.urandom(40 * MIB)
    with pytest.raises(UnavailableError) as caught:
        workspace.client.call("upload_artifact", run_id=run.id, path="big.bin", content=data)
    assert isinstance(caught.value, StorageFullError) or "broke off" in caught.value.headline
    until(lambda: shutil.disk_usage(disk).used < before + MIB, 5)
    assert workspace.runs.get(run.id).status == "Running"
    small_disk("disk", "size=128m")
    workspace.client.call("upload_artifact", run_id=run.id, path="big.bin", content=data)
    run.complete()
    assert run.read_file("big.bin") == data


@pytest.mark.power
def test_a_full_disk_stops_nothing_that_runs_and_passes_without_a_restart(
    small_disk: Disk, workspace_on: Callable[[Path], Workspace], tmp_path: Path
) -> None:
    """R-B02: 507 on writes, reads go on, jobs go on, and all of it is there once there is space again."""
    disk = small_disk("disk", "size=32m")
    workspace = workspace_on(disk)
    go = tmp_path / "go"
    wait = f"while ! [ -e {go} ]; do sleep 0.05; done"
    script = (
        f"echo y > outputs/y; echo begun; {wait}; head -c 300000 /dev/zero | tr '\\0' x; echo; echo after"
    )
    jobs = [workspace.submit(command(script)) for _ in range(2)]
    until(lambda: all("begun" in job.logs() for job in jobs))
    run = workspace.experiments["x"].start_run()
    run.log("v", 0.0)
    run.log_text("before.txt", "kept")
    until(lambda: run.metrics == {"v": 0.0})
    service = service_pid(workspace)
    ballast = fill(disk)
    acknowledged = [0.0]
    for step in range(1, 2000):
        try:
            run.log("v", float(step), step)
        except OSError:
            continue
        else:
            acknowledged.append(float(step))
    with pytest.raises(StorageFullError):
        workspace.submit(command("true", code=_folder(tmp_path / "code", os.urandom(8192))))
    with pytest.raises(StorageFullError):
        for number in range(200):  # the database has some free pages left
            workspace.client.call("set_tags", run_id=run.id, tags={f"t{number}": "x" * 8000})
    assert workspace.runs.get(run.id).status == "Running"
    assert run.metric_history("v")["values"] and run.read_file("before.txt") == b"kept"
    health = workspace.client.call("health")
    assert health["status"] == "degraded" and "is full" in health["reason"]
    go.touch()
    time.sleep(2)
    assert all(job.status != "Failed" for job in jobs)
    ballast.unlink()
    assert workspace.client.call("health") == {"status": "ok"}
    until(lambda: run.metric_history("v")["values"] == acknowledged, 10)
    run.log("v", 1e6, 10**6)
    run.complete()
    ended(*jobs)
    assert service_pid(workspace) == service
    assert run.metric_history("v")["values"] == [*acknowledged, 1e6]
    for job in jobs:
        assert job.status == "Completed", job.error
        assert job.logs().startswith("begun\n") and job.read_file("outputs/y") == b"y\n"


def _folder(folder: Path, data: bytes) -> Path:
    folder.mkdir()
    (folder / "data.bin").write_bytes(data)
    return folder


@pytest.mark.power
def test_a_full_scratch_disk_is_the_jobs_own_error(small_disk: Disk, workspace: Workspace) -> None:
    """R-B04: the job gets "no space", its run fails and says so, others are not touched."""
    scratch = small_disk("scratch", "size=1m")
    full = workspace.submit(command(f"dd if=/dev/zero of={scratch}/x bs=1M count=4"))
    other = workspace.submit(command("echo fine"))
    ended(full, other)
    assert full.status == "Failed" and (full.error or {})["reason"] == "user_error"
    assert any("No space left" in line for line in (full.error or {})["log_tail"])
    assert other.status == "Completed"


@pytest.mark.power
def test_a_read_only_disk_is_read_and_recovers_by_itself(
    small_disk: Disk, workspace_on: Callable[[Path], Workspace]
) -> None:
    """R-B05: 503 on writes, reads go on, no restart."""
    disk = small_disk("disk", "size=64m")
    workspace = workspace_on(disk)
    with workspace.experiments["x"].start_run() as run:
        run.log("v", 1.0)
        run.log_text("a.txt", "kept")
    service = service_pid(workspace)
    blobs = str(disk / "workspace" / "blobs")  # the database is open, which keeps the whole disk writable
    subprocess.run(["mount", "--bind", blobs, blobs], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", blobs], check=True)
        job = workspace.client.call("submit_job", job=command("echo said").spec.model_dump(mode="json"))
        with pytest.raises(UnavailableError, match="Read-only"):
            workspace.client.call("put_blob", digest="0" * 64, content=b"x")
        time.sleep(2)
        assert workspace.runs.get(run.id).metrics == {"v": 1.0} and run.read_file("a.txt") == b"kept"
        health = workspace.client.call("health")
        assert health["status"] == "degraded" and "blobs/ is mounted read-only" in health["reason"]
    finally:
        subprocess.run(["umount", blobs], check=True)
    assert workspace.client.call("health") == {"status": "ok"}
    said = workspace.runs.get(job["id"])
    ended(said, seconds=10)
    assert said.status == "Completed" and said.logs() == "said\n"
    assert service_pid(workspace) == service


def test_a_database_that_cannot_be_written_is_read_and_recovers_by_itself(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-B05, R-B06: two commits fail for want of a writable disk; the third is as if nothing had been."""
    with_failpoints(workspace, monkeypatch, "db.commit=erofs@2;db.commit=eio@3")
    run = workspace.experiments["x"].start_run()
    service = service_pid(workspace)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="cannot be written"):
            workspace.client.call("set_tags", run_id=run.id, tags={"a": "b"})
        assert run.tags == {}
    workspace.client.call("set_tags", run_id=run.id, tags={"a": "b"})
    run.complete()
    assert run.tags == {"a": "b"} and service_pid(workspace) == service


@pytest.mark.parametrize("fault", ["eio", "enospc", "erofs"])
def test_artifacts_wait_for_a_failing_disk(
    fault: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R-B06: bytes that could not be synced are not acknowledged, and are taken in once they can be."""
    run = workspace.experiments["x"].start_run()
    with_failpoints(workspace, monkeypatch, f"blob.written={fault}")
    run.log("v", 1.0)
    run.log_text("a.txt", "kept")
    assert "a.txt" not in workspace.runs.get(run.id).get_file_names()
    with pytest.raises(UnavailableError):
        workspace.client.call("upload_artifact", run_id=run.id, path="b.txt", content=b"never")
    with pytest.raises(UnavailableError):
        run.complete()
    assert run.status == "Running"
    without_failpoints(workspace, monkeypatch)
    run.complete()
    assert run.read_file("a.txt") == b"kept" and run.metrics == {"v": 1.0}


def test_each_fault_of_a_blob_leaves_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """R-B06: an error at each step of storing; then it is not acknowledged, and a second try stores it."""
    from jupyter_aml.core import failpoints

    for site in ("blob.written", "blob.synced", "blob.renamed", "blob.kept"):
        blobs = BlobStore(tmp_path / site)
        monkeypatch.setattr(failpoints, "_points", failpoints.parse(f"{site}=eio@1"))
        with pytest.raises(UnavailableError):
            blobs.put(b"bytes")
        assert blobs.temporary_files() == [] and not list((tmp_path / site).glob(".tmp-*"))
        assert blobs.verify(blobs.put(b"bytes").digest)


def test_a_journal_on_a_full_disk_takes_up_again(small_disk: Disk) -> None:
    """R-B06 for the journal: what was acknowledged before and after the disk was full is read, in order."""
    disk = small_disk("disk", "size=256k")
    writer = JournalWriter(disk / "journal", 1)
    kept = []
    for number in range(20_000):
        if number == 15_000:
            small_disk("disk", "size=2m")
        try:
            if number % 7:
                writer.metric("v", float(number), number)
            else:
                writer.write({"op": "param", "name": "p" * (number % 91), "value": str(number)})
        except OSError:
            continue
        kept.append(number)
    assert kept[-1] == 19_999 and len(kept) < 20_000
    read = [
        record.step if isinstance(record, Scalar) else int(record["value"])
        for path in (disk / "journal").iterdir()
        for record in read_journal(path).records
    ]
    assert sorted(read) == kept


WRITER = """
import sys
from pathlib import Path
import sqlalchemy as sa
from jupyter_aml.core.database import Database
from jupyter_aml.errors import UnavailableError
from jupyter_aml.tracking.tables import experiments
database, acks = Database(Path(sys.argv[1])), open(sys.argv[2], "a", buffering=1)
for number in range(25):
    name = f"e{number}"
    try:
        database.write(lambda c: c.execute(sa.insert(experiments).values(
            name=name, created_at=1, user="x")))
    except UnavailableError:
        acks.write(f"refused {name}\\n")
    else:
        acks.write(f"kept {name}\\n")
"""


@pytest.mark.parametrize("when", ["12", "20+3", "25..30"])
def test_a_failed_sync_of_the_database_is_never_acknowledged(when: str, tmp_path: Path) -> None:
    """R-B06 for the database: fdatasync fails with EIO at the N-th call, and the writer goes on after it."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace to make system calls fail")
    database, acks = tmp_path / "aml.db", tmp_path / "acks"
    inject = f"inject=fdatasync:error=EIO:when={when}"
    script = [sys.executable, "-c", WRITER, str(database), str(acks)]
    done = subprocess.run(
        [strace, "-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", inject, *script],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "PTRACE" in done.stderr or "ptrace" in done.stderr:
        pytest.skip("this machine does not let processes be traced")
    assert done.returncode == 0, done.stderr[-2000:]
    told = acks.read_text()
    kept, refused = re.findall(r"kept (\w+)", told), re.findall(r"refused (\w+)", told)
    assert len(kept) + len(refused) == 25 and refused, "no fault was met"
    import sqlite3

    connection = sqlite3.connect(database)
    names = {name for (name,) in connection.execute("SELECT name FROM experiments")}
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert set(kept) <= names
