"""How a failed notebook is told: one record per way to fail, in the words of the person who reads it.

A record is ``{"class", "message", "cell", "traceback", "reason"}``: the error's class, what happened, the
index of the cell in the submitted notebook or None, the traceback without colours or None, and one of
``user_error``, ``kernel_died``, ``timeout``, ``canceled``.
"""

from __future__ import annotations

import re
import signal
from typing import Any

# A record is shown with its run in every list.
_MESSAGE_LENGTH = 4_000
_TRACEBACK_LENGTH = 20_000
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")


def plain(text: str) -> str:
    """``text`` without terminal colours and links."""
    return _ANSI.sub("", text)


def reply_failure(content: dict[str, Any], cell: int | None, interrupted: bool) -> dict[str, Any]:
    """A cell that raised; ``content`` is the kernel's reply."""
    name, message = str(content.get("ename", "")), plain(str(content.get("evalue", "")))
    if name == "StdinNotImplementedError":
        message = "The cell asks for input, but a run has nobody to ask. Make the value a parameter instead."
    traceback = plain("\n".join(content.get("traceback") or ())) or None
    canceled = interrupted and name == "KeyboardInterrupt"
    return _failure(name, message, cell, "canceled" if canceled else "user_error", traceback)


def death_failure(status: int, cell: int | None, interrupted: bool) -> dict[str, Any]:
    """A kernel that ended; ``status`` is its exit code, or minus the signal's number."""
    where = "while it started" if cell is None else "in this cell"
    if status < 0:
        message = f"The kernel was ended by {_signal_name(-status)} {where}."
        if -status == signal.SIGKILL and not interrupted:
            message += " This is what happens when the machine runs out of memory."
    else:
        message = f"The kernel ended with exit code {status} {where}."
    return _failure("KernelDied", message, cell, "canceled" if interrupted else "kernel_died")


def timeout_failure(seconds: float | None, cell: int | None) -> dict[str, Any]:
    """A cell, or the kernel's start, that took longer than allowed."""
    what = "The kernel did not answer" if cell is None else "The cell did not end"
    return _failure("CellTimeoutError", f"{what} within {seconds:g} seconds.", cell, "timeout")


def stop_failure(cell: int | None) -> dict[str, Any]:
    """An execution that was told to stop while no cell was running."""
    return _failure("KeyboardInterrupt", "The run was interrupted.", cell, "canceled")


def silence_failure(cell: int | None) -> dict[str, Any]:
    """A kernel that says it is done and does not say how it went."""
    return _failure("NoAnswerError", "The kernel did not say how the cell ended.", cell, "kernel_died")


def _failure(
    name: str, message: str, cell: int | None, reason: str, traceback: str | None = None
) -> dict[str, Any]:
    return {
        "class": name[:200],
        "message": message[:_MESSAGE_LENGTH],
        "cell": cell,
        "traceback": traceback and traceback[-_TRACEBACK_LENGTH:],
        "reason": reason,
    }


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
