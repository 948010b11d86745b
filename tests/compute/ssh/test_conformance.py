"""The contract of engines, on a machine that is reached by SSH."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_aml.compute.engines.ssh import courier
from jupyter_aml.testing.engines import EngineConformance, Target
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import shared_workspace
from tests.compute.ssh.conftest import SSHD, Host, attach, clean_up


@pytest.fixture(scope="class")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace for all tests of a class."""
    yield from shared_workspace(tmp_path_factory)


@pytest.fixture(scope="class")
def shared_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The other machine, for all tests of a class."""
    if SSHD is None:
        pytest.skip("no sshd on this machine (apt-get install openssh-server)")
    found = Host(tmp_path_factory.mktemp("host"))
    yield found
    clean_up(found)


@pytest.fixture(scope="class")
def box(shared_host: Host, shared: Workspace) -> Target:
    """The machine, attached."""
    attach(shared, shared_host)
    return Target(shared, "gpu-box", program=courier.__name__)


class TestSsh(EngineConformance):
    @pytest.fixture
    def target(self, box: Target) -> Target:
        return box
