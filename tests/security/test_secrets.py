"""No token or key is where others could read it, and nobody is reached but by those who show one (cases G19, J)."""

from __future__ import annotations

import os
import socket
import sqlite3
from pathlib import Path

import pytest

from jupyter_aml import command, notebook
from jupyter_aml.core.blobs import bytes_digest
from jupyter_aml.errors import AmlError
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service
from tests.security.conftest import API, RunningJob, Service, until
from tests.security.test_jobs import book, ended


def sockets(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def internet_sockets() -> dict[str, str]:
    """The TCP and UDP sockets of this machine: inode and local address (as in /proc/net)."""
    found = {}
    for name in ("tcp", "tcp6", "udp", "udp6", "raw"):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            fields = line.split()
            found[fields[9]] = fields[1].partition(":")[0]
    return found


def test_no_process_of_ours_can_be_reached_by_network(
    workspace: Workspace, service: Service, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    cell = f"import os, time\nprint(os.getpid(), os.getppid(), flush=True)\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    run = workspace.submit(notebook(book(tmp_path, cell)))
    until(lambda: len(run.logs().split()) == 2)
    kernel, runner = map(int, run.logs().split())
    with socket.create_server(("127.0.0.1", 0)):
        assert sockets(os.getpid()) & set(internet_sockets()), "the look itself works"
    reached = internet_sockets()
    assert sockets(runner) and not sockets(runner) & set(reached)
    # A kernel hears its forked children, and the service MLflow's clients with their tokens: on loopback ports.
    for pid in (service.pid, kernel):
        assert sockets(pid) and {reached[inode] for inode in sockets(pid) if inode in reached} <= {"0100007F"}
    gate.touch()
    ended(run)


def test_tokens_are_in_no_argument_no_log_and_no_row(
    workspace: Workspace, service: Service, job: RunningJob
) -> None:
    secrets = [service.token.encode(), job.token.encode()]
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                arguments = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            assert not any(secret in arguments for secret in secrets), entry
    service.http(service.token, check=False).post("/experiments", content=b"{")
    found: dict[bytes, set[str]] = {secret: set() for secret in secrets}
    for path in service.folder.root.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for secret in secrets:
                if secret in data:
                    found[secret].add(path.relative_to(service.folder.root).as_posix())
    assert found == {secrets[0]: {"run/token"}, secrets[1]: {f"runs/{job.run.id}/1/spec.json"}}
    with sqlite3.connect(f"file:{service.folder.database}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT digest FROM run_tokens").fetchall()
    connection.close()
    assert any(row[0] == bytes_digest(job.token.encode()) for row in rows)
    job.let_go()
    until(lambda: not service.folder.run_folder(job.run.id).root.exists())
    assert not any(
        secrets[1] in path.read_bytes() for path in service.folder.root.rglob("*") if path.is_file()
    )


LOOK = """
import os
from pathlib import Path
places = ["/proc/self/environ", f"/proc/{os.getppid()}/environ"]
print("\\n".join(f"{name}={value}" for name, value in os.environ.items()))
for place in places:
    print(Path(place).read_bytes().replace(b"\\0", b"\\n").decode())
print("runner", Path(f"/proc/{os.getppid()}/cmdline").read_bytes())
print("cores", [line.split()[4:6] for line in open("/proc/self/limits") if "core" in line])
"""


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_a_notebook_sees_no_secret_of_who_submitted_it(
    warm: bool, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AML_WARM", "1" if warm else "0")
    monkeypatch.setenv("AML_WARM_PRELOAD", "")
    (tmp_path / "code").mkdir()
    for name in ("MY_CLOUD_KEY", "JUPYTER_TOKEN", "AWS_SECRET_ACCESS_KEY", "JPY_API_TOKEN", "DATABASE_URL"):
        monkeypatch.setenv(name, f"CANARY of {name}")
    own = Service(Workspace.create("careful", path=tmp_path / "careful"))
    if warm:
        own.workspace.client.call("warm_up")

    def look() -> Run | None:
        found = ended(own.workspace.submit(notebook(book(tmp_path / "code", LOOK))))
        return None if warm and "jupyter_aml.jobs.warm" not in found.logs() else found

    run = until(look)  # until the pool is warm, a run starts cold
    assert run.status == "Completed", run.error
    text = run.logs()
    assert "AML_RUN_ID=" in text and "CANARY" not in text and own.token not in text
    assert "cores [['0', '0']]" in text, "the memory of a job, which has its token, is written to no file"
    assert b"Max core file size        0                    0" in Path(f"/proc/{own.pid}/limits").read_bytes()
    stop_service(own.workspace)


def test_a_new_token_ends_the_old_one(workspace: Workspace, tmp_path: Path) -> None:
    before = Service(Workspace.create("renewed", path=tmp_path / "renewed"))
    stop_service(before.workspace)
    before.folder.token.unlink()
    after = Service(Workspace.get(str(before.folder.root)))
    assert len(after.token) >= 43 and after.token != before.token, "256 bits, each time others"
    for token, status in ((before.token, 401), (after.token, 200)):
        assert after.raw(f"GET {API}/workspace HTTP/1.1", token=token).status == status
    stop_service(after.workspace)


def test_a_workspace_in_the_folder_of_a_job_does_not_go_along(workspace: Workspace, tmp_path: Path) -> None:
    own = Service(Workspace.create("inside", path=tmp_path / "deep" / "inside"))
    (tmp_path / "deep" / "a.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "deep"):
        run = ended(
            own.workspace.submit(command("find . -name token; cat $(find . -name a.txt)", code=folder))
        )
        assert run.logs() == "mine"
    with pytest.raises(AmlError, match="where a workspace is kept"):
        own.workspace.submit(command("true", code=own.folder.root))
    stop_service(own.workspace)
