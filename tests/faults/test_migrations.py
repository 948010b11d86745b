"""R-K02, R-J03: the database's file is made and upgraded in one step whatever dies in it; names are given once."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jupyter_aml.client import Client
from jupyter_aml.core import schema
from jupyter_aml.errors import ConflictError
from jupyter_aml.workspace import Workspace

NEXT = f"{int(schema.HEAD) + 1:04}"
STEP = f"""
from alembic import op
revision = "{NEXT}"
down_revision = "{schema.HEAD}"
def upgrade() -> None:
    op.execute("CREATE TABLE added (x INTEGER)")
    op.execute("INSERT INTO added SELECT number FROM experiments")
    op.execute("ALTER TABLE experiments RENAME COLUMN description TO renamed")
"""
OPEN = """
import sys
from pathlib import Path
from jupyter_aml.core import schema
schema.HEAD, schema.MIGRATIONS = sys.argv[2], Path(sys.argv[3])
schema.prepare(Path(sys.argv[1]))
print("opened")
"""


def opened(database: Path, migrations: Path, *strace: str) -> subprocess.CompletedProcess[str]:
    """Open the database as the next version."""
    script = [sys.executable, "-c", OPEN, str(database), NEXT, str(migrations)]
    return subprocess.run([*strace, *script], capture_output=True, text=True, check=False, timeout=100)


@pytest.fixture(scope="module")
def migrations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The migrations of this version, and one of the next."""
    folder = tmp_path_factory.mktemp("next") / "migrations"
    shutil.copytree(schema.MIGRATIONS, folder)
    (folder / "versions" / f"{NEXT}_next.py").write_text(STEP)
    return folder


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of this version that has something in it."""
    folder = tmp_path_factory.mktemp("older")
    schema.prepare(folder / "aml.db")
    with sqlite3.connect(folder / "aml.db") as connection:
        insert = (
            "INSERT INTO experiments (name, user, created_at, description, tags) VALUES (?, 'me', 1, ?, '{}')"
        )
        connection.executemany(insert, [(f"e{number}", "x" * 1000) for number in range(50)])
    connection.close()
    return folder


def contents(path: Path) -> tuple[str, str, list[str]]:
    """Whether the file is whole, its revision, and what it holds."""
    with sqlite3.connect(path) as connection:
        whole = connection.execute("PRAGMA integrity_check").fetchone()[0]
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        names = [name for (name,) in connection.execute("SELECT name FROM experiments ORDER BY number")]
    connection.close()
    return whole, revision, names


@pytest.mark.parametrize(
    ("start", "fault", "calls"),
    [
        ("older", "fdatasync:signal=KILL", (1, 2, 3)),
        ("older", "pwrite64:error=ENOSPC", (1, 8)),
        ("nothing", "pwrite64:signal=KILL", (1, 20, 60)),
    ],
)
def test_a_start_that_dies_at_any_step_is_finished_by_the_next(
    start: str, fault: str, calls: tuple[int, ...], migrations: Path, older: Path, tmp_path: Path
) -> None:
    """Killed, or out of space, at calls all over the way; the copy made beforehand is the old database."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace to kill at a system call")
    kept = [f"e{number}" for number in range(50)] if start == "older" else []
    for when in calls:
        folder = tmp_path / str(when)
        shutil.copytree(older, folder) if start == "older" else folder.mkdir()
        database = folder / "aml.db"
        inject = ["-e", f"trace={fault.partition(':')[0]}", "-e", f"inject={fault}:when={when}"]
        own = ["-P", str(database), "-P", f"{database}-wal"]
        done = opened(database, migrations, strace, "-f", "-o", "/dev/null", *inject, *own)
        if "ptrace" in done.stderr.lower():
            pytest.skip("this machine does not let processes be traced")
        if "opened" in done.stdout:  # there are fewer calls than that
            assert when != calls[0]
            break
        again = opened(database, migrations)
        assert "opened" in again.stdout, (when, again.stderr[-1500:])
        assert contents(database) == ("ok", NEXT, kept), when
        for copy in folder.glob("aml.db.before-*"):
            if not copy.name.endswith(".part"):
                assert contents(copy) == ("ok", schema.HEAD, kept), when


def test_a_name_is_given_to_one_of_many_who_ask_at_once(workspace: Workspace) -> None:
    """R-J03: sixteen clients make the experiment, or a run in it, that none of them has seen."""
    workspace.get_details()
    made: list[str] = []
    refused: list[str] = []
    together = threading.Barrier(16)

    def ask(number: int) -> None:
        client = Client(workspace.client.location)
        client.call("handshake")
        together.wait(60)
        try:
            if number % 2:
                run = client.call("start_run", experiment="raced")
                client.call("finish_run", run_id=run["id"], status="Completed")
            made.append(client.call("create_experiment", name="raced", exist_ok=True)["id"])
            client.call("create_experiment", name="raced")
        except ConflictError:
            refused.append("raced")
        finally:
            client.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(set(made)), len(refused)) == (16, 1, 16)
    assert [item["name"] for item in workspace.client.call("list_experiments")["items"]] == ["raced"]
    assert len(workspace.runs.search(experiments=["raced"])) == 8
