"""``aml submit`` and ``aml rerun``: notebooks, scripts and commands become runs."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.commands.declare import Commands, argument, option, toggle, whole_number
from jupyter_aml.commands.parameters import PARAMETER, PARAMETER_OPTIONS, RAW_PARAMETER, gathered, tag_pairs
from jupyter_aml.commands.session import Session
from jupyter_aml.commands.waiting import wait_for
from jupyter_aml.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from jupyter_aml.jobs.model import Job
    from jupyter_aml.tracking.run import Run

commands = Commands()
_JOB_FILES = (".yml", ".yaml")
_INPUT = re.compile(r"(\$\{\{\s*inputs\.[A-Za-z0-9_]+\s*\}\})", re.ASCII)

WAIT = toggle("--wait", help="wait for its end and show its log; Ctrl-C then stops the waiting, not the run")
WHERE = (
    option("-c", "--compute", values="compute", help="where it runs (default: local, this machine)"),
    option(
        "--environment",
        values="environment",
        help="what it runs with: name, name:3 or name@latest (default: the Python of the service)",
    ),
    option(
        "-e", "--experiment", values="experiment", help="the experiment it belongs to (default: 'default')"
    ),
    option("-n", "--name", help="its display name (default: two words and a number)"),
)


def _ends_options(word: str) -> bool:
    """Whether the words after this target are the target's own: as in ``python train.py -x``."""
    return not word.endswith((".ipynb", *_JOB_FILES))


@commands.add(
    "submit",
    argument("target", "a notebook, a Python script with its arguments, or -- and any command", values="job"),
    *WHERE,
    *PARAMETER_OPTIONS,
    option("--code", metavar="FOLDER", values="file",
           help="the folder taken along, in which the run works (default: the notebook's own, for a script "
                "or a command the current one)"),
    option("--timeout", metavar="TIME", help="end it after this time: 90s, 30m, 2h, 1d"),
    option("--retries", metavar="N", convert=whole_number, help="start it again this often when it fails"),
    option("--set-tag", name="tags", metavar="NAME=VALUE", arity="repeated", help="a tag of the run"),
    WAIT,
    rest=_ends_options,
)  # fmt: skip
def submit(
    session: Session,
    *,
    target: str | None,
    rest: Sequence[str],
    compute: str | None,
    environment: str | None,
    experiment: str | None,
    name: str | None,
    parameters: Sequence[tuple[str, Any]],
    raw_parameters: Sequence[tuple[str, Any]],
    parameters_file: str | None,
    tags: Sequence[str],
    wait: bool,
    **limits: Any,
) -> Run:
    """Submit a notebook, a script or a command as a tracked run.

    aml submit train.ipynb -p alpha 0.1 -p kernel rbf
    aml submit -e iris train.py --epochs 5
    aml submit -- make report

    Options of aml stand before a script; what follows the script is the script's. A parameter of a command
    fills ${{inputs.NAME}} in it. What is submitted is a copy: later changes of the files do not matter.
    """
    given = gathered(parameters, raw_parameters, parameters_file)
    options = {key: value for key, value in limits.items() if value is not None}
    job = _job(target, list(rest), given, options, environment=environment)
    run = session.workspace.submit(
        job, compute=compute, experiment=experiment, display_name=name, tags=tag_pairs(tags)
    )
    return announce(session, run, wait=wait)


def announce(session: Session, run: Run, *, wait: bool) -> Run:
    """Say that ``run`` was submitted, remember it as the last one, and wait for it where that was asked."""
    session.last_run = run
    if wait:
        session.say(f"Submitted {run.display_name} to experiment {run.experiment_name}; waiting for its end.")
        return wait_for(session, run)
    logs = "%aml logs" if session.face == "magic" else "aml logs -f"
    submitted = f"Submitted {run.display_name} to experiment {run.experiment_name}."
    session.say(f"{submitted} Its log: {logs} {shlex.quote(run.display_name)}")
    return run


def _job(
    target: str | None,
    rest: list[str],
    parameters: Mapping[str, Any],
    options: dict[str, Any],
    *,
    environment: str | None,
) -> Job:
    from jupyter_aml.jobs.model import command, notebook

    options["environment"] = environment
    code = options.pop("code", None)
    if target is None:
        return command(_shell_line(rest), code=code or Path.cwd(), inputs=parameters, **options)
    if target.endswith(".ipynb"):
        return notebook(target, parameters, code=code, **options)
    if target.endswith(_JOB_FILES):
        raise UsageError(f"{target!r} is a job file.", hint=f"Submit it with: aml job create --file {target}")
    folder = Path(code) if code is not None else Path.cwd()
    if not target.endswith(".py"):
        whole = shlex.join([target, *rest])
        raise UsageError(
            f"{target!r} is neither a notebook nor a Python script.",
            hint=f"To run a command: aml submit -- {whole}",
        )
    python = sys.executable if environment is None else "python"  # the environment's is the first on PATH
    if not (folder / target).is_file():
        raise NotFoundError(f"There is no script {target!r}.", hint=f"Looked from {folder.absolute()}.")
    return command(_shell_line([python, target, *rest]), code=folder, inputs=parameters, **options)


def _shell_line(words: Sequence[str]) -> str:
    """The words as a shell reads them back; inputs stay outside of quotes, as they bring their own."""
    return " ".join(
        "".join(part if _INPUT.fullmatch(part) else shlex.quote(part) for part in _INPUT.split(word) if part)
        or "''"
        for word in words
    )


@commands.add(
    "rerun",
    argument("run", "a run: its name, its id or the first 8 digits of it, or 'last'", values="run"),
    PARAMETER,
    RAW_PARAMETER,
    option("-n", "--name", help="the new run's display name"),
    WAIT,
)
def rerun(
    session: Session,
    *,
    run: str,
    parameters: Sequence[tuple[str, Any]],
    raw_parameters: Sequence[tuple[str, Any]],
    name: str | None,
    wait: bool,
) -> Run:
    """Submit the same job again, from what was stored then, with some parameters changed."""
    changed = gathered(parameters, raw_parameters, None)
    return announce(session, session.find_run(run).rerun(display_name=name, **changed), wait=wait)
