"""``aml`` as a user types it: real processes against a fresh home, from submit to download."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from jupyter_aml import notebook
from jupyter_aml.client import launch
from jupyter_aml.workspace import Workspace

AML = [sys.executable, "-m", "jupyter_aml"]


def aml(*words: str, cwd: Path | None = None, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command and check its exit code."""
    done = subprocess.run([*AML, *words], cwd=cwd, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def result(*words: str, cwd: Path | None = None) -> object:
    """A command's result as data."""
    return json.loads(aml(*words, "-o", "json", cwd=cwd).stdout)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a notebook, a script and Azure's kind of job file."""
    folder = tmp_path / "project"
    folder.mkdir()
    cells = [
        nbformat.v4.new_code_cell("alpha: float = 0.5\nn: int = 3", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            "from jupyter_aml import Run\nrun = Run.get_context()\n"
            "for i in range(n):\n    run.log('loss', alpha / (i + 1)); print('step', i)"
        ),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "train.ipynb")
    (folder / "score.py").write_text(
        "import sys, jupyter_aml\nprint('got', sys.argv[1:])\nsys.exit(len(sys.argv) > 3)\n"
    )
    (folder / "job.yml").write_text(
        "command: echo ${{inputs.word}} > outputs/word.txt; echo said ${{inputs.word}}\n"
        "inputs: {word: hello}\ndisplay_name: speaker\n"
    )
    return folder


def test_a_notebook_is_submitted_waited_for_and_shown(workspace: Workspace, project: Path) -> None:
    done = aml(
        "submit",
        "train.ipynb",
        "-e",
        "iris",
        "-n",
        "first",
        "-p",
        "alpha",
        "0.1",
        "-p",
        "n",
        "4",
        "--set-tag",
        "team=blue",
        "--wait",
        "-o",
        "json",
        cwd=project,
    )
    run = json.loads(done.stdout)
    assert (run["display_name"], run["experiment_name"], run["status"], run["type"], run["tags"]) == (
        "first",
        "iris",
        "Completed",
        "notebook",
        {"team": "blue"},
    )
    assert run["params"] == {"alpha": "0.1", "n": "4"}
    assert "Submitted first to experiment iris" in done.stderr
    assert "step 3" in done.stderr, "the log is shown while waiting, aside from the result"

    assert "✓ Completed  first  in iris" in aml("show", "first").stdout
    assert aml("logs", "first", "--tail", "1").stdout == "step 3\n"
    assert aml("logs", "-f", "last").stdout == "step 0\nstep 1\nstep 2\nstep 3\n"


def test_runs_are_found_compared_repeated_and_downloaded(workspace: Workspace, project: Path) -> None:
    job = notebook(project / "train.ipynb", {"alpha": 0.1}, display_name="first", experiment_name="iris")
    run = workspace.submit(job).wait_for_completion(show_output=False)
    assert result("runs", "metrics.loss < 0.04", "--query", "[].display_name") == ["first"]
    assert result("runs", "-e", "none") == []
    assert aml("runs").stdout.splitlines()[1].split()[:3] == ["first", run.id[:12], "iris"]
    again = result("rerun", "first", "-p", "n", "1", "-n", "again", "--wait", "--query", "[name, params.n]")
    assert isinstance(again, list)
    assert again[1] == "1"
    assert "again" in aml("compare", "first", again[0][:12]).stdout
    files = aml("download", "first", "user_logs/", "--to", "here", cwd=project).stdout
    assert files == "here/user_logs/std_log.txt\n"
    assert (project / "here/user_logs/std_log.txt").read_text() == "step 0\nstep 1\nstep 2\n"


def test_scripts_and_commands(workspace: Workspace, project: Path) -> None:
    script = aml("submit", "--wait", "-q", "score.py", "--alpha", "-1", cwd=project)
    assert script.stderr == "", "-q says nothing"
    assert aml("logs", "last").stdout == "got ['--alpha', '-1']\n"
    aml(
        "submit",
        "-n",
        "shell",
        "-p",
        "word",
        "it's  a b;",
        "--wait",
        "--",
        "sh",
        "-c",
        "echo \"$0\" '$1'",
        "${{inputs.word}}",
        cwd=project,
    )
    assert aml("logs", "shell").stdout == "it's  a b; $1\n"

    failed = aml("submit", "--wait", "score.py", "1", "2", "3", cwd=project, code=1)
    assert failed.stdout == ""
    assert "failed" in failed.stderr
    assert "See everything with: aml show" in failed.stderr


def test_azures_job_commands(workspace: Workspace, project: Path) -> None:
    created = aml(
        "job",
        "create",
        "--file",
        "job.yml",
        "--set",
        "inputs.word=bye",
        "tags.a=1",
        "-g",
        "group",
        "--query",
        "name",
        "-o",
        "tsv",
        cwd=project,
    )
    name = created.stdout.strip()
    assert len(name) == 32
    streamed = aml("job", "stream", "-n", name).stdout
    assert streamed.startswith(f"RunId: {name}\n")
    assert "said bye\n" in streamed
    assert streamed.endswith(f"Execution Summary\n=================\nRunId: {name}\nStatus: Completed\n")
    assert aml("job", "show", "--name", name, "--query", "status", "-o", "tsv").stdout == "Completed\n"
    shown = json.loads(aml("job", "show", "-n", "speaker").stdout)
    assert (shown["name"], shown["tags"], shown["experiment_name"]) == (name, {"a": "1"}, "default")

    aml("job", "update", "-n", name, "--set", "display_name=renamed", "tags.b=2", "--remove", "tags.a")
    assert result("job", "show", "-n", "renamed", "--query", "tags") == {"b": "2"}
    aml("job", "archive", "-n", name)
    assert result("job", "list") == []
    assert result("job", "list", "--archived-only", "--query", "[].name") == [name]
    aml("job", "restore", "-n", name)
    assert result("job", "list", "-r", "1", "--query", "[].name") == [name]
    aml("job", "download", "-n", name, "-p", "got", cwd=project)
    assert (project / "got/artifacts/outputs/word.txt").read_text() == "bye\n"
    assert aml("job", "update", "-n", name, "--set", "status=Completed", code=2).stderr.splitlines() == [
        "aml: A job's 'status' cannot be changed.",
        "Change its display_name, description or tags.NAME.",
    ]


def test_workspaces_and_experiments(home: Path, tmp_path: Path) -> None:
    made = result("workspace", "create", "-n", "lab", "-l", "cellar", "--tags", "a=b")
    assert made == result("workspace", "show", "--name", "lab")
    assert made == result("workspace", "list", "--query", "[0]")
    aml("workspace", "create", "--name", "apart", "--path", str(tmp_path / "apart"))
    assert result("status", "-w", str(tmp_path / "apart"), "--query", "[workspace, service]") == [
        "apart",
        "stopped",
    ]
    assert not launch.is_running(Workspace.get("lab").client.location.folder), (
        "no service is needed for these"
    )

    shown = result("experiment", "create", "iris", "--description", "flowers", "-w", "lab")
    assert shown == result("experiment", "show", "-n", "iris", "-w", "lab")
    assert result("experiment", "list", "--query", "[].name", "-w", "lab") == ["iris"]
    aml("experiment", "archive", "iris", "-w", "lab")
    assert result("experiment", "list", "-w", "lab") == []
    aml("experiment", "restore", "iris", "-w", "lab")
    assert "--yes" in aml("experiment", "delete", "iris", "-w", "lab", code=2).stderr
    aml("experiment", "delete", "iris", "-w", "lab", "-y")
    assert "sound" in aml("fsck", "-w", "lab").stdout
    assert result("service", "status", "-w", "lab", "--query", "service") == "running"
    assert result("service", "stop", "-w", "lab") == {"service": "stopped"}
    assert result("service", "stop", "-w", "lab") == {"service": "stopped"}


def test_exit_codes_and_where_messages_go(workspace: Workspace) -> None:
    for words, code in (
        (["show", "nobody"], 3),
        (["job", "show", "-n", "nobody"], 3),
        (["experiment", "show", "none"], 3),
        (["workspace", "show", "none"], 3),
        (["logs", "nobody"], 1),
        (["cancel", "nobody"], 1),
        (["submit", "none.ipynb"], 1),
        (["runs", "metrics.a <"], 1),
        (["runz"], 2),
        (["submit"], 2),
        (["submit", "make"], 2),
        (["status", "-w", "none"], 1),
    ):
        done = aml(*words, code=code)
        assert done.stdout == ""
        assert done.stderr.startswith("aml: ")
        assert 1 <= len(done.stderr.splitlines()) <= 3, done.stderr
    assert aml("--version").stdout.startswith("jupyter_aml ")


def test_a_wrong_parameter_is_refused_before_the_start(workspace: Workspace, project: Path) -> None:
    refused = aml("submit", "train.ipynb", "-p", "alhpa", "1", cwd=project, code=1)
    assert "Did you mean 'alpha'?" in refused.stderr
    assert aml("runs").stdout == "No runs.\n"


def test_ctrl_c_ends_the_waiting_and_not_the_run(workspace: Workspace, project: Path) -> None:
    words = ["submit", "--wait", "-n", "long", "--", "sh", "-c", "echo begun; sleep 60"]
    with subprocess.Popen(
        [*AML, *words], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stderr is not None
        while "begun" not in waiting.stderr.readline():
            assert waiting.poll() is None
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=30)
    assert (waiting.returncode, out) == (130, "")
    assert "Stopped waiting. Run long goes on" in err
    assert result("show", "long", "--query", "status") == "Running"
    aml("cancel", "long")
    deadline = time.monotonic() + 30
    while result("show", "long", "--query", "status") != "Canceled":
        assert time.monotonic() < deadline


def test_a_reader_that_goes_away_is_no_error(workspace: Workspace) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [*AML, "runs", "--help"], stdout=write, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
