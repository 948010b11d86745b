"""What a run returned is loaded from the user's own runs, and only as it was recorded."""

from __future__ import annotations

import getpass
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_aml.cells import load_result, load_return
from jupyter_aml.cells.runtime import save_returns
from jupyter_aml.errors import AmlError, ForbiddenError, InvalidError, NotFoundError
from jupyter_aml.workspace import Workspace


@pytest.fixture
def returned(workspace: Workspace, tmp_path: Path) -> Any:
    """A run that returned ``score`` and ``model``, and did not keep ``stream``."""
    namespace = {"score": 0.5, "model": {"weights": [1, 2]}, "stream": (n for n in [1])}
    save_returns(namespace, list(namespace), tmp_path / "returns", must=False)
    with workspace.experiments["cells"].start_run() as run:
        run.upload_folder("outputs/returns", tmp_path / "returns")
    return run


def test_values_come_back(returned: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_result(returned, "score") == 0.5
    assert load_result(returned, "model") == {"weights": [1, 2]}
    with pytest.raises(NotFoundError, match="returned no 'modl'") as missing:
        load_result(returned, "modl")
    assert missing.value.hint == "Did you mean 'model'?"
    with pytest.raises(AmlError, match="did not keep 'stream'") as caught:
        load_result(returned, "stream")
    assert "generator" in (caught.value.detail or "")
    monkeypatch.setattr(getpass, "getuser", lambda: "mallory")
    with pytest.raises(ForbiddenError, match="somebody else's"):
        load_result(returned, "score")


def test_a_run_that_returned_nothing_says_so(workspace: Workspace) -> None:
    with workspace.experiments["cells"].start_run() as run:
        with pytest.raises(NotFoundError, match="has returned nothing; it is Running") as caught:
            load_result(run, "x")
        assert "wait_for_completion" in (caught.value.hint or "")


def test_bytes_that_were_changed_are_never_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'pwned'}",)

    save_returns({"bomb": Bomb(), "x": 1}, ["bomb", "x"], tmp_path, must=True)
    digest = hashlib.sha256((tmp_path / "x.pkl").read_bytes()).hexdigest()
    assert load_return(tmp_path / "x.pkl", digest) == 1
    with pytest.raises(AmlError, match="digest differs"):
        load_return(tmp_path / "bomb.pkl", digest)
    assert not (tmp_path / "pwned").exists()


def test_bytes_that_are_no_pickle_are_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "x.pkl").write_bytes(b"nonsense")
    digest = hashlib.sha256(b"nonsense").hexdigest()
    with pytest.raises(InvalidError, match=r"x\.pkl could not be loaded"):
        load_return(tmp_path / "x.pkl", digest)
