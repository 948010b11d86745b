"""``papermill in.ipynb out.ipynb --engine aml``: a plain papermill command, tracked as a run.

The notebook runs as papermill runs it, here and now; beside that, its parameters become params, its cells
the run's progress, what it prints the run's log, and the executed notebook one of its files. Code in the
notebook that logs through ``Run.get_context()`` logs to this run. The experiment is ``AML_EXPERIMENT``, or
the notebook's name.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager

from jupyter_aml import limits
from jupyter_aml.client import Client, locate
from jupyter_aml.core.paths import RunFolder
from jupyter_aml.jobs.logfile import LogFile
from jupyter_aml.jobs.notebook.document import INJECTED_TAG, CellMap, has_tag
from jupyter_aml.jobs.notebook.failures import reply_failure
from jupyter_aml.tracking.run import Run, start_run


class AmlEngine(NBClientEngine):  # type: ignore[misc]
    """papermill's own engine, with a run that listens."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: NotebookExecutionManager, kernel_name: str, log_output: bool = False, **options: Any
    ) -> None:
        """Called by papermill with the notebook, its parameters injected already."""
        logging.getLogger("httpx").setLevel(logging.WARNING)  # papermill shows what every library says
        run = _start(nb_man)
        recorder, folder = run._writer(), run._folder()
        log = LogFile(folder.logs / "user_logs" / "std_log.txt")
        listener = _Listener(nb_man, recorder, log)
        try:
            with _context(run, folder):
                _Client(nb_man, listener, log_output=log_output, kernel_name=kernel_name, **options).execute()
        except BaseException:
            log.close()
            run._finish(
                "Canceled",
                {"class": "Interrupted", "message": "papermill was interrupted", "reason": "canceled"},
            )
            raise
        log.close()
        run.log_text(f"notebook/{_name(nb_man)}.ipynb", nbformat.writes(nb_man.nb))
        error = listener.error
        run._finish("Completed" if error is None else "Failed", error)


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    """papermill's client, telling the listener what a cell prints."""

    def __init__(self, nb_man: NotebookExecutionManager, listener: _Listener, **options: Any) -> None:
        super().__init__(nb_man, raise_on_iopub_timeout=True, **options)
        self._listener = listener

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """One message of the kernel."""
        self._listener.message(msg, cell_index)
        return super().process_message(msg, cell, cell_index)


class _Listener:
    """Hangs itself between papermill's bookkeeping and the run."""

    def __init__(self, nb_man: NotebookExecutionManager, recorder: Any, log: LogFile) -> None:
        self.error: dict[str, Any] | None = None
        self._recorder = recorder
        self._log = log
        cells = CellMap(_submitted(nb_man.nb))
        self._indices = cells.bind(nb_man.nb)
        recorder.write({"op": "cells", "cells": cells.cells})
        start, complete = nb_man.cell_start, nb_man.cell_complete

        def cell_start(cell: Any, cell_index: int | None = None, **rest: Any) -> None:
            start(cell, cell_index, **rest)
            self._tell(cell_index, "running")

        def cell_complete(cell: Any, cell_index: int | None = None, **rest: Any) -> None:
            complete(cell, cell_index, **rest)
            self._tell(cell_index, cell.metadata.papermill["status"])

        nb_man.cell_start, nb_man.cell_complete = cell_start, cell_complete

    def _tell(self, cell_index: int | None, state: str) -> None:
        index = None if cell_index is None else self._indices[cell_index]
        if index is not None:
            now = time.time_ns() // 1_000_000
            self._recorder.write({"op": "cell", "index": index, "state": state, "time": now})

    def message(self, message: dict[str, Any], cell_index: int) -> None:
        """What the kernel said: text for the log, an error for the outcome."""
        kind, content = message["msg_type"], message["content"]
        text = content.get("text") or content.get("data", {}).get("text/plain", "")
        if kind == "error":
            self.error = reply_failure(content, self._indices[cell_index], interrupted=False)
            text = self.error["traceback"] or ""
        if text:
            newline = b"" if kind == "stream" else b"\n"
            self._log.write(str(text).encode("utf-8", "replace") + newline)


def _submitted(notebook: NotebookNode) -> NotebookNode:
    """The notebook as the user knows it, without the cell papermill has put in."""
    own = [cell for cell in notebook.cells if not has_tag(cell, INJECTED_TAG)]
    return NotebookNode({**notebook, "cells": own})


def _name(nb_man: NotebookExecutionManager) -> str:
    metadata = nb_man.nb.metadata.get("papermill", {})
    path = metadata.get("input_path") or metadata.get("output_path") or "notebook.ipynb"
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(str(path)).stem).strip("-.") or "notebook"


def _start(nb_man: NotebookExecutionManager) -> Run:
    experiment = os.environ.get("AML_EXPERIMENT") or _name(nb_man)
    run = start_run(Client(locate()), experiment, None, None, kind="notebook")
    for name, value in nb_man.nb.metadata.get("papermill", {}).get("parameters", {}).items():
        text = value if isinstance(value, str) else json.dumps(value)
        run.log_param(name, text[: limits.PARAM_VALUE_LENGTH])
    return run


@contextmanager
def _context(run: Run, folder: RunFolder) -> Iterator[None]:
    """The environment in which the kernel's ``Run.get_context()`` is this run."""
    location = run._client.location
    added = {
        "AML_RUN_ID": run.id,
        "AML_RUN_DIR": str(folder.root),
        "AML_ATTEMPT": "1",
        "AML_WORKSPACE": str(location.root or location.url),
        "AML_EXPERIMENT": run.experiment_name,
        "AML_RUN_NAME": run.display_name,
        "AML_RUN_KIND": "notebook",
    }
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
