"""Jobs that run in environments, built for real from the machine's package index."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_aml import command, notebook
from jupyter_aml.environments.pythons import installed
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace

LOCK = "environment/requirements.lock"
ALONE = """
import importlib.util, json, os, sys
assert not [name for name in ("pydantic", "httpx", "sqlalchemy", "fastapi") if importlib.util.find_spec(name)]
import six
from jupyter_aml import Run
run = Run.get_context()
run.log("loss", 0.5)
run.log("loss", 0.25)
run.log_metrics({"a": 1, "b": 2})
run.log_param("alpha", 0.1)
run.log_list("list", [1, 2])
run.log_row("row", x=1)
run.log_table("table", {"x": [1, 2]})
run.log_confusion_matrix("matrix", {"class_labels": ["a", "b"], "matrix": [[1, 0], [0, 1]]})
run.log_text("notes/text.txt", "hello")
run.set_tag("team", "blue")
run.set_tags({"gone": "x"}); run.set_tags({"gone": None})
class Figure:
    def savefig(self, buffer, **options): buffer.write(b"PNG")
run.log_image("plot", plot=Figure())
open("here.txt", "w").write("x")
run.upload_file("up/here.txt", "here.txt")
os.makedirs("outputs", exist_ok=True)
open("outputs/out.json", "w").write(json.dumps([sys.executable, sys.prefix, os.environ["VIRTUAL_ENV"], six.__version__]))
print(os.environ.get("MODE"), os.environ.get("PYTHONPATH"))
try:
    print(run.status)
except Exception as error:
    print(error)
"""


@pytest.fixture(scope="module")
def ws(shared: Workspace) -> Workspace:
    shared.environments.create("tiny", ["six==1.17.0"], environment_variables={"MODE": "quick", "OWN": "env"})
    return shared


def done(run: Run) -> Run:
    """The run, which must complete."""
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.status == "Completed", (run.error, run.logs("system_logs/environment.txt"))
    return run


def test_a_job_runs_in_its_environment_and_logs_with_nothing_else_installed(
    ws: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(ALONE)
    run = done(ws.submit(command("python train.py", code=tmp_path, environment="tiny")))
    assert run.get_details()["spec"]["environment"] == "tiny:1"
    program, prefix, virtual, six = json.loads(run.read_file("outputs/out.json"))
    assert six == "1.17.0" and prefix == virtual and program.startswith(prefix) and program != sys.executable
    log = run.logs()
    assert "quick None" in log and "add httpx to the environment" in log
    assert run.get_metrics()["loss"] == [0.5, 0.25] and run.params == {"alpha": "0.1"}
    assert run.tags == {"team": "blue"}
    assert {LOCK, "images/plot.png", "notes/text.txt", "up/here.txt", "outputs/out.json"} <= set(
        run.get_file_names()
    )
    lock = run.read_file(LOCK).decode()
    assert "six==1.17.0" in lock and "--hash=sha256:" in lock and lock.startswith("# python 3.")
    assert "ready: Python" in run.logs("system_logs/environment.txt")
    assert ws.environments.get("tiny").is_ready


def test_a_notebook_and_a_cell_run_in_their_environment(ws: Workspace, tmp_path: Path) -> None:
    spec = {"name": "python38-azureml", "display_name": "Python 3.8", "language": "python"}
    source = (
        "import six, sys\nassert sys.prefix.endswith('/1/environment'), sys.prefix\nprint(six.__version__)"
    )
    book = new_notebook(cells=[new_code_cell(source)], metadata={"kernelspec": spec})
    nbformat.write(book, tmp_path / "book.ipynb")
    first = ws.submit(notebook(tmp_path / "book.ipynb", environment="tiny"))
    source = "import six\ny = [x, six.__version__]\nimport importlib.util\nz = importlib.util.find_spec('pydantic')"
    cell = ws.submit_cell(source, {"x": 3}, returns=["y", "z"], environment=ws.environments["tiny"])
    done(first)
    done(cell)
    assert "1.17.0" in first.logs()
    assert cell.result("y") == [3, "1.17.0"] and cell.result("z") is None


def test_what_a_job_installs_stays_with_its_run(ws: Workspace) -> None:
    """Azure's jobs run pip; the next job must not meet what the one before installed."""
    find = 'python -c \'import importlib.util as u, os; print("found", u.find_spec("colorama") is not None)\''
    first = done(
        ws.submit(command(f"{find}; pip install -q colorama && {find}; command -v pip", environment="tiny"))
    )
    assert [line for line in first.logs().splitlines() if "found" in line] == ["found False", "found True"]
    assert "/1/environment/bin/pip" in first.logs()
    again = done(ws.submit(command(f"python -m pip uninstall -q -y six; {find}", environment="tiny")))
    assert "found False" in again.logs()
    assert done(ws.submit(command("python -c 'import six'", environment="tiny"))).status == "Completed"


def test_variables_of_the_environment_yield_to_the_jobs(ws: Workspace) -> None:
    job = command("echo $MODE-$OWN", environment="tiny", environment_variables={"OWN": "job"})
    assert "quick-job" in done(ws.submit(job)).logs()


def test_a_rerun_uses_the_lock_of_the_run_it_repeats(ws: Workspace) -> None:
    show = 'python -c \'import tomli, importlib.metadata as m; print("tomli", m.version("tomli"))\''
    environment = ws.environments.create("moving", ["tomli"])
    first = done(ws.submit(command(show, environment="moving")))
    kept = first.read_file(LOCK)
    held = ws.environments.create("moving", ["tomli<2"])
    ws.environments.archive("moving", environment.version)
    environment.resolve_anew()
    assert done(ws.submit(command(show), environment=held)).read_file(LOCK) != kept
    again = done(first.rerun())
    assert again.read_file(LOCK) == kept and again.logs() == first.logs().splitlines(keepends=True)[-1]
    assert again.get_details()["spec"]["environment"] == "moving:1"
    log = again.logs("system_logs/environment.txt")
    assert "resolving" not in log and "making" not in log


def test_azures_curated_name_runs_in_its_stand_in_and_says_so(ws: Workspace) -> None:
    asked = "azureml://registries/azureml/environments/AzureML-Minimal/labels/latest"
    run = done(ws.submit(command("python -c 'import cloudpickle'", environment=asked)))
    assert run.get_details()["spec"]["environment"] == "minimal:1"
    assert run.tags == {"aml.environment_asked": asked}
    for text in (run.logs(), run.logs("system_logs/environment.txt")):
        assert "AzureML-Minimal is not here; minimal:1 stands in for it" in text


def test_an_environment_written_into_the_job_is_kept_without_a_name(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "conda.yml").write_text("dependencies: [python>=3.11, six=1.17, {pip: []}]")
    inline = {"conda_file": str(tmp_path / "conda.yml"), "image": "mcr.example/x"}
    run = done(ws.submit(command("python -c 'import six'", environment=inline)))
    assert run.get_details()["spec"]["environment"].startswith("anonymous:")
    assert not [item for item in ws.environments.list() if item.name == "anonymous"]


def test_an_interpreter_is_used_as_it_is(ws: Workspace) -> None:
    ws.environments.create("here", interpreter=sys.executable)
    run = done(
        ws.submit(command("python -c 'import sys, jupyter_aml; print(sys.executable)'", environment="here"))
    )
    assert sys.executable in run.logs() and LOCK not in run.get_file_names()


@pytest.mark.parametrize("minor", ["3.10", "3.12"])
def test_another_python_that_is_installed(ws: Workspace, minor: str) -> None:
    if minor not in [python.minor for python in installed(write=print, stop=lambda: None)]:
        pytest.skip(f"Python {minor} is not installed")
    environment = ws.environments.create("other", ["six"], python=minor)
    log = "from jupyter_aml import Run; Run.get_context().log('x', 1)"
    show = f'python -c "import sys, six; {log}; print(sys.version)"'
    run = done(ws.submit(command(show, environment=environment)))
    assert run.logs().splitlines()[-1].startswith(minor) and run.metrics == {"x": 1.0}


def test_a_python_that_is_not_there_is_refused_with_those_that_are(ws: Workspace) -> None:
    ws.environments.create("ancient", ["six"], python="3.5")
    run = ws.submit(command("true", environment="ancient"))
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.error is not None and run.error["class"] == "NoPythonError"
    assert (
        "asks for Python 3.5" in run.error["message"]
        and f"Installed: {sys.version.split()[0]}" in run.error["message"]
    )


def test_what_is_not_used_can_be_pruned_and_is_built_again(ws: Workspace) -> None:
    built = {name for item in ws.environments.built() for name in item["environments"]}
    assert "tiny:1" in built
    assert ws.environments.prune(unused_days=1)["removed"] == []
    dry = ws.environments.prune(unused_days=0, dry_run=True)
    assert dry["freed"] > 2**20 and ws.environments.get("tiny").is_ready
    gone = ws.environments.prune(unused_days=0)
    assert [item["id"] for item in gone["removed"]] == [item["id"] for item in dry["removed"]]
    assert not ws.environments.get("tiny").is_ready and ws.environments.built() == []
    assert done(ws.environments.build("tiny")).experiment_name == "environments"
    assert ws.environments.get("tiny").is_ready
