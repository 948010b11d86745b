"""How many nodes a cluster should have: pure functions over its settings, nodes, queue and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LIVE = ("preparing", "idle", "running")


@dataclass(frozen=True)
class NodeFact:
    """A node: its state, since when (milliseconds), and whether a run is on it."""

    id: str
    state: str
    since: int


@dataclass(frozen=True)
class Plan:
    """What to do: how many nodes to add, which to give back, and how many there should be in the end."""

    add: int
    remove: tuple[str, ...]
    target: int


def plan(
    nodes: Sequence[NodeFact],
    *,
    wanted: int,
    least: int,
    most: int,
    idle_ms: float,
    now: int,
) -> Plan:
    """Bring a cluster nearer to what it should be.

    Args:
        wanted: nodes the queued runs ask for, beside those that are running.
        least, most: the bounds of the cluster; both 0 for one that is being deleted.
        idle_ms: how long a node may be idle before it is given back.
        now: milliseconds; a clock that was set back keeps idle nodes longer, never shorter.
    """
    live = [node for node in nodes if node.state in LIVE]
    busy = sum(node.state == "running" for node in live)
    target = min(most, max(least, busy + wanted))
    idle = sorted((node for node in live if node.state == "idle"), key=lambda node: node.since)
    too_many = max(0, len(live) - max(target, least))
    over = max(0, len(live) - most)
    leaving = [
        node.id
        for position, node in enumerate(idle[:too_many])
        if position < over or now - node.since >= idle_ms
    ]
    return Plan(max(0, target - len(live)), tuple(leaving), max(target, len(live) - len(leaving)))
