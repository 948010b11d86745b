"""``aml service`` and ``aml fsck``: the process that owns a workspace, and the soundness of what it keeps."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from jupyter_aml.commands.declare import Commands
from jupyter_aml.commands.session import Session
from jupyter_aml.commands.values import Text
from jupyter_aml.errors import AmlError, ConflictError, InvalidError

if TYPE_CHECKING:
    from jupyter_aml.core.paths import WorkspaceFolder
    from jupyter_aml.workspace import Workspace

commands = Commands()
_STOP_SECONDS = 30.0


def service_state(workspace: Workspace) -> dict[str, Any]:
    """How the service of ``workspace`` stands, without starting it."""
    from jupyter_aml.client import launch

    if workspace.path is None:
        return {"service": "running", "address": workspace.client.location.url}
    folder = workspace.client.location.folder
    address = launch.read_address(folder)
    if address is None or not launch.is_running(folder):
        return {"service": "stopped"}
    return {"service": "running", "pid": address.pid, "version": address.version, "address": address.address}


def _folder(session: Session) -> WorkspaceFolder:
    workspace = session.workspace
    if workspace.path is None:
        raise InvalidError("The workspace is on another machine.", hint="Manage its service over there.")
    return workspace.client.location.folder


@commands.add("service start")
def start(session: Session) -> dict[str, Any]:
    """Start the workspace's service. Every command does so by itself when it needs it."""
    session.workspace.get_details()
    return service_state(session.workspace)


@commands.add("service stop")
def stop(session: Session) -> dict[str, Any]:
    """Stop the service. Runs under way go on; the next command that needs the service starts it again."""
    from jupyter_aml.client import launch

    folder = _folder(session)
    if not launch.is_running(folder):
        session.say("It was not running.")
        return service_state(session.workspace)
    session.workspace.client.call("stop_service")
    if not launch.wait_until_gone(folder, _STOP_SECONDS):
        raise ConflictError(
            f"The service did not stop within {_STOP_SECONDS:.0f} s.",
            hint=f"Its log may say why: {folder.service_log}",
        )
    return service_state(session.workspace)


@commands.add("service status")
def status(session: Session) -> dict[str, Any]:
    """Tell whether the service runs, and where. Starts none."""
    mode = "single user: jobs run as the service's account and can do what it can"
    return {"workspace": session.workspace.name, "mode": mode, **service_state(session.workspace)}


@commands.add("service run")
def run(session: Session) -> None:
    """Be the workspace's service in the foreground, until Ctrl-C or long idleness."""
    from jupyter_aml.client import launch

    folder = _folder(session)
    if session.face == "magic":
        raise InvalidError("A notebook cannot be the service.", hint="In the notebook: %aml service start")
    if launch.is_running(folder):
        raise ConflictError("The workspace's service runs already.", hint="See: aml service status")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("jupyter_aml").setLevel(logging.INFO)
    from jupyter_aml.service.process import run_service

    session.say(f"Serving {folder.root}. Ctrl-C ends it; runs under way go on.")
    run_service(folder.root)


@commands.add("fsck")
def fsck(session: Session) -> Text:
    """Check that the workspace's database, blobs and folders agree; exit code 1 where they do not."""
    root = _folder(session).root
    problems = session.workspace.client.call("check_workspace")["problems"]
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        raise AmlError(
            f"{count} in {root}.", "\n".join(problems), "Keep a copy of the folder before repairing it."
        )
    return Text(f"{root} is sound.")
