"""Slices of this machine: what enters one is held to it, by whatever means the account has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from jupyter_aml.compute.engines.local import cgroups
from jupyter_aml.compute.engines.local.slice import Slice
from tests.compute.conftest import is_alive, needs_groups

MIB = 1024**2
ROOT = Path(__file__).parents[2]


@pytest.fixture
def place() -> Iterator[Slice]:
    made = Slice.make(f"test-{uuid4().hex[:8]}", 0.5, 200 * MIB)
    yield made
    assert made.destroy()


def python(place: Slice, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        place.wrapped([sys.executable, "-c", code]), capture_output=True, text=True, check=False,
        env={**os.environ, **place.environment()},
    )  # fmt: skip


@needs_groups
def test_memory_is_shared_by_all_that_is_in_it(place: Slice) -> None:
    before = place.memory_kills()
    many = "import subprocess, sys\nchildren = [subprocess.Popen([sys.executable, '-c', 'import time; x = bytearray(90 << 20); time.sleep(1)']) for _ in range(4)]\nprint([child.wait() for child in children])"
    done = python(place, many)
    assert place.memory_kills() > before
    assert done.returncode == -9 or "-9" in done.stdout
    assert python(place, "print('small is fine')").stdout == "small is fine\n"


@needs_groups
def test_nothing_gets_out_and_all_of_it_ends(place: Slice) -> None:
    code = "import subprocess\np = subprocess.Popen(['sleep', '300'], start_new_session=True, env={}, stdout=-3, stderr=-3)\nprint(p.pid)"
    pid = int(python(place, code).stdout)
    assert pid in cgroups.processes(place.groups)
    assert cgroups.kill(place.groups) and not is_alive(pid)


@needs_groups
def test_a_fork_bomb_meets_the_limit_of_processes(place: Slice) -> None:
    (limit,) = [Path(group, "pids.max") for group in place.groups if Path(group, "pids.max").exists()]
    limit.write_text("20")
    code = "import os, time\nmade = 0\ntry:\n  while made < 200:\n    if os.fork() == 0: time.sleep(1); os._exit(0)\n    made += 1\nexcept OSError as error: print(made, error.errno)"
    made, number = python(place, code).stdout.split()
    assert int(made) < 20 and number == "11"


def test_what_is_in_it_knows_its_mark_and_how_many_threads_make_sense(place: Slice) -> None:
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    found = json.loads(python(place, code).stdout)
    assert found["AML_SLICE"] == place.name and found["OMP_NUM_THREADS"] == "1"
    assert found["CUDA_VISIBLE_DEVICES"] == ""


def test_it_is_the_same_after_a_journey_as_json(place: Slice) -> None:
    assert Slice.from_json(json.loads(json.dumps(place.to_json()))) == place
    assert Slice.make(place.name, 0.5, 200 * MIB) == place


def test_arguments_arrive_as_they_are(place: Slice) -> None:
    words = ["a b", "", "$(id)", "'\"", "*", "-n", "ü"]
    done = subprocess.run(
        place.wrapped([sys.executable, "-c", "import sys; print(sys.argv[1:])", *words]),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{words}\n"


@pytest.fixture
def anybodys() -> Iterator[Path]:
    """A folder that another account may use."""
    with tempfile.TemporaryDirectory(prefix="aml-test-") as folder:
        shutil.chown(folder, "nobody", "nogroup")
        yield Path(folder)


@pytest.mark.power
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that every account may use")
def test_an_account_without_control_groups_gets_what_anybody_may_set(anybodys: Path) -> None:
    code = (
        "import subprocess, sys, json\n"
        "from jupyter_aml.compute.engines.local.slice import Slice\n"
        "place = Slice.make('soft', 1, 400 << 20)\n"
        "run = lambda code: subprocess.run(place.wrapped([sys.executable, '-c', code]), capture_output=True, text=True)\n"
        "cores = run('import os; print(len(os.sched_getaffinity(0)))').stdout.strip()\n"
        "greedy = run('x = bytearray(900 << 20)').stderr.splitlines()[-1:]\n"
        "hold = 'import time; x = bytearray(180 << 20); x[::4096] = bytes(len(x[::4096])); time.sleep(3)'\n"
        "many = run(f'import subprocess, sys; print([c.wait() for c in [subprocess.Popen([sys.executable, \"-c\", {hold!r}]) for _ in range(3)]].count(-9) > 0)').stdout.strip()\n"
        'run(\'import subprocess; subprocess.Popen(["sleep", "300"], start_new_session=True, stdout=-3, stderr=-3)\')\n'
        "left = place.destroy()\n"
        "print(json.dumps([place.means, cores, greedy, many, left]))\n"
    )
    done = subprocess.run(
        ["/usr/bin/python3", "-P", "-c", code], user="nobody", group="nogroup", extra_groups=[], cwd="/",
        env={
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1",
            "AML_HOME": str(anybodys),
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "No module named 'jupyter_aml'" in done.stderr or "unknown option -P" in done.stderr.lower():
        pytest.skip("the checkout cannot be read by another account here")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["soft", "1", ["MemoryError"], "True", True]
    assert not list(anybodys.glob("slices/*"))
