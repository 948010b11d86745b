"""What the code itself may not contain: shells, unpicklers and templates but where they were reviewed (R5, R6)."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

import jupyter_aml

PACKAGE = Path(jupyter_aml.__file__).parent
PROJECT = PACKAGE.parent
# Calls that make code, objects or processes out of data, and the modules that unpack archives.
SUSPECT = re.compile(
    r"(builtins\.)?(eval|exec|compile|__import__)|os\.(system|popen|exec\w+|spawn\w+|posix_spawn\w*)"
    r"|subprocess\.\w+|importlib\.import_module|import_module|runpy\.\w+"
    r"|(\w*pickle|marshal|shelve|joblib|dill)\.(load|loads|Unpickler)|\w*\.read_pickle"
    r"|yaml\.(load|load_all|full_load|unsafe_load)|(string\.|jinja2\.)?Template|jinja2\.\w+"
    r"|(pd|pandas|df|frame|table)\.(eval|query)|(tarfile|zipfile)\.\w+|shutil\.(unpack_archive|make_archive)|tempfile\.mktemp"
)
# Reviewed by hand: where such a call stands, and why what it is given is no stranger's data.
REVIEWED = {
    ("__init__.py", "importlib.import_module"): "names of the package's own table",
    ("cells/__init__.py", "importlib.import_module"): "names of the package's own table",
    ("cells/ipython.py", "compile"): "to the tree of the user's own cell, which is not run",
    ("cells/names.py", "compile"): "the user's own cell, to see which names it reads; it is not run",
    ("cells/runtime.py", "importlib.import_module"): "the job's own modules, in the job",
    ("client/launch.py", "subprocess.Popen"): "the service, by a fixed list of arguments",
    ("commands/tree.py", "import_module"): "names of the package's own table",
    ("commands/compute_connect.py", "os.execvpe"): "the user's own shell, by a list of arguments",
    ("compute/engines/local/cgroups.py", "subprocess.Popen"): "our own process, by a fixed list of arguments",
    ("compute/engines/local/scratch.py", "subprocess.run"): "mount and its kin, by a list of arguments",
    ("compute/engines/local/soft.py", "subprocess.Popen"): "our own program, by a fixed list of arguments",
    ("compute/engines/ssh/agent.py", "subprocess.Popen"): "the runner, by a fixed list of arguments",
    ("compute/engines/ssh/agent.py", "subprocess.run"): "a program of ours, by a fixed list of arguments",
    ("compute/engines/ssh/bring.py", "subprocess.Popen"): "ssh, every value checked, the host behind --",
    ("compute/engines/ssh/channel.py", "subprocess.Popen"): "ssh, every value checked, the host behind --",
    ("compute/engines/ssh/hostkey.py", "subprocess.run"): "ssh, every value checked, the host behind --",
    ("compute/engines/ssh/kernel_place.py", "os.execvp"): "cat, with no argument",
    ("compute/engines/ssh/probe.py", "subprocess.run"): "ssh, every value checked, the host behind --",
    ("compute/engines/ssh/shared.py", "subprocess.Popen"): "ssh, every value checked, the host behind --",
    ("compute/engines/ssh/setup_runner.py", "subprocess.call"): "pip and venv, by a list of arguments",
    ("compute/engines/ssh/wheel.py", "zipfile.ZipFile"): "a wheel of our own files, which is written",
    ("compute/engines/ssh/wheel.py", "zipfile.ZipInfo"): "a wheel of our own files, which is written",
    ("compute/host.py", "subprocess.run"): "one tool of the machine, by a fixed list of arguments",
    ("compute/instances.py", "subprocess.Popen"): "the owner's own set-up script, inside the instance",
    ("environments/existing.py", "subprocess.run"): "an interpreter, by a list of arguments, without a shell",
    ("environments/sources.py", "subprocess.run"): "a tool, by a list of arguments, without a shell",
    ("environments/uv_process.py", "subprocess.Popen"): "uv, by a list of arguments, without a shell",
    ("jobs/shell.py", "subprocess.Popen"): "the user's own command, inside the job",
    ("jobs/spawn.py", "subprocess.Popen"): "the runner, by a fixed list of arguments",
    ("jobs/warm/pool.py", "subprocess.Popen"): "the pool, by a fixed list of arguments",
    ("jobs/warm/preload.py", "importlib.import_module"): "modules named by who starts the service",
    ("jobs/warm/server.py", "importlib.import_module"): "the runner's own module",
    ("jobs/warm/server.py", "runpy.run_path"): "the runner's own module",
    ("models/loading.py", "joblib.load"): "in the user's process, checked and trusted",
    ("models/loading.py", "pickle.load"): "in the user's process, checked and trusted",
    ("models/mlmodel.py", "yaml.load"): "BaseLoader makes texts, lists, dictionaries",
    ("magics/track_cell.py", "compile"): "the user's own cell, in the user's own kernel",
    ("magics/track_cell.py", "exec"): "the user's own cell, in the user's own kernel",
    ("testing/engines.py", "subprocess.Popen"): "a program of ours, by a list of arguments, in a test",
    ("tracking/source.py", "subprocess.run"): "git, by a list of arguments, in the user's own folder",
}
FLOORS = {"tornado": (6, 5, 3), "jupyter-server": (2, 20), "papermill": (2, 7), "pyyaml": (6, 0)}
SERVED = ("service", "server", "core", "tracking", "jobs/operations.py", "jobs/queue.py", "jobs/submit.py")


def sources() -> list[Path]:
    """The modules of what is built so far."""
    return sorted(PACKAGE.rglob("*.py"))


def calls(path: Path) -> set[str]:
    """The suspect calls of a module, each by its written name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if SUSPECT.fullmatch(name):
                found.add(name)
            if any(keyword.arg == "shell" for keyword in node.keywords):
                found.add(f"{name}(shell=)")
            if name.endswith(".format") and any(keyword.arg is None for keyword in node.keywords):
                found.add(f"{name}(**)")
    return found


def test_every_call_that_could_run_data_was_reviewed() -> None:
    found = {(path.relative_to(PACKAGE).as_posix(), name) for path in sources() for name in calls(path)}
    assert found - set(REVIEWED) == set(), "review these calls, then name them above with the reason"
    stale = {(place, name) for place, name in set(REVIEWED) - found if (PACKAGE / place).exists()}
    assert stale == set(), "these are gone"


@pytest.mark.parametrize(
    "text",
    [
        "eval(x)", "os.system(x)", "pickle.loads(x)", "cloudpickle.load(x)", "yaml.load(x)", "subprocess.run(x)",
        "run(x, shell=True)", "text.format(**x)", "pd.read_pickle(x)", "tarfile.open(x)", "__import__(x)",
    ],
)  # fmt: skip
def test_the_look_itself_works(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(text)
    assert calls(tmp_path / "x.py")


def test_pickles_are_opened_by_one_class_that_no_server_imports() -> None:
    """Case E01, R6: the loader is a subclass of the unpickler, which no call above shows."""
    openers = [
        path.relative_to(PACKAGE).as_posix()
        for path in sources()
        if re.search(r"\b(Unpickler|read_pickle|allow_pickle)\b", path.read_text())
    ]
    assert openers == ["cells/loading.py"]
    for part in SERVED:
        place = PACKAGE / part
        for path in [place] if place.is_file() else place.rglob("*.py"):
            # A run's handle loads results on the user's side; the service and Jupyter's server never call it.
            if path.name != "run.py":
                assert "cells.loading" not in path.read_text() and "load_result" not in path.read_text(), path


def test_versions_with_known_holes_cannot_be_installed_beside_it() -> None:
    """Security cases §4: the floors that the public record asks for."""
    declared = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["dependencies"]
    lowest = {}
    for text in declared:
        name, _, version = re.split(r"[,;]", text)[0].partition(">=")
        lowest[name.strip().lower().replace("_", "-")] = tuple(map(int, version.split(".")))
    for name, floor in FLOORS.items():
        assert lowest[name] >= floor, f"{name} {lowest[name]} is taken, {floor} is the first sound one"
