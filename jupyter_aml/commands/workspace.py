"""``aml workspace``: the workspaces of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_aml.commands.declare import Commands, option, whole_number
from jupyter_aml.commands.parameters import tag_pairs
from jupyter_aml.commands.session import Session
from jupyter_aml.errors import UsageError

commands = Commands()


def _data(root: Any) -> dict[str, Any]:
    """A workspace's description with Azure's keys, read from its folder; its service is not needed."""
    from jupyter_aml.core.workspace import read_workspace

    found = read_workspace(root)
    shown = ("name", "display_name", "description", "location", "resource_group", "tags", "id")
    return {name: found.get(name, "") for name in shown} | {"folder": str(root)}


@commands.add(
    "workspace create",
    option("-n", "--name", help="its name", required=True, bare=True),
    option(
        "--path",
        metavar="FOLDER",
        values="file",
        help="its folder (default: one of its name in $AML_HOME/workspaces)",
    ),
    option("-l", "--location", default="local", help="kept and shown, of no effect"),
    option("-g", "--resource-group", help="kept and shown, of no effect"),
    option("--tags", metavar="NAME=VALUE", arity="several", help="tags"),
)
def create(
    session: Session,
    *,
    name: str,
    path: str | None,
    location: str,
    resource_group: str | None,
    tags: Sequence[str],
) -> dict[str, Any]:
    """Create a workspace; one that exists is left as it is."""
    from jupyter_aml.workspace import Workspace

    made = Workspace.create(
        name, path, resource_group=resource_group, location=location, tags=tag_pairs(tags), exist_ok=True
    )
    return _data(made.path)


@commands.add(
    "workspace show",
    option("-n", "--name", help="its name (default: the current one)", bare=True, values="workspace"),
)
def show(session: Session, *, name: str | None) -> dict[str, Any]:
    """Show a workspace's attributes."""
    from jupyter_aml.workspace import Workspace

    workspace = session.workspace if name is None else Workspace.get(name)
    if workspace.path is None:
        found = workspace.get_details()
        return {"name": found["name"], **found["attributes"], "id": found["id"]}
    return _data(workspace.path)


@commands.add(
    "workspace list",
    option("-r", "--max-results", metavar="N", convert=whole_number, help="at most so many (default: all)"),
)
def list_workspaces(session: Session, *, max_results: int | None) -> list[dict[str, Any]]:
    """List the workspaces made by name on this machine."""
    from jupyter_aml.client.locate import workspace_names
    from jupyter_aml.core.paths import workspaces_folder

    if max_results is not None and max_results < 1:
        raise UsageError("--max-results must be at least 1.")
    return [_data(workspaces_folder() / name) for name in workspace_names()[:max_results]]
