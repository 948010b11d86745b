"""The notebook client of runs: nbclient's reading of messages, without its waits, polls and endless text.

What differs from nbclient: the kernel is ready when its first message arrives (no flush of 200 ms), its
death is noticed at once, a cell that takes too long is interrupted and then killed, text outputs are merged
and limited, and the end does not poll.
"""

from __future__ import annotations

import asyncio
from functools import partial
from queue import Empty
from typing import Any

from jupyter_core.utils import run_sync
from nbclient.exceptions import CellExecutionComplete, CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient

from jupyter_aml import limits
from jupyter_aml.errors import AmlError
from jupyter_aml.jobs.notebook.engine import RunExecutionManager
from jupyter_aml.jobs.notebook.failures import (
    death_failure,
    plain,
    reply_failure,
    silence_failure,
    stop_failure,
    timeout_failure,
)
from jupyter_aml.jobs.notebook.streams import CellOutputs

_START_SECONDS = 60.0
_ASK_AGAIN_SECONDS = 1.0
_ANSWER_SECONDS = 5.0
_AGAIN_SECONDS = 0.05
_DRAIN_SECONDS = 0.05


class StoppedError(AmlError):
    """The execution cannot go on: the kernel died, took too long, or was told to stop."""


class RunNotebookClient(PapermillNotebookClient):  # type: ignore[misc]
    """Executes the notebook of a `RunExecutionManager` in the kernel of its `Execution`."""

    def __init__(self, manager: RunExecutionManager, **options: Any) -> None:
        self._execution = manager.execution
        self._handle = manager.execution.kernel
        super().__init__(manager, km=self._handle.manager, **options)
        self._outputs = CellOutputs()
        self._cell: NotebookNode | None = None
        self._messages = 0
        self._asked: set[str] = set()
        self._died: asyncio.Future[int] | None = None
        manager.settle = self._settle

    def execute(self, **options: Any) -> NotebookNode:
        """Execute all cells; a failure is noted in the `Execution`, and is no exception here."""
        self.reset_execution_trackers()
        run_sync(self._execute)()
        executed: NotebookNode = self.nb
        return executed

    async def _execute(self) -> None:
        loop = asyncio.get_running_loop()
        self._died = asyncio.ensure_future(self._handle.wait())
        if self._handle.interrupt_mode == "message":
            self._handle.on_message_interrupt = partial(loop.call_soon_threadsafe, self._interrupt_by_message)
        try:
            with self.nb_man.saving():
                await self._connect()
                await self._execute_cells()
                self.set_widgets_metadata()
        except StoppedError:
            pass
        finally:
            self._handle.on_message_interrupt = None
            await self._finish()
            self._died.cancel()

    async def _execute_cells(self) -> None:
        for index, cell in enumerate(self.nb.cells):
            if self._handle.interrupted:
                self._stop(stop_failure(None))
            self.nb_man.cell_start(cell, index)
            try:
                await self.async_execute_cell(cell, index)
            except CellExecutionError as error:
                self.nb_man.cell_exception(cell, cell_index=index, exception=error)
                return
            except StoppedError as error:
                self.nb_man.cell_exception(cell, cell_index=index, exception=error)
                raise
            finally:
                self._settle()
                self.nb_man.cell_complete(cell, cell_index=index)

    async def async_execute_cell(
        self,
        cell: NotebookNode,
        cell_index: int,
        execution_count: int | None = None,
        store_history: bool = True,
    ) -> NotebookNode:
        """Execute one cell; raises `CellExecutionError` or `StoppedError` after noting the failure."""
        tags = cell.metadata.get("tags", [])
        if cell.cell_type != "code" or not cell.source.strip() or self.skip_cells_with_tag in tags:
            return cell
        allows_errors = "raises-exception" in tags
        cell["metadata"]["execution"] = {}
        cell.outputs = []
        self.clear_before_next_output = False
        self._cell, self._outputs = cell, CellOutputs()
        message_id = self.kc.execute(
            cell.source, store_history=store_history, stop_on_error=not allows_errors
        )
        self.code_cells_executed += 1
        self._asked.add(message_id)
        reply = await self._converse(message_id, cell, cell_index)
        content = reply["content"]
        if content["status"] == "error" and not allows_errors:
            self._execution.error = reply_failure(
                content, self.nb_man.index(cell_index), self._handle.interrupted
            )
            raise CellExecutionError.from_cell_and_msg(cell, content)
        if content["status"] == "aborted":
            self._stop(stop_failure(self.nb_man.index(cell_index)))
        return cell

    async def _converse(self, message_id: str, cell: NotebookNode, cell_index: int) -> dict[str, Any]:
        """Take the cell's messages until it is idle and has been answered; the answer."""
        index = self.nb_man.index(cell_index)
        idle = asyncio.ensure_future(self._take_outputs(message_id, cell, cell_index))
        reply = asyncio.ensure_future(self._take_reply(message_id))
        try:
            limit = self._execution.cell_timeout or None
            await self._first(idle, limit)
            if not idle.done() and not self._death.done():
                await self._end_late_cell(idle)
                self._stop(timeout_failure(limit, index), cell)
            if not idle.done():
                await self._drain()
                self._stop(death_failure(self._death.result(), index, self._handle.interrupted), cell)
            idle.result()
            # The answer is sent before the kernel says that it is idle. An interrupt that strikes between two
            # lines of the kernel's own code leaves none.
            await self._first(reply, _ANSWER_SECONDS)
            if not reply.done():
                self._stop(stop_failure(index) if self._handle.interrupted else silence_failure(index), cell)
            return reply.result()
        finally:
            idle.cancel()
            reply.cancel()

    async def _end_late_cell(self, idle: asyncio.Future[None]) -> None:
        """Interrupt the cell, and kill the kernel where that does not help."""
        self._handle.interrupt()
        await self._first(idle, limits.CANCEL_GRACE_SECONDS)
        if not idle.done():
            self._handle.kill()
            await self._death

    async def _first(self, future: asyncio.Future[Any], seconds: float | None) -> None:
        """Wait until ``future`` is done, the kernel has died, or the time is over."""
        futures: set[asyncio.Future[Any]] = {future, self._death}
        await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    @property
    def _death(self) -> asyncio.Future[int]:
        assert self._died is not None
        return self._died

    async def _take_reply(self, message_id: str) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = await self.kc.shell_channel.get_msg()
            if message["parent_header"].get("msg_id") == message_id:
                return message
            self._note_language(message)

    async def _take_outputs(self, message_id: str, cell: NotebookNode, cell_index: int) -> None:
        while True:
            message = await self.kc.iopub_channel.get_msg()
            self._messages += 1
            if message["parent_header"].get("msg_id") != message_id:
                self._take_stray(message)
                continue
            try:
                self.process_message(message, cell, cell_index)
            except CellExecutionComplete:
                return

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        """As nbclient's, but printed text is merged, limited and told to the log as it comes."""
        kind, content = msg["msg_type"], msg["content"]
        if kind == "stream":
            self._execution.events.output(content["text"])
            self.nb_man.autosave_cell()
            if not self.output_hook_stack[msg["parent_header"].get("msg_id")]:
                self._print(cell, content, cell_index)
                return None
        elif kind == "execute_input" and self._handle.interrupted:
            # The first interrupt came before the kernel had begun, and was ignored.
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._handle.interrupt)
        elif kind in ("display_data", "execute_result", "error"):
            self._tell(kind, content)
        return super().process_message(msg, cell, cell_index)  # type: ignore[no-any-return]

    def output(
        self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str | None, cell_index: int
    ) -> NotebookNode | None:
        """Keep a displayed output, where there is room for it."""
        if self.clear_before_next_output:
            self._clear(outs, cell_index)
        if not self._outputs.fits(msg["content"]):
            return None
        return super().output(outs, msg, display_id, cell_index)  # type: ignore[no-any-return]

    def clear_output(self, outs: list[NotebookNode], msg: dict[str, Any], cell_index: int) -> None:
        """As nbclient's; what was cleared no longer takes room."""
        super().clear_output(outs, msg, cell_index)
        if not outs:
            self._outputs.forget()

    def _print(self, cell: NotebookNode, content: dict[str, Any], cell_index: int) -> None:
        if self.clear_before_next_output:
            self._clear(cell.outputs, cell_index)
        self._outputs.print(cell.outputs, content["name"], content["text"])

    def _clear(self, outputs: list[NotebookNode], cell_index: int) -> None:
        outputs.clear()
        self._outputs.forget()
        self.clear_display_id_mapping(cell_index)
        self.clear_before_next_output = False

    def _tell(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "error":
            text = plain("\n".join(content.get("traceback") or ()))
        else:
            text = content.get("data", {}).get("text/plain", "")
        if text:
            self._execution.events.output(text + "\n")

    def _settle(self) -> None:
        if self._cell is not None:
            self._outputs.settle(self._cell.outputs)

    def _stop(self, failure: dict[str, Any], cell: NotebookNode | None = None) -> None:
        """Note the failure, in the cell too, and stop."""
        self._execution.error = failure
        if cell is not None:
            self._settle()
            message = f"{failure['class']}: {failure['message']}"
            cell.outputs.append(
                new_output("error", ename=failure["class"], evalue=failure["message"], traceback=[message])
            )
            self._execution.events.output(message + "\n")
        raise StoppedError(failure["message"])

    async def _connect(self) -> None:
        """Connect, and wait until the kernel's messages reach us."""
        self.kc = self.km.client(context=self.km.context)
        self.kc.start_channels(stdin=False, hb=False)
        self.kc.kernel_info()
        first = asyncio.ensure_future(self._first_message())
        await self._first(first, _START_SECONDS)
        if not first.done():
            first.cancel()
            if self._death.done():
                self._stop(death_failure(self._death.result(), None, self._handle.interrupted))
            self._handle.kill()
            self._stop(timeout_failure(_START_SECONDS, None))

    async def _first_message(self) -> None:
        """Wait for any published message: a subscriber that got one gets all that follow."""
        while True:
            try:
                await self.kc.iopub_channel.get_msg(timeout=_ASK_AGAIN_SECONDS)
                return
            except Empty:  # the kernel is starting, or published before we had subscribed
                self.kc.kernel_info()

    def _note_language(self, message: dict[str, Any]) -> None:
        if message["msg_type"] == "kernel_info_reply" and "language_info" in message["content"]:
            self.nb.metadata["language_info"] = message["content"]["language_info"]

    def _take_stray(self, message: dict[str, Any]) -> None:
        """What an earlier cell's thread prints belongs into the log, and no longer into a cell.

        What the kernel itself says while it starts belongs nowhere.
        """
        if message["msg_type"] == "stream" and message["parent_header"].get("msg_id") in self._asked:
            self._execution.events.output(message["content"]["text"])

    def _interrupt_by_message(self) -> None:
        self.kc.session.send(self.kc.control_channel.socket, "interrupt_request", {})

    async def _drain(self) -> None:
        """Take what a kernel that died had still sent."""
        seen = -1
        while seen != self._messages:
            seen = self._messages
            await asyncio.sleep(_DRAIN_SECONDS)

    async def _finish(self) -> None:
        """Shut the kernel down, by request, then by force, reading on so that it can say its last words."""
        if self.kc is None:
            return
        if not self._death.done():
            self.kc.shutdown()
            reader = asyncio.ensure_future(self._read_on())
            for grace, force in (
                (limits.TERMINATE_GRACE_SECONDS, self._handle.terminate),
                (limits.TERMINATE_GRACE_SECONDS, self._handle.kill),
            ):
                await asyncio.wait({self._death}, timeout=grace)
                if self._death.done():
                    break
                force()
            await self._death
            reader.cancel()
        self.kc.stop_channels()
        self.kc = None

    async def _read_on(self) -> None:
        while True:
            self._take_stray(await self.kc.iopub_channel.get_msg())
