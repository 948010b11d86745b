"""The Azure Machine Learning workspace in your own Jupyter.

The public names are imported when they are first used, so that ``import jupyter_aml`` costs milliseconds.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # checkers take it for typing's own, whose import alone takes longer than all of this
if TYPE_CHECKING:
    from typing import Any

    from jupyter_aml.errors import AmlError
    from jupyter_aml.jobs.model import command, notebook
    from jupyter_aml.models.registry import Model
    from jupyter_aml.tracking.experiment import Experiment
    from jupyter_aml.tracking.run import Run
    from jupyter_aml.workspace import Workspace

_HOMES = {
    "AmlError": "errors",
    "Experiment": "tracking.experiment",
    "Model": "models.registry",
    "Run": "tracking.run",
    "Workspace": "workspace",
    "command": "jobs.model",
    "notebook": "jobs.model",
}

__all__ = ["AmlError", "Experiment", "Model", "Run", "Workspace", "command", "notebook"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'jupyter_aml' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"jupyter_aml.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext jupyter_aml``: the ``%aml`` and ``%%aml`` magics."""
    from jupyter_aml.magics import register

    register(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from jupyter_aml.server.app import AmlApp

    return [{"module": "jupyter_aml", "app": AmlApp}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-aml"}]
