"""Whether the workspace's folder could be reached through Jupyter's file browser.

Who reads that folder has the service's token and everything the workspace holds, past every authorizer, and
who writes to it can change finished runs. So the extension does not serve a workspace that lies where
``/api/contents`` and ``/files`` reach, nor one that Jupyter's root folder lies in.

A workspace below the root folder is served where a hidden folder stands between them and Jupyter does not
show hidden files: its default place, ``~/.local/share/jupyter/aml``, is such a one for who starts Jupyter at
home. Paths are compared as written and with symbolic links resolved; either way of reaching it counts. A
link that somebody makes by hand elsewhere in the root folder is Jupyter's to follow, and not seen here.
"""

from __future__ import annotations

from pathlib import Path

from jupyter_core.paths import is_hidden

from jupyter_aml.errors import UnavailableError


def check_exposure(workspace: Path, root_dir: Path, *, allow_hidden: bool) -> None:
    """Raise `UnavailableError` where Jupyter's files below ``root_dir`` give access to ``workspace``."""
    for state, root in (
        (workspace.absolute(), root_dir.absolute()),
        (workspace.resolve(), root_dir.resolve()),
    ):
        if root.is_relative_to(state):
            raise UnavailableError(
                f"Jupyter's root folder {root_dir} is the workspace's own folder or lies in it, so its files "
                f"could be read and changed past every check.",
                hint="Start Jupyter in another folder.",
            )
        if state.is_relative_to(root) and (allow_hidden or not is_hidden(state, root)):
            raise UnavailableError(
                f"The workspace's folder {workspace} can be read and changed through Jupyter's file browser, "
                f"whose root folder is {root_dir}.",
                hint="Set AML_HOME to a folder outside it, or start Jupyter in another folder.",
            )
