"""What a command works with: the workspace, the user's ear, and in a notebook its variables."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from jupyter_aml.errors import NotFoundError

if TYPE_CHECKING:
    from jupyter_aml.tracking.run import Run
    from jupyter_aml.workspace import Workspace

Face = Literal["cli", "magic"]
LAST = "last"


class Session:
    """One call of a command, from the shell or from a notebook.

    Args:
        face: who shows the result.
        tell: shows one line to the user now (standard error in the shell).
        workspaces: those opened before in this process, by name; a notebook keeps them between calls.
        variables: the notebook's, None in the shell.
    """

    def __init__(
        self,
        face: Face,
        tell: Callable[[str], None],
        *,
        workspaces: dict[Any, Workspace] | None = None,
        variables: dict[str, Any] | None = None,
    ) -> None:
        self.face = face
        self.variables = variables
        self.workspace_name: str | None = None
        self.quiet = False
        self.last_run: Run | None = None
        self._tell = tell
        self._workspaces: dict[Any, Workspace] = {} if workspaces is None else workspaces

    def configure(self, common: Mapping[str, Any]) -> None:
        """Take the options every command has."""
        self.workspace_name = common.get("workspace")
        self.quiet = bool(common.get("quiet"))

    def say(self, text: str) -> None:
        """Tell the user something that is not the result."""
        if not self.quiet:
            self._tell(text)

    @property
    def workspace(self) -> Workspace:
        """The workspace the command was called for; opened at the first use."""
        return open_workspace(self._workspaces, self.workspace_name)

    def find_run(self, text: str) -> Run:
        """The run ``text`` means: its id, the first 8 digits of it, its display name, or ``last``."""
        if text != LAST:
            return self.workspace.runs.get(text)
        if self.last_run is not None:
            return self.last_run
        newest = self.workspace.runs.list(limit=1)
        if not newest:
            raise NotFoundError("There is no run yet.", hint="Submit one: aml submit train.ipynb")
        return newest[0]


def open_workspace(opened: dict[Any, Workspace], name: str | None) -> Workspace:
    """The workspace ``name`` means (None: the current one), out of those ``opened`` where it is there."""
    key = (name, os.environ.get("AML_WORKSPACE"), os.environ.get("AML_HOME"))
    if key not in opened:
        from jupyter_aml.workspace import Workspace

        opened[key] = Workspace.default() if name is None else Workspace.get(name)
    return opened[key]


class WaitingStopped(KeyboardInterrupt):
    """Ctrl-C ended the waiting for a run in the shell; the user has been told so."""
