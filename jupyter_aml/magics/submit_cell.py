"""``%%aml submit``: the cell becomes a job with the variables it needs."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from IPython.display import display

from jupyter_aml.commands.declare import Commands, option
from jupyter_aml.commands.parameters import tag_pairs
from jupyter_aml.commands.session import Session
from jupyter_aml.commands.submit import WAIT, WHERE
from jupyter_aml.commands.waiting import wait_for
from jupyter_aml.errors import UsageError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_aml.tracking.run import Run

commands = Commands()

AS = option("--as", name="variable", metavar="NAME", help="put the run into this variable of the notebook")


def names(text: str) -> tuple[str, ...]:
    """``"a,b"`` as names; `UsageError` for what is none."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in found:
        check_variable_name(name)
    return found


def check_variable_name(name: str) -> str:
    """``name`` if it can name a variable."""
    if not name.isidentifier():
        raise UsageError(f"{name!r} cannot name a variable.", hint="Write names with commas between: x,y")
    return name


@commands.add(
    "submit",
    *WHERE,
    option("--in", name="include", metavar="A,B", convert=names, values="variable",
           help="the variables it gets (default: all that it uses)"),
    option("--return", name="returns", metavar="X,Y", convert=names, default=(),
           help="the variables to bring back; then run.result('X'), or %%aml load RUN X".replace("%%", "%")),
    option("--timeout", metavar="TIME", help="end it after this time: 90s, 30m, 2h, 1d"),
    option("--set-tag", name="tags", metavar="NAME=VALUE", arity="repeated", help="a tag of the run"),
    AS,
    WAIT,
    cell=True,
)  # fmt: skip
def submit(
    session: Session,
    *,
    cell: str,
    shell: InteractiveShell,
    compute: str | None,
    environment: str | None,
    experiment: str | None,
    name: str | None,
    include: Sequence[str] | None,
    returns: Sequence[str],
    timeout: str | None,
    tags: Sequence[str],
    variable: str | None,
    wait: bool,
) -> None:
    """Submit this cell as a tracked run, with the notebook's variables that it uses.

    %%aml submit --experiment diabetes --return model --as run
    model = Ridge(alpha).fit(X_train, y_train)

    The cell runs in another process: it changes nothing here. What it returns stays with the run until it is
    asked for. The run is also what %aml last gives.
    """
    from jupyter_aml.jobs.submit import cell_job

    if variable is not None:
        check_variable_name(variable)
    job = cell_job(cell, shell.user_ns, include=include, returns=returns, timeout=timeout)
    session.say(f"{job.summary} → compute {compute or 'local'}")
    run = session.workspace.submit(
        job,
        compute=compute,
        experiment=experiment,
        display_name=name,
        tags=tag_pairs(tags),
        environment=environment,
    )
    session.last_run = run
    if variable is not None:
        shell.user_ns[variable] = run
    with card(run):
        if wait:
            wait_for(session, run)


@contextlib.contextmanager
def card(run: Run) -> Any:
    """Show the run's card now, and as it stands at the end of the block where that is later."""
    handle = display(run, display_id=f"aml-run-{run.id}")  # type: ignore[no-untyped-call]
    before = run.refresh()["status"]
    try:
        yield
    finally:
        if handle is not None and run.refresh()["status"] != before:
            handle.update(run)
