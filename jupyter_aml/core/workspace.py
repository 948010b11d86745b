"""What makes a folder a workspace: ``workspace.json`` with its id, name and attributes, written once."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from jupyter_aml.core.durable import write_durably
from jupyter_aml.core.paths import WorkspaceFolder, make_private
from jupyter_aml.errors import AmlError, ConflictError, NotFoundError


def create_workspace_folder(root: Path, attributes: dict[str, Any], *, exist_ok: bool) -> WorkspaceFolder:
    """Make ``root`` a workspace. An existing one is a conflict unless ``exist_ok``."""
    folder = WorkspaceFolder(root)
    if folder.description.exists():
        if not exist_ok:
            raise ConflictError(
                f"There is a workspace in {root} already.",
                hint="Open it with Workspace.get, or pass exist_ok=True.",
            )
        return folder
    if root.is_dir() and any(root.iterdir()):
        raise ConflictError(f"{root} is not empty and no workspace.", hint="Choose an empty or a new folder.")
    make_private(root)
    root.chmod(0o700)
    for part in (folder.blobs, folder.runs, folder.run):
        make_private(part)
    description = {"id": str(uuid.uuid4()), **attributes}
    write_durably(folder.description, json.dumps(description, indent=1).encode())
    return folder


def read_workspace(root: Path) -> dict[str, Any]:
    """The description of the workspace in ``root``."""
    path = WorkspaceFolder(root).description
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NotFoundError(
            f"There is no workspace in {root}.", hint=f"Make one: Workspace.create({root.name!r})"
        ) from None
    except ValueError as error:
        raise AmlError(
            f"{path} is damaged: {error}.", hint="Restore it from a backup of the folder."
        ) from error
    if not isinstance(found, dict):
        raise AmlError(f"{path} is damaged.", hint="Restore it from a backup of the folder.")
    return found
