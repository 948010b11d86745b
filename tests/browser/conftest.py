"""JupyterLab as a user starts it, with a workspace of its own, driven in a real Chromium.

Whatever a test looks at, at its end the page must have opened no dialog of the browser, asked nothing of
another host, and had no error of our extension on its console.
"""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from jupyter_aml.client import launch
from jupyter_aml.workspace import Workspace
from tests.browser.jupyter import Jupyter
from tests.browser.lab import Lab
from tests.browser.witness import Witness

EXAMPLES = Path(__file__).parents[2] / "example_notebooks"
# Quiet: nothing of its own that reaches for the network, and no graphics card.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
# For two slow cores that do everything at once; where all is well nothing waits that long.
PATIENCE_MS = 60_000

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")
def jupyter_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The ``AML_HOME`` of the Jupyter servers; at the end nothing runs any more and the store is whole."""
    home = tmp_path_factory.mktemp("jupyter-home")
    yield home
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AML_HOME", str(home))
        workspace = Workspace.default()
        problems = end_all_runs(workspace)
    assert problems == []


def end_all_runs(workspace: Workspace) -> list[str]:
    """Cancel what a failed test left running, stop the service; what is wrong with the store."""
    for run in workspace.runs.list(limit=1000):
        if not run.is_final:
            run.cancel()
            run.wait_for_completion(show_output=False, raise_on_error=False)
    problems: list[str] = workspace.client.call("check_workspace")["problems"]
    workspace.client.call("stop_service")
    folder = workspace.client.location.folder
    workspace.client.close()
    assert launch.wait_until_gone(folder)
    return problems


@pytest.fixture(scope="package")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that Jupyter shows: a copy of the example notebooks."""
    return Path(shutil.copytree(EXAMPLES, tmp_path_factory.mktemp("jupyter") / "notebooks"))


@pytest.fixture(scope="package")
def jupyter(
    chromium: str, jupyter_home: Path, notebooks: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Jupyter]:
    """``jupyter lab``, running."""
    with Jupyter("jupyterlab", notebooks, jupyter_home, tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture
def workspace(jupyter_home: Path, jupyter: Jupyter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The workspace that the server shows, for what a test prepares."""
    monkeypatch.setenv("AML_HOME", str(jupyter_home))
    found = Workspace.default()
    yield found
    found.client.close()


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """Chromium. It must go with the last of these tests: Playwright keeps an event loop running till then."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile, with the time of the page in UTC."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, timezone_id="UTC")
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def lab(context: BrowserContext, jupyter: Jupyter, tmp_path: Path) -> Iterator[Lab]:
    """JupyterLab, not opened yet, and watched."""
    witness = Witness(context, jupyter.origin)
    yield Lab(context.new_page(), jupyter)
    witness.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep a picture of the page on which a test failed."""
    report = yield
    arguments: dict[str, Any] = getattr(item, "funcargs", {})
    if report.when == "call" and report.failed and "lab" in arguments:
        picture = arguments["tmp_path"] / "failed.png"
        arguments["lab"].page.screenshot(path=picture)
        report.sections.append(("The page", str(picture)))
    return report
