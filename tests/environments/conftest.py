"""What the tests of environments share: one workspace for those that build, as builds are what takes time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jupyter_aml.client.launch import index_environment
from jupyter_aml.environments.build import Builder
from jupyter_aml.environments.index import uv_environment
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service

MakeBuilder = Callable[..., Builder]


@pytest.fixture(scope="session", autouse=True)
def linked() -> Iterator[None]:
    """Builds link to uv's cache instead of copying it, which is what most of their time goes into."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_LINK_MODE", "hardlink")
        yield


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace for a whole module, so that each environment is built once in it."""
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AML_HOME", str(folder))
        patch.setenv("AML_WARM", "0")
        found = Workspace.create("shared", path=folder / "workspace")
        yield found
        problems = found.client.call("check_workspace")["problems"]
        stop_service(found)
    assert problems == []


@pytest.fixture
def make_builder(tmp_path: Path) -> MakeBuilder:
    """Makes builders of one folder; ``lines`` takes what they say."""

    def make(
        lines: list[str] | None = None, stop: Callable[[], str | None] = lambda: None, **index: str
    ) -> Builder:
        write = (lambda line: None) if lines is None else lines.append
        told = {**uv_environment(index_environment(), []), **index}
        return Builder(tmp_path / "environments", index=told, write=write, stop=stop)

    return make
