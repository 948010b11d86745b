"""Running one cell elsewhere: what it needs goes along, what it makes comes back.

`capture` finds the variables a cell reads and pickles them; `cell_notebook` makes the notebook that is
submitted; `runtime` is what that notebook calls in the run's kernel; `load_result` loads what came back.

The names are imported when they are first used: a run's kernel needs `runtime`, and should not wait for more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jupyter_aml.cells.names import CellNames, needed_names
    from jupyter_aml.cells.notebook import CELL_NOTEBOOK, PAYLOAD_PATH, cell_notebook
    from jupyter_aml.cells.results import load_result, load_return
    from jupyter_aml.cells.shipping import CellPayload, ShippedName, capture

_HOMES = {
    "CELL_NOTEBOOK": "notebook",
    "PAYLOAD_PATH": "notebook",
    "CellNames": "names",
    "CellPayload": "shipping",
    "ShippedName": "shipping",
    "capture": "shipping",
    "cell_notebook": "notebook",
    "load_result": "results",
    "load_return": "results",
    "needed_names": "names",
}

__all__ = [
    "CELL_NOTEBOOK",
    "PAYLOAD_PATH",
    "CellNames",
    "CellPayload",
    "ShippedName",
    "capture",
    "cell_notebook",
    "load_result",
    "load_return",
    "needed_names",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
