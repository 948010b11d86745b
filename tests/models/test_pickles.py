"""Whatever is asked of a model, the service opens no pickle and no archive of it (case E01)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from jupyter_aml.client import launch
from jupyter_aml.models import operations
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service
from tests.security.conftest import Service, until
from tests.security.test_pickles import WATCHED

ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def watched(home: Path, tmp_path: Path) -> Iterator[tuple[Workspace, subprocess.Popen[bytes]]]:
    """A workspace whose service ends when it builds an object out of a pickle or runs a shell."""
    own = Workspace.create("watched", path=tmp_path / "place")
    folder = own.client.location.folder
    with (folder.root / "run" / "watched.log").open("wb") as log:
        command = [sys.executable, "-P", "-c", WATCHED.format(root=ROOT), str(folder.root)]
        process = subprocess.Popen(command, stderr=log, cwd="/")
    until(lambda: launch.read_address(folder) or process.poll() is not None)
    assert process.poll() is None
    yield own, process
    stop_service(own)
    assert process.wait(20) == 0, (folder.root / "run" / "watched.log").read_text()


def read_all(http: httpx.Client, name: str, path: str) -> None:
    """Ask all that can be asked of version 1 of a model without changing it."""
    for operation in operations.operations:
        if operation.method != "GET":
            continue
        place = operation.path.replace("{name}", name).replace("{version}", "1")
        place = place.replace("{path:path}", path)
        for params in ({}, {"text": name}, {"filter": "flavor = 'pickle'"}):
            assert http.get(place, params=params).status_code in (200, 400, 422), place


def test_a_malicious_model_is_only_bytes_to_the_service(
    watched: tuple[Workspace, subprocess.Popen[bytes]], bad_pickle: tuple[bytes, Path], tmp_path: Path
) -> None:
    own, process = watched
    bad, pwned = bad_pickle
    names = ["model.pkl", "model.joblib", "model.skops", "model.onnx", "model.pt", "model.npy"]
    with own.experiments["x"].start_run() as run:
        for name in names:
            own.client.call("upload_artifact", run_id=run.id, path=f"outputs/{name}", content=bad)
    http = Service(own).http(Service(own).token)
    for number, name in enumerate(names):
        model = run.register_model(f"bad-{number}", f"outputs/{name}")
        (tmp_path / "local").mkdir(exist_ok=True)
        (tmp_path / "local" / name).write_bytes(bad)
        own.models.register(f"bad-{number}", tmp_path / "local")
        model.update(description="changed", tags={"a": "b"})
        model.set_alias("champion")
        model.set_stage("Production")
        own.models.compare(model.name)._repr_mimebundle_()
        read_all(http, model.name, name)
        assert model.download(tmp_path / str(number)).read_bytes() == bad
    own.models.list(filter="flavor = 'pickle'")
    for model in own.models:
        model.archive()
    own.models.delete("bad-0")
    assert process.poll() is None and not pwned.exists()
