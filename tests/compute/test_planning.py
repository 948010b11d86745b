"""The arithmetic behind clusters: how many nodes, what fits, which quota, when a schedule is due."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aml.compute.capacity import Load, Room, why_never, why_over_quota
from jupyter_aml.compute.host import Gpu, Host
from jupyter_aml.compute.model import Schedule
from jupyter_aml.compute.scaling import NodeFact, plan
from jupyter_aml.compute.schedules import check_schedule, due, next_actions
from jupyter_aml.compute.sizes import GIB, plain_size, size_of
from jupyter_aml.errors import InvalidError

STATES = st.sampled_from(["preparing", "idle", "running", "leaving", "unusable", "preempted"])
FACTS = st.lists(st.tuples(STATES, st.integers(0, 100_000)), max_size=12).map(
    lambda found: [NodeFact(str(index), state, since) for index, (state, since) in enumerate(found)]
)


@given(FACTS, st.integers(0, 20), st.integers(0, 5), st.integers(0, 8), st.integers(0, 50_000))
def test_a_plan_keeps_the_bounds_and_never_takes_a_busy_node(
    nodes: list[NodeFact], wanted: int, least: int, more: int, idle_ms: int
) -> None:
    most, now = least + more, 100_000
    found = plan(nodes, wanted=wanted, least=least, most=most, idle_ms=idle_ms, now=now)
    states = {node.id: node for node in nodes}
    live = [node for node in nodes if node.state in ("preparing", "idle", "running")]
    assert all(states[name].state == "idle" for name in found.remove)
    assert len(set(found.remove)) == len(found.remove)
    after = len(live) + found.add - len(found.remove)
    assert after <= max(most, len([node for node in live if node.state != "idle"]))
    assert after >= least
    assert not (found.add and found.remove)
    busy = sum(node.state == "running" for node in live)
    assert after >= min(most, busy + wanted)
    if len(live) <= most:
        assert all(now - states[name].since >= idle_ms for name in found.remove)


def test_a_cluster_scales_from_nothing_and_back() -> None:
    up = plan([], wanted=6, least=0, most=4, idle_ms=1000, now=0)
    assert (up.add, up.remove, up.target) == (4, (), 4)
    idle = [NodeFact(name, "idle", 0) for name in "abcd"]
    assert plan(idle, wanted=0, least=0, most=4, idle_ms=1000, now=999).remove == ()
    assert plan(idle, wanted=0, least=0, most=4, idle_ms=1000, now=1000).remove == tuple("abcd")
    assert len(plan(idle, wanted=0, least=1, most=4, idle_ms=1000, now=1000).remove) == 3
    assert plan(idle, wanted=0, least=0, most=2, idle_ms=1000, now=1).remove == ("a", "b")


HOST = Host(4, 16 * GIB, (Gpu(0, "one", GIB), Gpu(1, "two", GIB)))


def test_what_fits_beside_what_is_on() -> None:
    small, gpu = plain_size(1, "4GiB"), plain_size(1, "4GiB", 1)
    room = Room.beside(HOST, [Load("a", small), Load("b", gpu, (0,))])
    assert (room.cpus, room.memory, room.gpus) == (2, 8 * GIB, (1,))
    assert room.holds(gpu) and room.pick_gpus(gpu) == (1,)
    assert not room.holds(plain_size(2.5, "1GiB")) and not room.holds(plain_size(1, "9GiB"))
    assert not Room.beside(HOST, [Load("b", gpu, (0, 1))]).holds(gpu)
    assert why_never(size_of("DS3_V2"), HOST) is None
    assert "this machine has 4 cores, 16 GiB" in str(why_never(size_of("DS4_V2"), HOST))
    tenths = [Load(str(number), plain_size(0.1, "64MiB")) for number in range(39)]
    assert Room.beside(HOST, tenths).holds(plain_size(0.1, "64MiB")), "sums of tenths must not lose a node"


def test_a_quota_names_what_is_used_and_asked() -> None:
    size = size_of("DS2_V2")
    loads = [Load("a", size)]
    quotas = {size.family: 4.0}
    assert why_over_quota(size, 1, loads, quotas) is None
    reason = str(why_over_quota(size, 2, loads, quotas))
    assert all(part in reason for part in ("standardDSv2Family", "4 cores", "2 are used", "4 more"))
    assert why_over_quota(plain_size(1, "1GiB"), 9, loads, quotas) is None


def ms(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp() * 1000)


def test_schedules_are_due_in_their_own_time_zone() -> None:
    evening = Schedule(action="stop", cron="0 18 * * 1-5", time_zone="Europe/Berlin")
    morning = Schedule(action="start", days=["mon"], at="08:30", time_zone="Europe/Berlin")
    both = [evening, morning]
    # 18:00 in Berlin is 16:00 UTC in summer and 17:00 UTC in winter.
    assert due(both, ms("2026-07-01T15:59:00+00:00"), ms("2026-07-01T16:00:00+00:00")) == "stop"
    assert due(both, ms("2026-12-01T16:59:00+00:00"), ms("2026-12-01T17:00:00+00:00")) == "stop"
    assert due(both, ms("2026-12-01T16:00:00+00:00"), ms("2026-12-01T16:59:00+00:00")) is None
    assert due(both, ms("2026-12-05T12:00:00+00:00"), ms("2026-12-06T12:00:00+00:00")) is None, "a weekend"
    assert due(both, ms("2026-12-04T12:00:00+00:00"), ms("2026-12-07T12:00:00+00:00")) == "start", (
        "the last one counts"
    )
    assert due([evening.model_copy(update={"enabled": False})], 0, ms("2026-12-07T12:00:00+00:00")) is None
    following = next_actions(both, ms("2026-12-05T12:00:00+00:00"))
    assert [item["action"] for item in following] == ["start", "stop"]
    assert following[0]["at"] == ms("2026-12-07T07:30:00+00:00")


@pytest.mark.parametrize(
    "given",
    [
        {"cron": "every day"}, {"cron": "61 * * * *"}, {"cron": "* * * *"}, {"cron": "0 0 31 2 *"}, {},
        {"cron": "0 1 * * *", "at": "08:00"}, {"at": "08:00", "time_zone": "Mars/Olympus"},
        {"at": "08:00", "time_zone": "../../etc/passwd"}, {"at": "08:00", "time_zone": ""},
    ],
)  # fmt: skip
def test_a_schedule_that_cannot_be_followed_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidError):
        check_schedule(Schedule.model_validate({"action": "stop", **given}))
