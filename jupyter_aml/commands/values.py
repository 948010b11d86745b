"""The values commands return, as plain data: Azure's names for a run, and texts shown as texts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any


class Text(str):
    """A text that a notebook shows as it is, without quotes."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        from jupyter_aml.cards.clean import for_terminal

        printer.text(for_terminal(str(self)))


def job_data(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run with the keys Azure's CLI gives a job, then those only we have.

    ``name`` is the run's id, as every command that takes a name takes it; times are UTC in ISO 8601.
    """
    azure = {
        "name": run["id"],
        "display_name": run["display_name"],
        "experiment_name": run["experiment"],
        "status": run["status"],
        "type": run["kind"],
        "compute": run["compute"],
        "description": run["description"],
        "tags": run["tags"],
        "parent_job_name": run["parent_id"],
        "creation_context": {"created_at": iso_time(run["created_at"]), "created_by": run["user"]},
    }
    known = {"experiment", "parent_id", "created_at", "user", "started_at", "ended_at", "kind", "spec"}
    ours = {name: value for name, value in run.items() if name not in known | azure.keys()}
    times = {name: iso_time(run[name]) for name in ("started_at", "ended_at")}
    return {**azure, **times, **(run.get("spec") or {}), **ours, "type": run["kind"]}


def plain(value: Any) -> Any:
    """``value`` as JSON can carry it: runs become dictionaries, paths texts, numbers that are none texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str | PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return _of_ours(value)


def _of_ours(value: Any) -> Any:
    from jupyter_aml.tracking.experiment import Comparison, RunList
    from jupyter_aml.tracking.run import Run

    if isinstance(value, RunList):
        return [plain(job_data(run)) for run in value.to_dicts()]
    if isinstance(value, Run):
        return plain(job_data(value.get_details()))
    if isinstance(value, Comparison):
        return plain(value.runs)
    return str(value)


def iso_time(milliseconds: int | None) -> str | None:
    """A time in ISO 8601, UTC, to the millisecond."""
    if milliseconds is None:
        return None
    from datetime import UTC, datetime

    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
