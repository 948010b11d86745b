"""The failpoints themselves: inert by default, refused outside of tests, and every site is really passed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jupyter_aml
from jupyter_aml import command
from jupyter_aml.core.failpoints import SITES, parse
from jupyter_aml.errors import AmlError
from jupyter_aml.workspace import Workspace
from tests.faults.kit import book_job, ended, with_failpoints

PACKAGE = Path(jupyter_aml.__file__).parent


def test_every_site_in_the_code_is_listed_and_every_listed_one_is_in_the_code() -> None:
    found = {
        site
        for path in PACKAGE.rglob("*.py")
        for site in re.findall(r'failpoint\("(.+?)"\)', path.read_text())
    }
    assert found - {"blob.renamed"} == SITES - {"blob.renamed"}


def test_every_site_is_passed_by_ordinary_runs(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = tmp_path / "noted"
    with_failpoints(workspace, monkeypatch, f"*=note:{noted}")
    book = workspace.submit(book_job(tmp_path / "code", "open('outputs/x', 'w').write('x')"))
    again = workspace.submit(command(f"mkdir {tmp_path}/first && exit 1; true", retries=1))
    built = workspace.environments.build("minimal")
    ended(book, again, built)
    assert [run.status for run in (book, again, built)] == ["Completed", "Completed", "Completed"]
    # The others are passed in tests/compute/test_faults.py, and in tests/compute/ssh/test_faults.py.
    elsewhere = ("compute.", "node.", "courier.")
    assert set(noted.read_text().split()) == {site for site in SITES if not site.startswith(elsewhere)}


@pytest.mark.parametrize("text", ["no.such=kill9", "db.commit", "db.commit=explode", "db.commit=eio@x"])
def test_what_sets_no_failpoint_is_refused(text: str) -> None:
    with pytest.raises(AmlError, match="sets no failpoint"):
        parse(text)


@pytest.mark.parametrize(("mode", "works"), [({}, False), ({"AML_TEST_MODE": "1"}, True)])
def test_failpoints_outside_of_tests_keep_the_program_from_starting(
    mode: dict[str, str], works: bool
) -> None:
    code = "import jupyter_aml.core.failpoints as f; f.failpoint('db.commit'); print('went on')"
    environment = {**os.environ, "AML_FAILPOINTS": "db.commit=eio@2", **mode}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) is works
    assert works or "fail on purpose" in done.stderr
