"""Where an instance keeps what is its own, below the workspace's folder."""

from __future__ import annotations

from pathlib import Path

from jupyter_aml.core.paths import WorkspaceFolder


class InstanceFolder:
    """The folder of an instance: it comes with the instance, and goes with it.

    ``slice`` describes the slice to who may enter it, ``setup_log`` has what the setup script said,
    ``environments`` what was installed in notebooks.
    """

    def __init__(self, workspace: WorkspaceFolder, name: str) -> None:
        self.root: Path = workspace.computes / name
        self.slice = self.root / "slice.json"
        self.setup_log = self.root / "setup.log"
        self.environments = self.root / "environments"
        self.scratch = self.root / "scratch"


def workspace_of(kernelspec: Path) -> Path | None:
    """The folder of the workspace that the folder of a kernelspec lies in; None where it is in none."""
    root = kernelspec.absolute().parent.parent
    return root if WorkspaceFolder(root).description.is_file() else None
