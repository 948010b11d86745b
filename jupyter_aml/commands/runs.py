"""Looking at runs: ``aml runs``, ``show``, ``last``, ``compare``, ``status``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jupyter_aml.commands.declare import Commands, argument, option, switch, whole_number
from jupyter_aml.commands.session import LAST, Session

if TYPE_CHECKING:
    from jupyter_aml.tracking.experiment import Comparison, RunList
    from jupyter_aml.tracking.run import Run

commands = Commands()
RUN = argument("run", "a run: its name, its id or the first 8 digits of it, or 'last'", values="run")
RUNS = argument(
    "runs", "runs: their names, ids or the first 8 digits of them, or 'last'", many=True, values="run"
)


@commands.add(
    "runs",
    argument("filter", "which runs, in MLflow's grammar: \"metrics.rmse < 0.5 and params.alpha = '0.1'\"",
             required=False),
    option("-e", "--experiment", name="experiments", arity="repeated", values="experiment",
           help="runs of this experiment only"),
    option("--order-by", metavar="KEY", arity="repeated",
           help="such as 'metrics.rmse ASC' or 'start_time DESC' (default: newest first)"),
    option("-n", "--limit", metavar="N", convert=whole_number, default=20, help="at most so many"),
    switch("--archived", help="the archived runs instead"),
)  # fmt: skip
def runs(
    session: Session,
    *,
    filter: str | None,
    experiments: Sequence[str],
    order_by: Sequence[str],
    limit: int,
    archived: bool,
) -> RunList:
    """List runs, newest first, or those a filter finds."""
    return session.workspace.runs.search(
        filter or "", list(order_by), limit, experiments=list(experiments) or None, archived=archived
    )


@commands.add("show", RUN)
def show(session: Session, *, run: str) -> Run:
    """Show a run: its state, params, metrics, and why it failed."""
    return session.find_run(run)


@commands.add("last")
def last(session: Session) -> Run:
    """Show the run submitted last from here, or else the workspace's newest."""
    return session.find_run(LAST)


@commands.add("compare", RUNS)
def compare(session: Session, *, runs: Sequence[str]) -> Comparison:
    """Put runs side by side: the params in which they differ, and their metrics."""
    return session.workspace.runs.compare(*(session.find_run(run) for run in runs))


@commands.add("status")
def status(session: Session) -> dict[str, Any]:
    """Tell which workspace this is, whether its service runs, and what is under way. Starts no service."""
    from jupyter_aml.commands.service import service_state

    workspace = session.workspace
    found: dict[str, Any] = {
        "workspace": workspace.name,
        "folder": str(workspace.path),
        **service_state(workspace),
    }
    if found["service"] == "running":
        counts = workspace.get_details()["counts"]
        found |= {
            "experiments": counts["experiments"],
            "runs": counts["runs"],
            "unfinished": counts["unfinished_runs"],
        }
    return found
