"""What cards, tables and comparisons alike read out of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_aml.cards.formatting import moment, status_look, took

Run = Mapping[str, Any]
# {metric: {"steps": [...], "values": [...]}} of one run
Histories = Mapping[str, Mapping[str, Any]]

_WAITING = {
    "NotStarted": "Not submitted yet.",
    "Preparing": "Its files are being laid out.",
    "Starting": "Its process is starting.",
    "Finalizing": "It is done; its files are being collected.",
    "CancelRequested": "It was asked to stop.",
}


def title(run: Run) -> str:
    """What people call a run."""
    return str(run.get("display_name") or run.get("id") or "run")


def short_id(run: Run) -> str:
    """As much of the run's id as commands need."""
    return str(run.get("id") or "")[:12]


def titles(runs: Sequence[Run]) -> list[str]:
    """A name for each run, with the end of its id where several share one."""
    found = [title(run) for run in runs]
    return [
        f"{name} {str(run.get('id') or '')[-4:]}" if found.count(name) > 1 else name
        for name, run in zip(found, runs, strict=True)
    ]


def waiting_for(run: Run) -> str | None:
    """What a run that does not work at the moment waits for."""
    if run.get("status") == "Queued":
        again = f" (attempt {run['attempt']})" if (run.get("attempt") or 1) > 1 else ""
        return f"Waits for a free place on {run.get('compute') or 'its compute'}{again}."
    return _WAITING.get(str(run.get("status")))


def made_from(run: Run) -> str:
    """What was run: ``notebook train.ipynb``, ``cell``, ``command``..."""
    spec = run.get("spec") or {}
    kind = str(run.get("kind") or "")
    return f"{kind} {spec['notebook']}" if kind == "notebook" and spec.get("notebook") else kind


def compute_of(run: Run) -> str | None:
    """The compute a run was sent to; None for this machine, where runs are by default."""
    compute = run.get("compute")
    return None if not compute or compute == "local" else str(compute)


def environment_of(run: Run) -> str | None:
    """The environment a run asked for; None for the Python that runs have by default."""
    environment = (run.get("spec") or {}).get("environment")
    return str(environment) if environment else None


def place_of(run: Run) -> str | None:
    """``on cpu-cluster with sklearn:1``: what of it is not the default; None where all is."""
    compute, environment = compute_of(run), environment_of(run)
    words = [f"on {compute}" if compute else "", f"with {environment}" if environment else ""]
    return " ".join(filter(None, words)) or None


def progress_of(run: Run) -> tuple[int, int] | None:
    """Code cells done, and how many there are; None for what has no cells."""
    progress = run.get("progress")
    if not progress or not progress.get("total"):
        return None
    total = int(progress["total"])
    return min(max(0, int(progress.get("done") or 0)), total), total


def far(run: Run) -> str:
    """`` 3/10``: how far a run that has not ended is; empty where that is not known."""
    counted = None if status_look(run.get("status")).is_final else progress_of(run)
    return f" {counted[0]}/{counted[1]}" if counted else ""


def current_cell(run: Run) -> str | None:
    """The first line of the cell that runs now."""
    label = (run.get("progress") or {}).get("label")
    return None if status_look(run.get("status")).is_final or not label else str(label)


def time_of(run: Run) -> str | None:
    """How long a run took, or since when it has been going on."""
    if run.get("started_at") is None:
        return None
    return took(run) if run.get("ended_at") is not None else f"since {moment(run['started_at'])}"


def failed_cell(run: Run) -> str | None:
    """Which cell failed, counted from 1 as people count; nothing of a run that is only one cell."""
    index = (run.get("error") or {}).get("cell")
    return (
        None if index is None or run.get("kind") == "cell" else f"In cell {int(index) + 1} of the notebook."
    )


def why_canceled(run: Run) -> str | None:
    """Why a run was canceled, as a sentence; None for a run that was not."""
    if run.get("status") != "Canceled":
        return None
    said = str((run.get("error") or {}).get("message") or "").strip()
    if said.lower() in ("", "canceled"):
        return "Canceled on request."
    return f"{said[0].upper()}{said[1:]}" + ("" if said[-1] in ".!?" else ".")


def commit_of(run: Run) -> str | None:
    """The commit the code came from, and whether it was changed since."""
    git = (run.get("source") or {}).get("git") or {}
    if not git.get("commit"):
        return None
    branch = f"{git['branch']} " if git.get("branch") else ""
    return f"{branch}{str(git['commit'])[:8]}{' with changes' if git.get('dirty') else ''}"


def names_in(runs: Sequence[Run], field: str) -> tuple[list[str], list[str]]:
    """The names in ``field`` (params, metrics): those whose values differ between runs, then the others."""
    found = dict.fromkeys(key for run in runs for key in run.get(field) or {})
    values = {key: {str((run.get(field) or {}).get(key)) for run in runs} for key in found}
    return [key for key in found if len(values[key]) > 1], [key for key in found if len(values[key]) == 1]


def columns_in(runs: Sequence[Run], field: str) -> list[str]:
    """The names of ``field`` that are worth a column: those that differ, of a single run all."""
    differing, same = names_in(runs, field)
    return differing if len(runs) > 1 else same


def metrics_in(runs: Sequence[Run]) -> list[str]:
    """The names of the metrics, those that differ first."""
    differing, same = names_in(runs, "metrics")
    return differing + same


def shared_params(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """The parameters that are the same in all of several runs."""
    same = names_in(runs, "params")[1] if len(runs) > 1 else []
    return [(key, str(runs[0]["params"][key])) for key in same]


def advice(run: Run, command: str) -> str | None:
    """Where to look next, of a run that failed; ``command`` is how commands begin: ``aml`` or ``%aml``."""
    if run.get("status") != "Failed":
        return None
    reason, logs = (run.get("error") or {}).get("reason"), f"{command} logs {short_id(run)}"
    if reason == "timeout":
        return f"Its log: {logs}. To give it longer, submit it with a larger timeout."
    if reason in ("lost", "runner_lost"):
        return f"What it logged is kept: {logs}. To run it again: {command} rerun {short_id(run)}"
    if reason == "kernel_died":
        return f"Its log: {logs}. Less data at once, or fewer runs side by side, need less memory."
    kept = ". The executed notebook is among its files." if run.get("kind") in ("notebook", "cell") else ""
    return f"Its log: {logs}{kept}"
