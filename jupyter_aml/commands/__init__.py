"""The command tree: what ``aml X``, ``python -m jupyter_aml X`` and the notebook's ``%aml X`` run.

`declare` says what a command is, `tree` finds it, `parse` sorts its arguments; each other module here is
one noun with its commands. Nothing here imports IPython, and nothing heavy is imported before it is used.
"""

from __future__ import annotations

from jupyter_aml.commands.main import main

__all__ = ["main"]
