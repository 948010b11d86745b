"""A runner forked from the pool, and its kernel, are as good as freshly started ones."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jupyter_aml.jobs.warm.pool import PoolUnavailable, WarmPool

if TYPE_CHECKING:
    from tests.jobs.conftest import Runs

ENTRY = """
import json, os, sys, threading
link = "/proc/self/fd/{}".format
def main(argv):
    facts = {
        "argv": argv, "parent": os.getppid(), "pid": os.getpid(), "session": os.getsid(0),
        "environment": dict(os.environ), "threads": len(os.listdir("/proc/self/task")),
        "open": {n: os.readlink(link(n)) for n in os.listdir("/proc/self/fd") if os.path.exists(link(n))},
        "random": __import__("random").random(), "path": sys.path,
    }
    with open(argv[0] + ".tmp", "w") as file:
        json.dump(facts, file)
    os.rename(argv[0] + ".tmp", argv[0])
    return 0
"""

KERNEL_FACTS = """
import json, os, random, signal, sys
import numpy
links = [f"/proc/self/fd/{n}" for n in os.listdir("/proc/self/fd")]
facts = {
    "pid": os.getpid(), "session": os.getsid(0), "parent": os.getppid(), "argv": sys.argv, "path": sys.path,
    "cwd": os.getcwd(), "environment": dict(os.environ), "stdin": os.readlink("/proc/self/fd/0"),
    "open": [os.readlink(link) for link in links if os.path.exists(link)],
    "random": random.random(), "numpy": numpy.random.random(),
    "sigchld": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
    "forked": "jupyter_aml.jobs.notebook.forked" in sys.modules, "main": __name__,
}
print(json.dumps(facts))
"""


def _wait(condition: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def light(tmp_path: Path) -> Iterator[WarmPool]:
    """A pool whose runners write down what they are."""
    entry = tmp_path / "entry.py"
    entry.write_text(ENTRY)
    pool = WarmPool(preload=[], entry=f"{entry}:main")
    yield pool
    pool.close()


def _facts(pool: WarmPool, path: Path, env: dict[str, str]) -> dict:
    pid = pool.fork_runner([str(path), "two words"], env)
    _wait(path.exists)
    facts = json.loads(path.read_text())
    assert facts["pid"] == pid
    return facts


def test_runner_is_on_its_own(light: WarmPool, tmp_path: Path) -> None:
    light.start()
    _wait(light.is_ready)
    first = _facts(light, tmp_path / "a", {"ONLY": "this", "PATH": "/bin"})
    assert first["argv"] == [str(tmp_path / "a"), "two words"]
    assert first["environment"] == {"ONLY": "this", "PATH": "/bin"}
    assert first["parent"] not in (os.getpid(), light.pid)
    assert first["session"] == first["pid"]
    assert first["threads"] == 1
    assert first["open"]["0"] == first["open"]["1"] == "/dev/null"
    assert set(first["open"]) <= {"0", "1", "2"}
    assert "" not in first["path"]
    assert first["random"] != _facts(light, tmp_path / "b", {})["random"]


def test_first_run_never_waits_and_the_pool_starts_by_itself(light: WarmPool, tmp_path: Path) -> None:
    with pytest.raises(PoolUnavailable, match="still starting"):
        light.fork_runner([str(tmp_path / "x")], {})
    _wait(light.is_ready)
    assert not (tmp_path / "x").exists()


def test_killed_pool_is_started_anew(light: WarmPool, tmp_path: Path) -> None:
    light.start()
    _wait(light.is_ready)
    assert light.pid is not None
    os.kill(light.pid, signal.SIGKILL)
    _wait(lambda: Path(f"/proc/{light.pid}/stat").read_text().split()[2] == "Z")
    with pytest.raises(PoolUnavailable):
        light.fork_runner([str(tmp_path / "lost")], {})
    _wait(light.is_ready)
    assert _facts(light, tmp_path / "again", {})["threads"] == 1


def test_pool_that_cannot_start_says_so_and_is_not_tried_again_at_once(tmp_path: Path) -> None:
    pool = WarmPool(preload=[], entry="no.such.module:main")
    pool.start()

    def ended() -> bool:
        try:
            pool.is_ready()
        except PoolUnavailable:
            return True
        return False

    _wait(ended)
    with pytest.raises(PoolUnavailable):
        pool.fork_runner([], {})
    assert pool.pid is None
    pool.close()


def test_pool_ends_with_its_service(light: WarmPool) -> None:
    light.start()
    _wait(light.is_ready)
    pid = light.pid
    light.close()
    assert pid is not None
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(PoolUnavailable):
        light.fork_runner([], {})


def test_changed_packages_make_a_new_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = tmp_path / "entry.py"
    entry.write_text(ENTRY)
    pool = WarmPool(preload=[], entry=f"{entry}:main")
    pool.start()
    _wait(pool.is_ready)
    first = pool.pid
    assert pool._ready is not None
    folders, times = pool._ready
    pool._ready = ([*folders, str(tmp_path)], [*times, tmp_path.stat().st_mtime_ns - 1])  # as if pip had run
    with pytest.raises(PoolUnavailable, match="packages changed"):
        pool.fork_runner([str(tmp_path / "x")], {})
    assert pool.pid != first
    pool.close()


def test_kernel_is_forked_and_isolated(runs: Runs) -> None:
    ran = runs(KERNEL_FACTS, environment={"JPY_PARENT_PID": "12", "MINE": "yes"})
    facts = json.loads(ran.text)
    assert facts["forked"]
    assert facts["pid"] == facts["session"] == ran.result["kernel_pid"]
    assert facts["parent"] == ran.result["pid"]
    assert facts["argv"][0].endswith("ipykernel_launcher.py")
    assert "" in facts["path"]
    assert facts["cwd"] == str(ran.output.parent / "work")
    assert facts["environment"]["MINE"] == "yes"
    assert "JPY_PARENT_PID" not in facts["environment"]
    assert facts["stdin"] == "/dev/null"
    assert not [name for name in facts["open"] if "spec.json" in name]
    assert facts["sigchld"]
    assert facts["main"] == "__main__"
    again = json.loads(runs(KERNEL_FACTS).text)
    assert again["random"] != facts["random"]
    assert again["numpy"] != facts["numpy"]


def test_kernel_dies_with_its_runner(runs: Runs) -> None:
    folder = runs.begin(
        ["import os, time\nopen('pids', 'w').write(f'{os.getpid()} {os.getppid()}')\ntime.sleep(60)"]
    )
    pids = folder / "work" / "pids"
    _wait(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    kernel, runner = map(int, pids.read_text().split())
    os.kill(runner, signal.SIGKILL)
    _wait(lambda: not Path(f"/proc/{kernel}").exists())


@pytest.mark.parametrize(
    "how",
    [{"environment": {"OMP_NUM_THREADS": "1"}}, {"files": {"nbclient.py": "print('mine')"}}],
    ids=["variable", "module"],
)
def test_kernel_is_started_anew_where_a_fork_would_differ(runs: Runs, how: dict) -> None:
    ran = runs("import sys; print('jupyter_aml.jobs.notebook.forked' in sys.modules)\nimport nbclient", **how)
    assert ran.text.startswith("False\n")
    assert ("mine" in ran.text) == ("files" in how)


def test_snapshot_cannot_change_the_runner(runs: Runs) -> None:
    evil = "import os; open('taken', 'a').write(f'{os.getpid()} ')"
    names = ["json.py", "nbformat.py", "sitecustomize.py", "jupyter_config.py", "papermill.py", "zmq.py"]
    ran = runs("print(1)", files=dict.fromkeys(names, evil))
    taken = ran.output.parent / "work" / "taken"
    pids = taken.read_text().split() if taken.exists() else []
    assert str(ran.result["pid"]) not in pids
