"""Builds that meet trouble: racing processes, a killed builder, a full disk, no network, a wrong requirement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.environments.build import Builder
from jupyter_aml.environments.folder import EnvironmentFolder, site_packages
from jupyter_aml.environments.lock import EnvironmentBuildError
from jupyter_aml.environments.model import Definition
from jupyter_aml.environments.uv_process import BuildStopped
from jupyter_aml.workspace import Workspace
from tests.environments.conftest import MakeBuilder
from tests.faults.conftest import small_disk  # noqa: F401 - a fixture
from tests.faults.kit import until

TINY = Definition(requirements=["six"])
BUILD = """
import json, os, sys
from pathlib import Path
from jupyter_aml.client.launch import index_environment
from jupyter_aml.environments.build import Builder
from jupyter_aml.environments.index import uv_environment
from jupyter_aml.environments.model import Definition
lines = []
index = uv_environment(index_environment(), [])
builder = Builder(Path(sys.argv[1]), index=index, write=lines.append, stop=lambda: None)
ready = builder.ready(Definition(requirements=["six"]))
print(json.dumps([str(ready.built.path), lines]))
"""


def builder_process(root: Path, **variables: str) -> subprocess.Popen[str]:
    """A process that wants the tiny environment."""
    environment = {**os.environ, **variables}
    command = [sys.executable, "-c", BUILD, str(root)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def left_behind(root: Path) -> list[str]:
    """What looks like a build that was cut off."""
    return [path.name for path in root.iterdir() if path.name.startswith(".") and path.name != ".package"]


def test_five_processes_that_want_the_same_get_one_build(tmp_path: Path) -> None:
    root = tmp_path / "environments"
    processes = [builder_process(root) for _ in range(5)]
    found = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert len({path for path, _ in found}) == 1
    built = [lines for _, lines in found if any(line.startswith("making") for line in lines)]
    waited = [lines for _, lines in found if any("another run is preparing" in line for line in lines)]
    assert len(built) == 1 and waited
    assert left_behind(root) == []


@pytest.mark.parametrize("site", ["environment.venv", "environment.installed"])
def test_a_killed_builder_leaves_nothing_that_looks_whole(
    tmp_path: Path, make_builder: MakeBuilder, site: str
) -> None:
    root = tmp_path / "environments"
    killed = builder_process(root, AML_TEST_MODE="1", AML_FAILPOINTS=f"{site}=kill9")
    killed.communicate(timeout=60)
    assert killed.returncode == -9
    folder = EnvironmentFolder(root)
    assert list(folder.all_built()) == [] and left_behind(root)
    ready = make_builder().ready(TINY)
    assert ready.built.marker() is not None and left_behind(root) == []


def test_a_built_environment_that_was_changed_is_built_anew(make_builder: MakeBuilder) -> None:
    """K03: what a job adds to the shared packages never reaches the next one."""
    ready = make_builder().ready(TINY)
    os.close(ready.use)
    packages = site_packages(ready.built.path)
    assert not (packages / "six.py").stat().st_mode & 0o222
    (packages / "sitecustomize.py").write_text("raise SystemExit('poisoned')")
    lines: list[str] = []
    again = make_builder(lines).ready(TINY)
    assert any("was changed since" in line for line in lines)
    assert again.built.path == ready.built.path
    assert not (site_packages(again.built.path) / "sitecustomize.py").exists()


def test_a_requirement_that_cannot_be_had_is_named_with_the_reason(make_builder: MakeBuilder) -> None:
    definition = Definition(requirements=["six", "tomli==99.0"])
    with pytest.raises(EnvironmentBuildError) as caught:
        make_builder().ready(definition)
    assert "because of tomli==99.0" in caught.value.headline
    assert "there is no version of tomli==99.0" in str(caught.value.detail)
    assert "system_logs/environment.txt" in str(caught.value.hint)


def test_without_the_index_what_is_built_still_works_and_the_rest_says_so(make_builder: MakeBuilder) -> None:
    """R-H04: the package index is down; and no credentials of its address are told."""
    online = make_builder().ready(TINY)
    lines: list[str] = []
    down = {
        "UV_DEFAULT_INDEX": "http://me:hunter2@127.0.0.1:9/simple", "UV_INDEX": "", "UV_FIND_LINKS": "",
        "UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1",
    }  # fmt: skip
    builder = make_builder(lines, **down)
    assert builder.ready(TINY).built.path == online.built.path
    with pytest.raises(EnvironmentBuildError, match="the package index cannot be reached") as caught:
        builder.ready(Definition(requirements=["tomli"]))
    assert "usable without" in str(caught.value.hint)
    assert "hunter2" not in "\n".join([*lines, str(caught.value)])


def test_a_build_that_is_stopped_stops_at_once_and_leaves_nothing(
    tmp_path: Path, make_builder: MakeBuilder
) -> None:
    begun = tmp_path / "begun"
    lines: list[str] = []

    def stop() -> str | None:
        return "canceled" if any(line.startswith("making") for line in lines) else None

    with pytest.raises(BuildStopped):
        make_builder(lines, stop).ready(TINY)
    assert not begun.exists() and left_behind(tmp_path / "environments") == []
    assert list(EnvironmentFolder(tmp_path / "environments").all_built()) == []


@pytest.mark.power
def test_a_full_disk_fails_the_build_and_is_given_back(
    small_disk: Callable[..., Path],  # noqa: F811
    make_builder: MakeBuilder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = small_disk("disk", "size=20m")
    builder = Builder(disk / "environments", index=make_builder()._index, write=print, stop=lambda: None)
    with pytest.raises(EnvironmentBuildError, match="the disk is full"):
        builder.ready(TINY)
    assert left_behind(disk / "environments") == []
    small_disk("disk", "size=300m")
    assert builder.ready(TINY).built.marker() is not None


def test_cancelling_and_the_time_out_reach_a_build(shared: Workspace) -> None:
    folder = EnvironmentFolder(shared.client.location.folder.environments)
    folder.locks.mkdir(parents=True, exist_ok=True)
    from jupyter_aml.environments.folder import held
    from jupyter_aml.environments.pythons import own_python

    file = folder.resolution_file(TINY.resolution_digest(), own_python()).with_suffix(".lock")
    with held(file, lambda: None, lambda: None):  # somebody else resolves it, and does not come to an end
        canceled = shared.submit(command("true", environment={"requirements": ["six"]}))
        late = shared.submit(command("true", environment={"requirements": ["six"]}, timeout=1))
        until(lambda: canceled.status == "Preparing")
        until(lambda: "waiting for it" in canceled.logs("system_logs/environment.txt"))
        canceled.cancel()
        for run in (canceled, late):
            run.wait_for_completion(show_output=False, raise_on_error=False)
    assert canceled.status == "Canceled"
    assert late.status == "Failed" and late.error is not None and late.error["reason"] == "timeout"


def test_a_failed_build_is_the_runs_error(shared: Workspace) -> None:
    run = shared.submit(command("true", environment={"requirements": ["no-such-package-for-jupyter-aml>3"]}))
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.status == "Failed" and run.error is not None
    assert (run.error["class"], run.error["reason"]) == ("EnvironmentBuildError", "env_build")
    assert "because of no-such-package-for-jupyter-aml>3" in run.error["message"]
    assert any("No solution found" in line for line in run.error["log_tail"])
    assert "No solution found" in run.logs("system_logs/environment.txt")


def test_a_job_sees_nothing_of_how_the_index_is_reached(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """J04: credentials of an index in the service's environment stay out of the job's."""
    from tests.conftest import stop_service

    monkeypatch.setenv("UV_INDEX_PRIVATE_PASSWORD", "hunter2")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    workspace = Workspace.default()
    try:
        job = command("env; tr '\\0' '\\n' </proc/$PPID/environ", environment={"interpreter": sys.executable})
        run = workspace.submit(job)
        run.wait_for_completion(show_output=False)
        assert "AML_RUN_ID" in run.logs() and "hunter2" not in run.logs()
    finally:
        stop_service(workspace)
