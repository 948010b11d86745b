"""An instance that nobody uses is stopped, and not before its user was warned."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_aml.compute import attention
from jupyter_aml.compute.attention import lead_seconds
from jupyter_aml.compute.kernels.operations import touch_compute
from jupyter_aml.compute.loop import ComputeLoop
from jupyter_aml.compute.model import ComputeModel, CreateInstance, NewCompute, Schedule
from jupyter_aml.compute.operations import create_compute, delete_compute, get_compute
from jupyter_aml.core.access import Principal
from jupyter_aml.core.operation import Context
from jupyter_aml.errors import AmlError, ConflictError
from jupyter_aml.service.process import open_store
from jupyter_aml.tracking import states
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import needs_groups, until

DAY_MS = 86_400_000


@pytest.fixture(autouse=True)
def short_times(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Services of these tests take idle times of seconds."""
    monkeypatch.setenv("AML_INSTANCE_IDLE_SECONDS", "1")


class Loop:
    """The service's loop in this process, stepped by hand, at whatever time the wall clock is said to have."""

    def __init__(self, root: Path) -> None:
        self.store = open_store(root)
        self.context = Context(self.store, Principal("ada"))
        self.events: list[dict[str, Any]] = []
        self.store.signals.listen(self.events.append)
        self._loop = ComputeLoop(self.store)

    def make(self, **settings: Any) -> None:
        wanted = CreateInstance.model_construct(
            **{"name": "ci-ada", "cpus": 0.5, "memory": 250.0 * 2**20, **settings}
        )
        create_compute(self.context, NewCompute.model_construct(compute=wanted))
        self.step()

    def step(self, ahead_ms: int = 0) -> ComputeModel:
        self._loop.instances.step(states.now() + ahead_ms)
        return self.instance

    @property
    def instance(self) -> ComputeModel:
        return get_compute(self.context, "ci-ada")

    @property
    def messages(self) -> list[str]:
        return [event["message"] for event in self.events if event.get("message")]


@pytest.fixture
def loop(home: Path) -> Iterator[Loop]:
    """A loop without a service; its instance is deleted at the end."""
    root = Workspace.default().path
    assert root is not None
    loop = Loop(root)
    yield loop
    delete_compute(loop.context, "ci-ada", force=True)
    loop._loop.step()
    loop.store.database.close()


@pytest.mark.parametrize(
    ("idle", "lead"), [(60, 30), (120, 60), (600, 60), (1800, 180), (3000, 300), (86400, 300)]
)
def test_the_warning_comes_in_good_time(idle: float, lead: float) -> None:
    assert lead_seconds(idle) == lead


@needs_groups
def test_idleness_is_warned_of_and_use_takes_the_warning_back(loop: Loop) -> None:
    loop.make(idle_seconds=3.0)
    assert loop.step().stops_at is None
    until(lambda: loop.step().stops_at)
    left = (loop.instance.stops_at or 0) - states.now()
    assert 0 < left <= 1500
    assert [message.split(" in ")[0] for message in loop.messages] == ["ci-ada will be stopped"]
    assert "because it is idle" in loop.messages[0]

    touch_compute(loop.context, "ci-ada")
    loop.step()
    assert loop.instance.state == "Running" and loop.instance.stops_at is None
    assert loop.events[-1] == {"compute": "ci-ada", "state": "Running", "message": None}

    until(lambda: loop.step().state in ("Stopping", "Stopped"))
    until(lambda: loop.step().state == "Stopped")
    assert loop.messages[-1] == "ci-ada was idle and is being stopped."
    assert loop.instance.stops_at is None
    with pytest.raises(ConflictError, match="ci-ada is stopped"):
        touch_compute(loop.context, "ci-ada")


@needs_groups
def test_a_jump_of_the_clock_stops_nothing(loop: Loop) -> None:
    loop.make(idle_seconds=3600.0)
    for jump in (DAY_MS, 0, -DAY_MS, 365 * DAY_MS, 0):
        assert loop.step(jump).state == "Running"
        assert loop.instance.stops_at is None
    assert loop.messages == []


@needs_groups
def test_a_schedule_s_stop_is_warned_of_too(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_LEAD_SECONDS", 3600.0)
    loop.make(schedules=[Schedule(action="stop", cron="0 * * * *")])
    found = loop.step()
    assert found.stops_at == found.next_actions[0]["at"]
    assert len(loop.messages) == 1 and loop.messages[0].endswith("by its schedule.")
    loop.step()
    assert len(loop.messages) == 1  # once is enough


@needs_groups
@pytest.mark.slow
def test_an_idle_instance_stops_and_a_working_one_does_not(machines: Workspace) -> None:
    idle = machines.compute.create_instance("ci-idle", cpus=0.5, memory="250MiB", idle_shutdown="8s")
    busy = machines.compute.create_instance(
        "ci-busy", cpus=0.5, memory="250MiB", idle_shutdown="8s", setup_script="(while :; do :; done) &"
    )
    until(lambda: idle.state == "Stopped")
    time.sleep(4)
    assert busy.state == "Running"


@needs_groups
def test_too_short_an_idle_time_is_refused(machines: Workspace) -> None:
    made = machines.compute.create_instance("ci-ada", cpus=0.5, memory="250MiB", idle_shutdown="30m")
    with pytest.raises(AmlError, match="idle seconds at the earliest"):
        made.update(idle_shutdown=0.5)
    made.update(idle_shutdown=0)
    assert made.get_status()["idle_seconds"] is None
