"""Waiting for a run from a command: the log is a message here, the run is the result."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from jupyter_aml.commands.session import Session, WaitingStopped

if TYPE_CHECKING:
    from jupyter_aml.tracking.run import Run


def wait_for(session: Session, run: Run, *, log_is_result: bool = False) -> Run:
    """Wait for the end of ``run``, showing its log; `RunFailedError` when it does not complete.

    In the shell the log goes to standard error, so that the result can be piped, unless ``log_is_result``.
    Ctrl-C leaves the run alone: in a notebook it is returned as it is, a shell command ends with 130.
    """
    aside = session.face == "cli" and not log_is_result
    with contextlib.redirect_stdout(sys.stderr) if aside else contextlib.nullcontext():
        run.wait_for_completion(show_output=log_is_result or not session.quiet)
    if not run.is_final and session.face == "cli":
        raise WaitingStopped
    return run
