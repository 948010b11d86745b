"""Execute one notebook in a kernel that is running already.

`execute_notebook` never raises for what a notebook does: it returns how it ended. Whatever happens, the
executed notebook is at ``output``: the previous version or the new one, valid JSON, never empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import papermill
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from jupyter_aml.jobs.kernels import KernelHandle
from jupyter_aml.jobs.notebook import engine
from jupyter_aml.jobs.notebook.document import CellMap, write_notebook
from jupyter_aml.jobs.notebook.engine import Execution, NotebookEvents
from jupyter_aml.jobs.notebook.parameters import language

__all__ = ["NotebookEvents", "NotebookOutcome", "execute_notebook"]


@dataclass(frozen=True)
class NotebookOutcome:
    """How it ended: ``ok``, or the error record of `jupyter_aml.jobs.notebook.failures`."""

    ok: bool
    error: dict[str, Any] | None


def execute_notebook(
    notebook: NotebookNode,
    parameters: dict[str, Any],
    *,
    cwd: Path,
    output: Path,
    kernel: KernelHandle,
    events: NotebookEvents,
    cell_timeout: float | None = None,
    save_every: float = 1.0,
) -> NotebookOutcome:
    """Execute ``notebook`` with ``parameters`` (checked before) in ``kernel``, which runs in ``cwd`` already.

    ``output`` is written at most every ``save_every`` seconds and at the end. ``cell_timeout`` is in seconds.
    The kernel is shut down and its sockets are removed when this returns.
    """
    execution = Execution(
        kernel=kernel,
        events=events,
        cells=CellMap(notebook),
        write=lambda executed: write_notebook(output, executed),
        names={"input_path": None, "output_path": output.name},
        cell_timeout=cell_timeout,
        save_every=save_every,
    )
    engine.register()
    try:
        papermill.execute_notebook(
            notebook,
            None,
            parameters,
            engine_name=engine.ENGINE_NAME,
            kernel_name=notebook.metadata.get("kernelspec", {}).get("name") or "python3",
            language=language(notebook),
            progress_bar=False,
            execution=execution,
        )
    except PapermillExecutionError:
        pass  # papermill's view of the same outputs; a cell that may raise is no failure for us
    finally:
        kernel.close()
    return NotebookOutcome(execution.error is None, execution.error)
