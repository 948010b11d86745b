"""Which workspace is meant: a folder, a name, a URL, a config file, or the default one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jupyter_aml.core.paths import WorkspaceFolder, check_name, workspaces_folder
from jupyter_aml.core.workspace import create_workspace_folder
from jupyter_aml.errors import InvalidError, NotFoundError, did_you_mean

DEFAULT_NAME = "default"
_CONFIG_PLACES = ("config.json", ".aml/config.json", ".azureml/config.json", "aml_config/config.json")


@dataclass(frozen=True)
class Location:
    """A workspace's folder on this machine, or the URL of the service that has it."""

    root: Path | None
    url: str | None = None

    @property
    def folder(self) -> WorkspaceFolder:
        """The folder; `InvalidError` for a workspace on another machine."""
        if self.root is None:
            raise InvalidError(f"The workspace at {self.url} has no folder on this machine.")
        return WorkspaceFolder(self.root)


def locate(text: str | None = None) -> Location:
    """The workspace ``text`` names (folder, name or URL); without it ``AML_WORKSPACE``, else the default.

    The default workspace is made when it is first asked for.
    """
    text = text or os.environ.get("AML_WORKSPACE") or None
    if text is None:
        root = workspaces_folder() / DEFAULT_NAME
        create_workspace_folder(root, default_attributes(DEFAULT_NAME), exist_ok=True)
        return Location(root)
    if text.startswith(("http://", "https://")):
        return Location(None, text.rstrip("/"))
    if os.sep in text or text.startswith("~"):
        root = Path(text).expanduser().absolute()
    else:
        root = workspaces_folder() / check_name(text, "workspace")
    if not WorkspaceFolder(root).description.is_file():
        if WorkspaceFolder(root).mirror.is_file():
            return Location(root)
        if text == DEFAULT_NAME:
            return locate(None) if not os.environ.get("AML_WORKSPACE") else _made_default(root)
        raise NotFoundError(
            f"There is no workspace {text!r}.",
            hint=did_you_mean(text, workspace_names()) or f"Make it: Workspace.create({text!r})",
        )
    return Location(root)


def _made_default(root: Path) -> Location:
    create_workspace_folder(root, default_attributes(DEFAULT_NAME), exist_ok=True)
    return Location(root)


def default_attributes(name: str) -> dict[str, object]:
    """What a workspace says of itself where nothing else was given (Azure ML's attribute names)."""
    return {
        "name": name,
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "resource_group": "local",
        "location": "local",
        "sku": "basic",
        "tags": {},
    }


def workspace_names() -> list[str]:
    """The workspaces made by name on this machine."""
    folder = workspaces_folder()
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in found if WorkspaceFolder(path).description.is_file())


def config_files(start: Path) -> Iterator[Path]:
    """Where a config file may be, nearest first: the folder, its ``.aml`` and ``.azureml``, its parents."""
    for folder in (start, *start.parents):
        yield from (folder / place for place in _CONFIG_PLACES)


def read_config(path: Path | None = None) -> tuple[Path, dict[str, str]]:
    """The nearest config file with a workspace's name, and what it says."""
    start = (path or Path.cwd()).absolute()
    places = [start] if start.is_file() else config_files(start)
    for place in places:
        if place.is_file():
            try:
                found = json.loads(place.read_text(encoding="utf-8-sig"))
            except ValueError as error:
                raise InvalidError(f"{place} is not valid JSON: {error}.") from error
            if isinstance(found, dict) and isinstance(found.get("workspace_name"), str):
                return place, found
    raise NotFoundError(
        f"No workspace config was found in {start} or above.",
        hint="Write one with ws.write_config(), or use Workspace.default().",
    )
