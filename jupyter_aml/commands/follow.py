"""Being with a run: ``aml logs``, ``wait``, ``cancel``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jupyter_aml.commands.declare import Commands, option, switch, whole_number
from jupyter_aml.commands.runs import RUN, RUNS
from jupyter_aml.commands.session import Session
from jupyter_aml.commands.values import Text
from jupyter_aml.commands.waiting import wait_for

if TYPE_CHECKING:
    from jupyter_aml.tracking.run import Run

commands = Commands()
_STANDARD_LOG = "user_logs/std_log.txt"


@commands.add(
    "logs",
    RUN,
    switch("-f", "--follow", help="go on showing what comes until the run ends"),
    option("--tail", metavar="N", convert=whole_number, help="the last N lines only"),
    option(
        "--stream",
        default=_STANDARD_LOG,
        help="the log, such as system_logs/runner.txt",
    ),
)
def logs(session: Session, *, run: str, follow: bool, tail: int | None, stream: str) -> Text | None:
    """Show what a run printed."""
    found = session.find_run(run)
    if follow:
        wait_for(session, found, log_is_result=True)
        return None
    if tail is not None:
        return Text("\n".join(found.log_tail(tail, stream)))
    return Text(found.logs(stream))


@commands.add("wait", RUNS)
def wait(session: Session, *, runs: Sequence[str]) -> Run | list[Run]:
    """Wait for runs to end, showing their logs. Ctrl-C stops the waiting, not the runs."""
    found = [wait_for(session, session.find_run(run)) for run in runs]
    return found[0] if len(found) == 1 else found


@commands.add("cancel", RUNS)
def cancel(session: Session, *, runs: Sequence[str]) -> Run | list[Run]:
    """Stop runs: each is interrupted first, and ended if that does not help."""
    found = [session.find_run(run) for run in runs]
    for run in found:
        run.cancel()
        session.say(f"{run.display_name} is being canceled.")
    return found[0] if len(found) == 1 else found
