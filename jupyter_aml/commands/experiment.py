"""``aml experiment``: named sets of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_aml.commands.declare import Commands, option, switch
from jupyter_aml.commands.parameters import tag_pairs
from jupyter_aml.commands.session import Session
from jupyter_aml.commands.values import iso_time
from jupyter_aml.errors import UsageError

commands = Commands()
NAME = option("-n", "--name", help="the experiment", required=True, bare=True, values="experiment")


def _data(found: dict[str, Any]) -> dict[str, Any]:
    times = {name: iso_time(found[name]) for name in ("created_at", "last_run_at")}
    return {"name": found["name"], "run_count": found["run_count"], **found, **times}


@commands.add("experiment list", switch("--archived", help="the archived ones too"))
def list_experiments(session: Session, *, archived: bool) -> list[dict[str, Any]]:
    """List experiments, newest first."""
    found: list[dict[str, Any]] = []
    token = None
    while True:
        page = session.workspace.client.call(
            "list_experiments", page_token=token, archived=archived, limit=1000
        )
        found += map(_data, page["items"])
        token = page["next_page_token"]
        if token is None:
            return found


@commands.add("experiment show", NAME)
def show(session: Session, *, name: str) -> dict[str, Any]:
    """Show an experiment: description, tags, number of runs, dates."""
    return _data(session.workspace.experiments[name].get_details())


@commands.add(
    "experiment create",
    option("-n", "--name", help="the experiment", required=True, bare=True),
    option("--description", default="", help="what it is about"),
    option("--tags", metavar="NAME=VALUE", arity="several", help="tags"),
)
def create(session: Session, *, name: str, description: str, tags: Sequence[str]) -> dict[str, Any]:
    """Create an experiment. Submitting to a new name creates it too."""
    workspace = session.workspace
    return _data(workspace.experiments.create(name, description, tag_pairs(tags)).get_details())


@commands.add("experiment archive", NAME)
def archive(session: Session, *, name: str) -> None:
    """Hide an experiment from lists; its runs stay."""
    session.workspace.experiments.archive(name)


@commands.add("experiment restore", NAME)
def restore(session: Session, *, name: str) -> None:
    """Bring an archived experiment back."""
    session.workspace.experiments.restore(name)


@commands.add("experiment delete", NAME, switch("-y", "--yes", help="do not ask"))
def delete(session: Session, *, name: str, yes: bool) -> None:
    """Delete an experiment that has no runs."""
    if not yes:
        raise UsageError(f"Deleting experiment {name!r} cannot be undone.", hint="Say so with --yes.")
    session.workspace.experiments.delete(name)
