"""The contract of engines, on everything of this machine that takes runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jupyter_aml.compute.engines._base import Program
from jupyter_aml.compute.engines.ssh import courier
from jupyter_aml.jobs import runner
from jupyter_aml.testing.engines import EngineConformance, Target
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import shared_workspace

PROGRAMS: tuple[Program, ...] = (runner.main, courier.main)
SIZE = {"cpus": 2, "memory": "1GiB"}


@pytest.fixture(scope="class")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace for all tests of a class."""
    yield from shared_workspace(tmp_path_factory)


class TestLocal(EngineConformance):
    @pytest.fixture
    def target(self, shared: Workspace) -> Target:
        return Target(shared, "local")


class TestInstance(EngineConformance):
    @pytest.fixture
    def target(self, shared: Workspace) -> Target:
        shared.compute.create_instance("ci-ada", **SIZE, exist_ok=True)
        return Target(shared, "ci-ada")


class TestClusterNode(EngineConformance):
    @pytest.fixture
    def target(self, shared: Workspace) -> Target:
        shared.compute.create_cluster("cpu-cluster", **SIZE, exist_ok=True)
        return Target(shared, "cpu-cluster")
