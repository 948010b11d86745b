"""What the tests of models share: one workspace a module, models to register, and a pickle that tells when it runs."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_aml.models.registry import Model
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service

AddModel = Callable[..., Model]


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace for a whole module; at its end the store must be whole."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AML_HOME", str(folder))
        patch.setenv("AML_WARM", "0")
        found = Workspace.create("models", path=folder / "workspace")
        yield found
        problems = found.client.call("check_workspace")["problems"]
        stop_service(found)
    assert problems == []


@pytest.fixture(scope="module")
def add_model(ws: Workspace) -> AddModel:
    """Registers files, given by path and bytes, from a run of their own."""

    def add(name: str, files: dict[str, bytes], path: str | None = None, **about: Any) -> Model:
        with ws.experiments["models"].start_run() as run:
            for place, data in files.items():
                ws.client.call("upload_artifact", run_id=run.id, path=place, content=data)
        return run.register_model(name, path or next(iter(files)), **about)

    return add


@pytest.fixture
def bad_pickle(tmp_path: Path) -> tuple[bytes, Path]:
    """A pickle, and the file that is there once it was loaded."""
    pwned = tmp_path / "pwned"
    return pickle.dumps(Touch(pwned)), pwned
