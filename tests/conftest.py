"""Set-up shared by all tests: a home of their own, where Chromium is, what a skipped browser test means."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from jupyter_aml.client import launch
from jupyter_aml.workspace import Workspace

# Who starts the tests in the background of a script has Ctrl-C ignored, and so would all they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh ``AML_HOME``, and nothing of the caller's: no test meets the workspaces of who runs it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AML_") and name != "AML_CHROMIUM"]:
            patch.delenv(name)
        home = tmp_path_factory.mktemp("home")
        patch.setenv("AML_HOME", str(home))
        yield home


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium to hand to Playwright; without one the test is skipped."""
    path = os.environ.get("AML_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh ``AML_HOME``, with no workspace chosen by the environment."""
    for name in [name for name in os.environ if name.startswith("AML_") and name != "AML_CHROMIUM"]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("AML_HOME", str(folder))
    monkeypatch.setenv("AML_WARM", "0")
    work = tmp_path / "cwd"
    work.mkdir()
    monkeypatch.chdir(work)  # a cell takes the modules of its folder along, and this is not one of ours
    return folder


@pytest.fixture
def workspace(home: Path) -> Iterator[Workspace]:
    """The default workspace, fresh; at the end its service is stopped and the store must be whole."""
    found = Workspace.default()
    yield found
    problems = found.client.call("check_workspace")["problems"]
    stop_service(found)
    assert problems == []


def stop_service(workspace: Workspace) -> None:
    """Stop the workspace's service and wait until it has gone."""
    folder = workspace.client.location.folder
    if launch.is_running(folder):
        workspace.client.call("stop_service")
    workspace.client.close()
    if launch.is_running(folder):
        assert launch.wait_until_gone(folder)


def in_ci() -> bool:
    """Whether this is CI, where the browser tests may not be left out."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def reason(report: pytest.TestReport) -> str:
    """Why a test was skipped."""
    place = report.longrepr
    return str(place[2] if isinstance(place, tuple) else place).removeprefix("Skipped: ")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a browser test into a failure in CI."""
    report = yield
    if report.skipped and item.get_closest_marker("browser") and in_ci():
        report.outcome = "failed"
        report.longrepr = f"In CI every browser test must run, and this one was skipped: {reason(report)}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line that browser tests were left out."""
    skipped = [r for r in terminalreporter.stats.get("skipped", ()) if "browser" in r.keywords]
    if skipped:
        line = f"{len(skipped)} browser tests were skipped: {reason(skipped[0])}."
        terminalreporter.write_line(line, yellow=True)
