"""The notebook's face of the commands.

``%aml X`` runs what ``aml X`` runs, ``%%aml submit`` and ``%%aml track`` run a cell, and Tab completes both.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from jupyter_aml.client.launch import is_warm

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def register(shell: InteractiveShell) -> None:
    """Give ``shell`` the magics and their completion (``%load_ext jupyter_aml``); again changes nothing."""
    from jupyter_aml.magics.completion import add_completion
    from jupyter_aml.magics.magic import AmlMagics

    magics = AmlMagics(shell)
    shell.register_magics(magics)
    add_completion(shell, magics)
    if is_warm():
        threading.Thread(target=_warm_up, name="aml-warm-up", daemon=True).start()


def _warm_up() -> None:
    """Let the service prepare for the runs that will probably come; who submits one sees what fails."""
    from jupyter_aml.errors import AmlError
    from jupyter_aml.workspace import Workspace

    with contextlib.suppress(AmlError):
        Workspace.default().warm_up()
