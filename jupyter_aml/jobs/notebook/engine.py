"""The papermill engine of runs: papermill's bookkeeping in the cells, our saving, our events, our client.

papermill writes the notebook before and after each cell, which costs more than a small cell itself. Here a
change only marks the notebook as changed; it is written at most every so many seconds, and at the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from nbformat import NotebookNode
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines

from jupyter_aml.jobs.kernels import KernelHandle
from jupyter_aml.jobs.notebook.document import CellMap, finite

ENGINE_NAME = "aml-run"
_FIRST_SAVE_SECONDS = 0.1
_SAVE_SHARE = 4  # at most one part in so many of the time goes into saving


class NotebookEvents(Protocol):
    """Who wants to know how a notebook advances; called in the thread that executes it."""

    def plan(self, cells: list[dict[str, Any]]) -> None:
        """The cells of the submitted notebook: ``{"index", "label", "kind": "code" | "markdown"}``."""

    def cell(self, index: int, state: str) -> None:
        """A cell is now ``running``, ``completed`` or ``failed``."""

    def output(self, text: str) -> None:
        """Text a cell printed or displayed, as it comes, for the log."""


@dataclass
class Execution:
    """One notebook being executed: what the engine and the client need and what they find out.

    Attributes:
        write: writes the notebook where it belongs; called at most every ``save_every`` seconds.
        error: the failure, as the run records it (``class, message, cell, traceback, reason``), or None.
    """

    kernel: KernelHandle
    events: NotebookEvents
    cells: CellMap
    write: Callable[[NotebookNode], None]
    names: dict[str, str | None] = field(default_factory=dict)
    cell_timeout: float | None = None
    save_every: float = 1.0
    error: dict[str, Any] | None = None


class RunExecutionManager(NotebookExecutionManager):  # type: ignore[misc]
    """papermill's record of an execution, with its saving and its progress bar replaced."""

    def __init__(self, nb: NotebookNode, execution: Execution) -> None:
        super().__init__(nb, output_path=None, progress_bar=False, autosave_cell_every=0)
        self.execution = execution
        self.settle: Callable[[], None] = lambda: None
        self._indices = execution.cells.bind(nb)
        self._changed = asyncio.Event()

    def index(self, executed_index: int) -> int | None:
        """The submitted notebook's index of an executed cell; None for one that is not the user's."""
        return self._indices[executed_index]

    def save(self, **kwargs: Any) -> None:
        """Note that there is something to save."""
        self._changed.set()

    def autosave_cell(self, **kwargs: Any) -> None:
        """Output came: there is something to save."""
        self._changed.set()

    def save_now(self) -> None:
        """Write the notebook."""
        self._changed.clear()
        self.settle()
        self.execution.write(self.nb)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Save while the body runs in an event loop, and once more after it."""
        saver = asyncio.ensure_future(self._save_in_time())
        try:
            yield
        finally:
            saver.cancel()

    async def _save_in_time(self) -> None:
        await asyncio.sleep(_FIRST_SAVE_SECONDS)
        while True:
            await self._changed.wait()
            begun = time.monotonic()
            with contextlib.suppress(OSError):  # a full disk now may be free again at the end
                self.save_now()
            await asyncio.sleep(max(self.execution.save_every, _SAVE_SHARE * (time.monotonic() - begun)))

    def notebook_start(self, **kwargs: Any) -> None:
        """Begin: papermill's metadata, and the plan for whoever listens."""
        metadata = self.nb.metadata.papermill
        metadata.update(self.execution.names)
        if "parameters" in metadata:
            metadata["parameters"] = finite(metadata["parameters"])
        super().notebook_start(**kwargs)
        self.execution.events.plan(self.execution.cells.cells)

    def cell_start(self, cell: NotebookNode, cell_index: int | None = None, **kwargs: Any) -> None:
        """A cell begins."""
        super().cell_start(cell, cell_index, **kwargs)
        if cell.cell_type == "code":
            self._tell(cell_index, self.RUNNING)

    def cell_complete(self, cell: NotebookNode, cell_index: int | None = None, **kwargs: Any) -> None:
        """A cell has ended, well or not."""
        super().cell_complete(cell, cell_index, **kwargs)
        self._tell(cell_index, cell.metadata.papermill["status"])

    def _tell(self, cell_index: int | None, state: str) -> None:
        index = None if cell_index is None else self._indices[cell_index]
        if index is not None:
            self.execution.events.cell(index, state)

    def notebook_complete(self, **kwargs: Any) -> None:
        """The end: whatever happened, the notebook is saved; a cell that was not reached stays pending."""
        reached = [cell for cell in self.nb.cells if cell.metadata.papermill["status"] != self.PENDING]
        statuses = {id(cell) for cell in reached}
        super().notebook_complete(**kwargs)
        if self.execution.error is not None:
            for cell in self.nb.cells:
                if id(cell) not in statuses:
                    cell.metadata.papermill["status"] = self.PENDING
        self.save_now()


class RunEngine(Engine):  # type: ignore[misc]
    """Executes a notebook in the kernel of an `Execution`; registered with papermill as `ENGINE_NAME`."""

    @classmethod
    def execute_notebook(cls, nb: NotebookNode, kernel_name: str, **kwargs: Any) -> NotebookNode:
        """Called by papermill; ``execution`` is the `Execution` given to ``papermill.execute_notebook``."""
        from jupyter_aml.jobs.notebook.client import RunNotebookClient

        execution: Execution = kwargs["execution"]
        manager = RunExecutionManager(nb, execution)
        manager.notebook_start()
        try:
            RunNotebookClient(manager, kernel_name=kernel_name).execute()
        finally:
            manager.notebook_complete()
        executed: NotebookNode = manager.nb
        return executed


def register() -> None:
    """Make the engine known to papermill."""
    papermill_engines.register(ENGINE_NAME, RunEngine)
