"""Waiting for a run, with its log and its progress as they come.

In a terminal a progress bar stands below the log; in a notebook the log is printed. Ctrl-C ends the
waiting and leaves the run alone.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

from jupyter_aml.errors import AmlError, RunFailedError

if TYPE_CHECKING:
    from jupyter_aml.cards.terminal import RunProgress
    from jupyter_aml.tracking.run import Run

_LOOK_SECONDS = 0.1


def wait(run: Run, *, show_output: bool, raise_on_error: bool) -> Run:
    """See `Run.wait_for_completion`."""
    try:
        with _Display(run, show_output) as display:
            while not run.is_final:
                display.update()
                time.sleep(_LOOK_SECONDS)
            display.update()
    except KeyboardInterrupt:
        sys.stderr.write(
            f"\nStopped waiting. Run {run.display_name} goes on; "
            f"to end it: run.cancel(), or aml cancel {run.id[:12]}\n"
        )
        return run
    if raise_on_error and run.status != "Completed":
        raise failure(run, with_log=not show_output)
    return run


def failure(run: Run, *, with_log: bool = True) -> RunFailedError:
    """The error that says how a run ended, with the last lines of its log unless they were shown."""
    from jupyter_aml.cards.clean import for_terminal

    error = run.error or {}
    what = for_terminal(f"{error.get('class', 'Error')}: {error.get('message', '')}".rstrip(": "))
    where = f"in cell {error['cell'] + 1}" if error.get("cell") is not None else None
    tail = for_terminal("\n".join(error.get("log_tail") or [])) if with_log else ""
    detail = "\n".join(part for part in (where, f"Last lines of its log:\n{tail}" if tail else None) if part)
    ended = {"Failed": "failed", "Canceled": "was canceled"}.get(run.status, run.status)
    hint = f"See everything with: aml show {run.id[:12]}, or aml logs {run.id[:12]}"
    return RunFailedError(f"Run {run.display_name} {ended}: {what}", detail or None, hint)


class _Display:
    """Prints new log text; in a terminal keeps a bar of cells below it."""

    def __init__(self, run: Run, show_output: bool) -> None:
        self._run = run
        self._show = show_output
        self._offset = 0
        self._bars: RunProgress | None = None

    def __enter__(self) -> Self:
        if self._show and sys.stdout.isatty():
            from jupyter_aml.cards.terminal import RunProgress

            self._bars = RunProgress().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bars is not None:
            self._bars.__exit__(*error)

    def update(self) -> None:
        """Show what is new."""
        if self._bars is not None:
            self._bars.update(self._run.refresh(), now=time.time_ns() // 1_000_000)
        if self._show:
            self._print_log()

    def _print_log(self) -> None:
        try:
            for chunk in self._run._log_chunks("user_logs/std_log.txt", self._offset):
                self._offset = chunk["next_offset"]
                if chunk["text"]:
                    self._write(chunk["text"])
        except AmlError:  # the run is just moving its log into the store; the next look finds it
            return

    def _write(self, text: str) -> None:
        if self._bars is not None:
            from jupyter_aml.cards.clean import for_terminal

            shown = for_terminal(text)
            self._bars.console.print(shown, end="", markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stdout.write(text)
            sys.stdout.flush()
