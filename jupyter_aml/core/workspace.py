"""What makes a folder a workspace: ``workspace.json`` with its id, name and attributes, written once."""

from __future__ import annotations

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from jupyter_aml.core.durable import sync_folder, write_durably
from jupyter_aml.core.paths import WorkspaceFolder, make_private
from jupyter_aml.errors import AmlError, ConflictError, NotFoundError


def create_workspace_folder(root: Path, attributes: dict[str, Any], *, exist_ok: bool) -> WorkspaceFolder:
    """Make ``root`` a workspace. An existing one is a conflict unless ``exist_ok``."""
    folder = WorkspaceFolder(root)
    if (
        not folder.description.exists()
        and root.is_dir()
        and any(root.iterdir())
        and not folder.description.exists()
    ):
        raise ConflictError(f"{root} is not empty and no workspace.", hint="Choose an empty or a new folder.")
    if not folder.description.exists() and _made(root, attributes):
        return folder
    if not exist_ok:
        raise ConflictError(
            f"There is a workspace in {root} already.",
            hint="Open it with Workspace.get, or pass exist_ok=True.",
        )
    return folder


def _made(root: Path, attributes: dict[str, Any]) -> bool:
    """Make the workspace beside its place and rename it there whole; False when somebody else was first."""
    make_private(root.parent)
    beside = WorkspaceFolder(root.with_name(f".{root.name}.{uuid.uuid4().hex}"))
    for part in (beside.root, beside.blobs, beside.runs, beside.run):
        make_private(part)
    write_durably(beside.description, json.dumps({"id": str(uuid.uuid4()), **attributes}, indent=1).encode())
    try:
        beside.root.rename(root)
    except OSError:
        shutil.rmtree(beside.root, ignore_errors=True)
        if not WorkspaceFolder(root).description.exists():
            raise
        return False
    sync_folder(root.parent)
    return True


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
