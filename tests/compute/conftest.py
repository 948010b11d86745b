"""A workspace whose machines are gone when the test is over, and waiting for what the loops bring about."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest

from jupyter_aml.compute.engines.local import cgroups
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service

needs_groups = pytest.mark.skipif(
    cgroups.means() == "soft", reason="this account may not make control groups"
)


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for ``condition``; the test fails when it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


@pytest.fixture
def machines(workspace: Workspace) -> Iterator[Workspace]:
    """The workspace; its computes are deleted at the end, and nothing of them is left on this machine."""
    yield workspace
    for compute in workspace.compute.list():
        compute.delete(force=True)
    prefix = str(workspace.get_details()["id"])[:12]
    assert not [name for name in cgroups.names() if name.startswith(prefix)]


def shared_workspace(factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The body of a fixture: a workspace for several tests, whose computes are deleted at the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AML_HOME", str(factory.mktemp("shared")))
        patch.setenv("AML_WARM", "0")
        patch.delenv("SSH_AUTH_SOCK", raising=False)
        workspace = Workspace.default()
        yield workspace
        for compute in workspace.compute.list():
            compute.delete(force=True)
        problems = workspace.client.call("check_workspace")["problems"]
        stop_service(workspace)
        assert problems == []


def is_alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
