"""The mime bundle of an output, and the JSON in it that the labextension's renderer brings to life.

A notebook is shared more widely than a workspace, so a stored run holds only what a card draws: no
environment variables of the job, no host, no folder, no package list. It is bounded too, and valid RFC 8259:
numbers that are not finite travel as the strings ``NaN``, ``Infinity`` and ``-Infinity``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from jupyter_aml.cards.clean import cut, encodable, many_lines
from jupyter_aml.cards.markup import Html

RUN_MIME = "application/vnd.jupyter-aml.run.v1+json"
RUNS_MIME = "application/vnd.jupyter-aml.runs.v1+json"
COMPARE_MIME = "application/vnd.jupyter-aml.compare.v1+json"

RUNS_STORED = 200
_TEXT = 1_000
_TRACEBACK = 6_000
_ENTRIES = 200
_POINTS = 1_000
_DEPTH = 6
_FIELDS = (
    "id experiment display_name description kind status attempt parent_id user compute created_at started_at "
    "ended_at archived cancel_requested_at tags params metrics progress"
).split()
_ERROR = ("class", "message", "cell", "reason", "traceback", "log_tail")


def bundle(mime: str, data: Mapping[str, Any], html: Html, text: str) -> dict[str, Any]:
    """The three forms of one output."""
    return {mime: dict(data), "text/html": str(html), "text/plain": encodable(text)}


def stored_ids(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ids of the runs an output is about."""
    return [encodable(str(run["id"])) for run in runs]


def stored_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a run that a notebook keeps."""
    kept = {field: run[field] for field in _FIELDS if field in run}
    error, source, spec = (run.get(key) or {} for key in ("error", "source", "spec"))
    git = source.get("git") or {}
    kept["error"] = _only(error, _ERROR) if error else None
    kept["source"] = {"git": _only(git, ("commit", "branch", "dirty")) if git else None}
    kept["source"] |= _only(source, ("python",))
    kept["spec"] = _only(spec, ("type", "notebook", "command", "environment")) if spec else None
    stored = {key: plain(value) for key, value in kept.items()}
    if error.get("traceback"):  # of a long one the end tells most
        stored["error"]["traceback"] = encodable(many_lines(error["traceback"])[-_TRACEBACK:])
    return stored


def stored_history(history: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Histories of metrics, each with its steps and values."""
    return {
        encodable(str(name)): {
            "steps": [plain(step) for step in islice(points.get("steps") or (), _POINTS)],
            "values": [plain(value) for value in islice(points.get("values") or (), _POINTS)],
        }
        for name, points in islice(history.items(), _ENTRIES)
    }


def plain(value: Any, depth: int = 0) -> Any:
    """``value`` as bounded JSON."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _word(value)
    if isinstance(value, Mapping) and depth < _DEPTH:
        return {_text(key): plain(item, depth + 1) for key, item in islice(value.items(), _ENTRIES)}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes) and depth < _DEPTH:
        return [plain(item, depth + 1) for item in islice(value, _ENTRIES)]
    return _text(value)


def _word(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _text(value: object) -> str:
    return encodable(cut(str(value), _TEXT))


def _only(value: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: value[key] for key in keys if key in value}
