"""Runs on an attached machine, from submit to end."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
import pytest
from traitlets.config import Config

from jupyter_aml import command
from jupyter_aml.compute.compute import AttachedCompute
from jupyter_aml.errors import RunFailedError
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import until
from tests.compute.ssh.conftest import Host, processes_below

EXAMPLES = Path(__file__).parents[3] / "example_notebooks"
TRAIN = """
import os, time
from pathlib import Path
from jupyter_aml import Run
run = Run.get_context()
run.log_param("lr", 0.1)
for step in range(50):
    run.log("loss", 1 / (step + 1), step)
print("data is", Path("data.txt").read_text(), "at", Path.cwd(), flush=True)
Path("outputs/model.bin").write_bytes(bytes(range(256)) * 20_000)
while not Path(os.environ["GO"]).exists():
    time.sleep(0.02)
print("done", flush=True)
"""


def test_a_job_runs_there_and_is_seen_here_while_it_does(
    workspace: Workspace, attached: AttachedCompute, host: Host, tmp_path: Path
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text(TRAIN)
    (code / "data.txt").write_text("as submitted")
    go = tmp_path / "go"
    job = command("python train.py", code=code, environment_variables={"GO": str(go)})
    run = workspace.submit(job, compute="gpu-box")
    until(lambda: "data is as submitted" in run.logs() or run.is_final)
    assert not run.is_final, run.logs()
    until(lambda: run.status == "Running" and len(run.metric_history("loss")["values"]) == 50)
    assert attached.get_active_runs() == [run.id]
    assert str(host.aml) in run.logs()
    go.touch()
    run.wait_for_completion(show_output=False)
    assert run.logs().endswith("done\n") and run.params == {"lr": "0.1"}
    assert run.read_file("outputs/model.bin") == bytes(range(256)) * 20_000
    assert run.compute == "gpu-box"
    until(lambda: not list(host.aml.glob("hosts/*/runs/*")))


def test_a_failing_command_says_how_it_ended(workspace: Workspace, attached: AttachedCompute) -> None:
    run = workspace.submit(command("echo the cause; exit 3"), compute="gpu-box")
    with pytest.raises(RunFailedError, match="exit code 3"):
        run.wait_for_completion(show_output=False)
    assert run.error is not None and run.error["log_tail"] == ["the cause"]


def test_cancel_reaches_it_and_leaves_nothing(
    workspace: Workspace, attached: AttachedCompute, host: Host
) -> None:
    script = "trap 'echo saved; exit 1' INT; (setsid sleep 1000 &) ; echo ready; while :; do sleep 0.1; done"
    run = workspace.submit(command(script), compute="gpu-box")
    until(lambda: "ready" in run.logs())
    run.cancel()
    until(lambda: run.is_final, 15)
    assert run.status == "Canceled" and "saved" in run.logs()
    until(lambda: processes_below(host.aml) == [])


def test_the_time_out_ends_it(workspace: Workspace, attached: AttachedCompute) -> None:
    run = workspace.submit(command("sleep 100", timeout="1s"), compute="gpu-box")
    until(lambda: run.is_final, 20)
    assert run.status == "Failed" and run.error is not None and run.error["reason"] == "timeout"


@pytest.mark.timeout(300)
def test_the_example_trains_there_with_an_environment_built_there(
    workspace: Workspace, attached: AttachedCompute, host: Host, tmp_path: Path
) -> None:
    book = nbformat.read(EXAMPLES / "02_compute.ipynb", 4)
    chosen = ("%load_ext", 'ws.compute.list("ssh")')
    book.cells = [cell for cell in book.cells if any(text in cell.source for text in chosen)]
    assert len(book.cells) == 2
    nbformat.write(book, tmp_path / "book.ipynb")
    executed = papermill.execute_notebook(
        str(tmp_path / "book.ipynb"), None, cwd=str(EXAMPLES), kernel_name="python3", progress_bar=False,
        config=Config(KernelManager={"transport": "ipc"}),
    )  # fmt: skip
    assert "gpu-box {" in str(executed.cells[-1].outputs) and "rmse" in str(executed.cells[-1].outputs)
    run = workspace.runs.search("attributes.name = 'train-there'")[0]
    assert (
        run.status == "Completed"
        and "scikit-learn==" in run.read_file("environment/requirements.lock").decode()
    )
    assert list(host.aml.glob("hosts/*/environments/*"))
    assert not [path for path in workspace.client.location.folder.environments.glob("*") if path.is_dir()]
