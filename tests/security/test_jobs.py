"""What a hostile job can do to its neighbours: nothing is taken that is not its own, and nothing of it stays (cases A, B, D, K)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_aml import command, notebook
from jupyter_aml.core.blobs import bytes_digest
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service
from tests.security.conftest import RunningJob, Service, hold, payloads, until


def ended(run: Run) -> Run:
    """Wait for the end of a run."""
    until(lambda: run.is_final, 100)
    return run


def outputs(run: Run) -> list[str]:
    """The files a job left."""
    return [name for name in run.get_file_names() if name.startswith(("outputs/", "logs/"))]


def holds(service: Service, canary: str) -> bool:
    """Whether any stored blob holds the text."""
    return any(
        canary.encode() in path.read_bytes() for path in service.folder.blobs.rglob("*") if path.is_file()
    )


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder with a file that no job may take or move."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "precious").write_text(f"CANARY-{tmp_path.name}")
    yield folder
    assert (folder / "precious").read_text() == f"CANARY-{tmp_path.name}"


def test_links_are_named_and_not_followed(
    workspace: Workspace, service: Service, kept: Run, elsewhere: Path
) -> None:
    kept.log_text("theirs.txt", "CANARY of a neighbour")
    script = (
        f"cd outputs; ln -s {elsewhere} folder; ln -s {elsewhere}/precious file; ln -s loop loop; ln -s . here;"
        f" ln -s ../../../../{kept.id} sibling; ln -s nowhere nowhere; mkdir d; ln -s ../file d/up; echo x > real;"
        f" cd ../logs; ln -s {elsewhere} folder; ln -s {elsewhere}/precious file; echo y > real"
    )
    run = ended(workspace.submit(command(script)))
    assert run.status == "Completed" and outputs(run) == ["logs/real", "outputs/real"]
    log = run.logs()
    for name in ("folder", "file", "loop", "here", "sibling", "nowhere", "d/up"):
        assert f"{name} is no regular file" in log
    assert not holds(service, elsewhere.joinpath("precious").read_text())


@pytest.mark.parametrize("name", ["outputs", "logs"])
def test_a_link_in_the_place_of_the_folder_itself_is_not_followed(
    workspace: Workspace, service: Service, elsewhere: Path, name: str
) -> None:
    run = ended(workspace.submit(command(f"rmdir {name}; ln -s {elsewhere} {name}")))
    assert run.status == "Completed" and outputs(run) == []
    assert f"{name} is a link and was left out" in run.logs()
    assert not holds(service, elsewhere.joinpath("precious").read_text())


def test_pipes_sockets_devices_and_holes_stop_no_collection(workspace: Workspace) -> None:
    script = (
        "cd outputs; mkfifo pipe; truncate -s 1T holes; echo x > closed; chmod 000 closed; mknod device c 1 5 2>/dev/null;"
        """ python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('socket')"; echo y > real; ln real hard;"""
        " mkdir shut; echo z > shut/in; cd ../logs; mkfifo pipe; truncate -s 1T holes; echo y > real"
    )
    run = ended(workspace.submit(command(script)))
    assert run.status == "Completed", run.error
    expected = ["logs/real", "outputs/closed", "outputs/hard", "outputs/real", "outputs/shut/in"]
    assert outputs(run) == expected
    log = run.logs()
    assert "pipe is no regular file" in log and "socket is no regular file" in log
    assert "holes is almost all holes" in log


SWAP = """
import os, sys, time
from pathlib import Path
elsewhere, folder = sys.argv[1], Path(sys.argv[2])
real, link = folder / "real", folder / "d"
real.mkdir()
(real / "precious").write_text("own")
end = time.monotonic() + 100
while time.monotonic() < end:
    for target in (real.name, elsewhere):
        os.symlink(target, folder / "new")
        os.rename(folder / "new", link)
        os.unlink(link)
        os.rename(real, link)
        os.rename(link, real)
"""


def test_swapping_a_folder_for_a_link_wins_nothing(
    workspace: Workspace, service: Service, elsewhere: Path, tmp_path: Path
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "swap.py").write_text(SWAP)
    start = f"(env -i setsid /usr/bin/env python3 swap.py {elsewhere}"
    script = f"export PATH=/usr/bin:/bin:$PATH; {start} logs &) ; {start} outputs &) ; sleep 4"
    run = ended(workspace.submit(command(script, code=tmp_path / "code")))
    assert run.status == "Completed", run.error
    assert not running("swap.py"), "the collector looks when nobody is left who could swap"
    assert set(outputs(run)) <= {
        f"{top}/{name}/precious" for top in ("logs", "outputs") for name in ("real", "d")
    }
    assert any(name.startswith("outputs/") for name in outputs(run))
    for name in outputs(run):
        assert run.read_file(name) == b"own"
    assert not holds(service, elsewhere.joinpath("precious").read_text())


def running(word: str) -> list[int]:
    """The processes with this word among their arguments."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                arguments = Path(entry.path, "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in arguments.split(b"\0"):
                found.append(int(entry.name))
    return found


def test_nothing_of_a_job_stays(workspace: Workspace, tmp_path: Path) -> None:
    ways = [
        "sleep 30071", "setsid sleep 30072", "nohup sleep 30073", "env -i setsid sh -c '(sleep 30074 &)'",
        "(env -i setsid nohup sleep 30075 &)", "cd / && (env -i setsid sleep 30076 &)", "trap '' TERM INT HUP; sleep 30077",
    ]  # fmt: skip
    run = ended(
        workspace.submit(command("; ".join(f"( {way} & ) >/dev/null 2>&1" for way in ways) + "; sleep 0.5"))
    )
    assert run.status == "Completed"
    assert [number for number in range(30071, 30078) if running(str(number))] == []
    cell = (
        "import os, subprocess\n"
        "subprocess.Popen(['env', '-i', 'setsid', 'sleep', '30078'])\n"
        "subprocess.Popen(['sh', '-c', '(env -i setsid sleep 30079 &)'], start_new_session=True, cwd='/')\n"
        "if os.fork() == 0:\n    os.setsid()\n    os.execv('/bin/sleep', ['sleep', '30080'])"
    )
    run = ended(workspace.submit(notebook(book(tmp_path, cell))))
    assert run.status == "Completed", run.error
    assert [number for number in range(30078, 30081) if running(str(number))] == []


def book(folder: Path, *cells: str) -> Path:
    """A notebook file of these cells."""
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    document = new_notebook(metadata={"kernelspec": spec}, cells=[new_code_cell(cell) for cell in cells])
    nbformat.write(document, folder / "book.ipynb")
    return folder / "book.ipynb"


def test_what_was_submitted_is_what_runs(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AML_MAX_RUNS", "1")
    narrow = Service(Workspace.create("narrow", path=tmp_path / "narrow"))
    holder = hold(narrow.workspace, tmp_path)
    (tmp_path / "code").mkdir()
    pwned = tmp_path / "pwned"
    (tmp_path / "code" / "run.sh").write_text("echo as submitted")
    source = f"print('as submitted')\n# {tmp_path.name}"
    runs = [
        narrow.workspace.submit(command("sh run.sh", code=tmp_path / "code")),
        narrow.workspace.submit(notebook(book(tmp_path / "code", source))),
        narrow.workspace.submit(command("cat run.sh", code=tmp_path / "code")),
    ]
    for name in ("run.sh", "book.ipynb"):
        data = (tmp_path / "code" / name).read_bytes()
        blob = narrow.folder.blobs / bytes_digest(data)[:2] / bytes_digest(data)
        original = blob.read_bytes()
        blob.write_bytes(
            original.replace(b"echo as submitted", f"touch {pwned}".encode()).replace(
                b"print(", b"open('pwned', 'w'); print("
            )
        )
        (tmp_path / "code" / name).write_text("changed")
    holder.let_go()
    for run in runs:
        ended(run)
        assert run.status == "Failed" and "snapshot_mismatch" in (run.error or {})["message"]
    stop_service(narrow.workspace)
    assert not pwned.exists() and not list(narrow.folder.root.rglob("pwned"))


def test_a_value_is_no_part_of_the_command(workspace: Workspace, tmp_path: Path) -> None:
    texts = [
        text.replace("pwn", str(tmp_path / "pwned")) for text in payloads("command_string") + payloads("name")
    ]
    lawful = [text for text in texts if text.isprintable() and "\ud800" not in text and len(text) < 6000]
    inputs = {f"i{number}": text for number, text in enumerate(lawful)}
    line = "printf '%s\\n' " + " ".join(f"${{{{inputs.{name}}}}}" for name in inputs)
    run = ended(
        workspace.submit(
            command(line, inputs=inputs, display_name="; touch pwned", experiment_name="attacked")
        )
    )
    assert run.status == "Completed", run.error
    assert run.logs() == "".join(f"{text}\n" for text in lawful)
    assert not list(tmp_path.rglob("pwned")) and sorted(run.params.values()) == sorted(lawful)


SHADOWS = (
    "json nbformat papermill nbclient jupyter_client zmq tornado traitlets sitecustomize usercustomize jupyter_aml "
    "encodings site ast pickle logging asyncio jupyter_config ipython_config jupyter_server_config ipython_kernel_config"
).split()


def shadowing(folder: Path, mark: Path) -> Path:
    """A folder of modules and settings that leave a mark when somebody reads them; all go along with a job."""
    code = f"import os\nos.write(os.open({str(mark)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND), f'{{os.getpid()}} {{__name__}}\\n'.encode())\n"
    folder.mkdir()
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(code)
    for place in (
        "profile_default/startup/x.py",
        ".ipython/profile_default/ipython_config.py",
        ".jupyter/jupyter_config.py",
    ):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(code)
    (folder / "pyvenv.cfg").write_text(f"home = {folder}\n")
    (folder / "x.pth").write_text(f"import os; {code.splitlines()[1]}\n")
    for name in ("sh", "env", "git", "python", "python3", "ps"):
        (folder / name).write_text(f"#!/bin/sh\necho $$ {name} >> {mark}\n")
        (folder / name).chmod(0o755)
    return folder


def test_the_runner_reads_nothing_of_the_snapshot(workspace: Workspace, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    folder = shadowing(tmp_path / "code", mark)
    run = ended(
        workspace.submit(notebook(book(folder, "import os\nprint('kernel', os.getpid(), os.getppid())")))
    )
    assert run.status == "Completed", run.error
    _, kernel, runner = run.logs().split()
    readers = {line.split()[0] for line in mark.read_text().splitlines()} if mark.exists() else set()
    assert readers <= {kernel} and kernel != runner
    run = ended(
        workspace.submit(
            command("echo done", code=folder, environment_variables={"PATH": ".", "PYTHONPATH": "."})
        )
    )
    assert run.logs() == "done\n"
    assert {line.split()[0] for line in mark.read_text().splitlines()} <= {kernel} if mark.exists() else True


@pytest.mark.parametrize(
    "name",
    [
        "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "PYTHONSTARTUP", "PYTHONHOME", "BASH_ENV", "ENV", "IFS", "PS4",
        "AML_TOKEN", "AML_RUN_ID", "aml_token", "AML_FAILPOINTS", "AZUREML_RUN_TOKEN", "JUPYTER_CONFIG_DIR", "JPY_PARENT_PID",
        "JUPYTER_PATH", "IPYTHONDIR", "GIT_SSH_COMMAND", "A=B", "A\0", "A\nB", "", "1A", "Ａ", "A" * 300, "A B", "a.b",
    ],
)  # fmt: skip
def test_no_variable_steers_the_runner(service: Service, name: str) -> None:
    http = service.http(service.token)
    before = service.state()
    for kind in ({"type": "command", "command": "true"}, {"type": "notebook", "notebook": "a.ipynb"}):
        answer = http.post("/jobs", json={"job": {**kind, "environment_variables": {name: "x"}}})
        assert answer.status_code == 400 and "variable" in answer.json()["error"]["message"]
    assert service.state() == before


def test_a_job_cannot_say_how_it_ended(workspace: Workspace, service: Service, job: RunningJob) -> None:
    http = service.http(job.token)
    for status in ("Completed", "Failed", "Canceled"):
        answer = http.post(f"/runs/{job.run.id}/finish", json={"status": status})
        assert answer.status_code == 409 and "ends by itself" in answer.json()["error"]["message"]
    for claim in (
        {"status": "Completed"},
        {"ended_at": 1},
        {"user": "x"},
        {"spec": {"timeout": None}},
        {"attempt": 7},
    ):
        assert http.patch(f"/runs/{job.run.id}", json=claim).status_code == 422
    assert job.run.status == "Running" and job.run.get_details()["ended_at"] is None
    job.let_go()
    assert job.run.status == "Completed"


def test_an_earlier_attempt_says_nothing_more(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "say.py").write_text(
        "import os\nfrom pathlib import Path\nfrom jupyter_aml.core.journal import JournalWriter\n"
        "for attempt in (0, 1, 2, 3):\n"
        "    writer = JournalWriter(Path(os.environ['AML_RUN_DIR'], 'journal'), attempt)\n"
        "    writer.metric(f'of {attempt}', 1.0)\n"
        "    writer.write({'op': 'state', 'status': 'Completed', 'time': 0})\n"
        "    writer.write({'op': 'end', 'status': 'Completed', 'error': None, 'time': 0})\n"
    )
    import sys

    script = f"[ $AML_ATTEMPT = 1 ] && exit 3; {sys.executable} say.py; exit 4"
    run = ended(workspace.submit(command(script, code=tmp_path, retries=1)))
    assert run.status == "Failed" and run.metrics == {"of 2": 1.0}
    assert "exit code 4" in (run.error or {})["message"]


def test_an_ended_run_takes_no_more_words(workspace: Workspace, service: Service) -> None:
    from jupyter_aml.core.journal import JournalWriter

    run = ended(workspace.submit(command("true")))
    before = run.get_details()
    folder = service.folder.run_folder(run.id)
    writer = JournalWriter(folder.journal, 1)
    writer.metric("late", 1.0)
    writer.write({"op": "param", "name": "late", "value": "x"})
    writer.close()
    (folder.logs / "user_logs").mkdir(parents=True)
    (folder.logs / "user_logs" / "std_log.txt").write_text("forged")
    assert run.get_details() == before and run.logs() == ""
    assert [item["stream"] for item in run._client.call("list_logs", run_id=run.id)["items"]]
    for path in sorted(folder.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.root.rmdir()


@pytest.mark.parametrize(
    "result",
    [
        {"status": "Owner"}, {"status": ["Completed"]}, {"status": "Running", "error": None, "ended_at": 1},
        {"status": "Completed", "error": "text", "ended_at": 1}, {"status": "Completed", "error": None, "ended_at": 2**80},
        {"status": "Completed", "error": None, "ended_at": "now"}, [], "Completed", None,
    ],
    ids=str,
)  # fmt: skip
def test_a_forged_result_ends_no_run_well(workspace: Workspace, tmp_path: Path, result: Any) -> None:
    (tmp_path / "forged.json").write_text(json.dumps(result))
    script = "cp forged.json ../result.json; sleep 0.5; kill -9 $PPID; sleep 100"
    run = ended(workspace.submit(command(script, code=tmp_path)))
    assert run.status == "Failed" and (run.error or {})["reason"] == "runner_lost"


def test_a_failed_job_with_a_flood_of_words_is_told_in_few(workspace: Workspace, tmp_path: Path) -> None:
    run = ended(workspace.submit(notebook(book(tmp_path, "raise ValueError('x' * 20_000_000)"))))
    assert run.status == "Failed"
    assert len(json.dumps(run.error)) < 100_000 and (run.error or {})["class"] == "ValueError"
