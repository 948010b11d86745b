"""Who calls, and what they may do: denied unless a rule here allows it.

Two principals exist. The *owner* showed the workspace's token, which only the owner's account can read;
they may do everything. A *run* showed the token of one attempt of a run; it may read the workspace, and
write to itself and to its descendants through the operations that say so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jupyter_aml.errors import ForbiddenError, NotFoundError

Action = Literal["read", "write", "execute"]
Resource = Literal[
    "aml.workspace",
    "aml.experiments",
    "aml.runs",
    "aml.jobs",
    "aml.blobs",
    "aml.service",
    "aml.compute",
    "aml.environments",
    "aml.models",
    "aml.data",
    "aml.datastores",
]


@dataclass(frozen=True)
class Principal:
    """The caller: their name, and the run whose token they showed (None: the owner).

    ``only`` is what the paths begin with that their token is good for.
    """

    user: str
    run_id: str | None = None
    only: str = ""


@dataclass(frozen=True)
class Rule:
    """What an operation asks of its caller.

    ``own_run``: a run's own token may call it on that run and its descendants, though it writes.
    """

    action: Action
    resource: Resource
    own_run: bool = False


def authorize(
    principal: Principal, rule: Rule, run_id: str | None, is_own: Callable[[str, str], bool]
) -> None:
    """Raise unless ``principal`` may do ``rule`` on ``run_id`` (the run in the path, if there is one).

    ``is_own(run, ancestor)`` says whether a run is the other or below it.
    """
    if principal.run_id is None:
        return
    if rule.action == "read" and rule.resource != "aml.service":
        return
    if rule.own_run and (run_id is None or is_own(run_id, principal.run_id)):
        return
    if rule.own_run and run_id is not None:
        raise NotFoundError(f"There is no run {run_id} that this token may change.")
    raise ForbiddenError(
        f"A run's token may not {rule.action} {rule.resource}.",
        hint="Call this outside the run, as the workspace's owner.",
    )
