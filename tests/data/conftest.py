"""What the tests of data share: one workspace for a module, and files to register."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service

CSV = "age,sex,target\n59,2,151.0\n48,1,75.0\n72,2,141.0\n24,1,206.0\n"


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace for a whole module, which must be whole at its end."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AML_HOME", str(folder))
        patch.setenv("AML_WARM", "0")
        found = Workspace.create("data", path=folder / "workspace")
        yield found
        problems = found.client.call("check_workspace")["problems"]
        stop_service(found)
    assert problems == []


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """A small file of a table."""
    path = tmp_path / "diabetes.csv"
    path.write_text(CSV)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files at two depths, one of them empty."""
    root = tmp_path / "photos"
    (root / "cats").mkdir(parents=True)
    (root / "index.txt").write_text("one\n")
    (root / "cats" / "a.bin").write_bytes(bytes(range(256)) * 1000)
    (root / "cats" / "empty").touch()
    return root
