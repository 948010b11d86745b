"""Runs as a table, one a row: what they are, then the parameters and metrics in which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jupyter_aml.cards import facts
from jupyter_aml.cards.bundle import RUNS_MIME, RUNS_STORED, bundle, stored_ids, stored_run
from jupyter_aml.cards.clean import encodable, one_line
from jupyter_aml.cards.facts import Run
from jupyter_aml.cards.formatting import NONE, figure, moment, status_look, took
from jupyter_aml.cards.layout import cell, frame, quiet, row, status_pill
from jupyter_aml.cards.layout import table as html_table
from jupyter_aml.cards.markup import Html, element, name
from jupyter_aml.cards.shared import shared_html, shared_text
from jupyter_aml.cards.textual import fitting
from jupyter_aml.cards.textual import table as text_table

_ROWS_MAX = 60
_PARAMS_MAX = 6
_METRICS_MAX = 6
_HEAD = ("Run", "Experiment", "Status", "Started", "Took")


def run_table(runs: Sequence[Run], *, workspace_id: str) -> dict[str, Any]:
    """Runs as a table, as a mime bundle. Rows and columns beyond what can be read are counted, not shown."""
    data = {
        "run_ids": stored_ids(runs),
        "workspace_id": encodable(workspace_id),
        "snapshot": [stored_run(run) for run in runs[:RUNS_STORED]],
    }
    return bundle(RUNS_MIME, data, _table(runs), runs_text(runs))


def runs_text(runs: Sequence[Run]) -> str:
    """The table in plain text, at most 120 columns wide."""
    if not runs:
        return "No runs."
    params = facts.columns_in(runs, "params")[:_PARAMS_MAX]
    metrics = facts.metrics_in(runs)[:_METRICS_MAX]
    head = [*(text.upper() for text in _HEAD), *(one_line(key, 24) for key in (*params, *metrics))]
    rows = [head, *(_text_row(run, params, metrics) for run in runs[:_ROWS_MAX])]
    count = fitting(rows, keep=len(_HEAD))
    numbers = frozenset({len(_HEAD) - 1, *range(len(_HEAD) + len(params), len(head))})
    lines = text_table([cells[:count] for cells in rows], right=numbers)
    more = [f"and {len(runs) - _ROWS_MAX} more runs"] if len(runs) > _ROWS_MAX else []
    return "\n".join([*lines, *shared_text(runs), *more])


def _text_row(run: Run, params: Sequence[str], metrics: Sequence[str]) -> list[str]:
    look = status_look(run.get("status"))
    return [
        one_line(facts.title(run), 28),
        one_line(run.get("experiment") or "", 20),
        f"{look.symbol} {one_line(look.word, 20)}{facts.far(run)}",
        moment(run.get("started_at")),
        took(run),
        *(one_line((run.get("params") or {}).get(key, NONE), 20) for key in params),
        *(figure((run.get("metrics") or {}).get(key)) for key in metrics),
    ]


def _table(runs: Sequence[Run]) -> Html:
    if not runs:
        return frame("No runs.")
    params, metrics = facts.columns_in(runs, "params"), facts.metrics_in(runs)
    hidden = {
        "params": len(params) - _PARAMS_MAX,
        "metrics": len(metrics) - _METRICS_MAX,
        "runs": len(runs) - _ROWS_MAX,
    }
    params, metrics = params[:_PARAMS_MAX], metrics[:_METRICS_MAX]
    body = [_row(run, params, metrics) for run in runs[:_ROWS_MAX]]
    notes = ", ".join(f"{count} more {what}" for what, count in hidden.items() if count > 0)
    return frame(
        html_table([_groups(len(params), len(metrics)), _head(params, metrics)], body),
        shared_html(runs),
        quiet(f"and {notes}", tag="div") if notes else None,
    )


def _groups(params: int, metrics: int) -> Html | None:
    """The row that says which of the columns are parameters and which metrics."""
    named = [(count, text) for count, text in ((params, "Parameters"), (metrics, "Metrics")) if count]
    if not named:
        return None
    titles = (cell(text, head="colgroup", span=count) for count, text in named)
    return row(cell("", head="colgroup", span=len(_HEAD)), *titles)


def _head(params: Sequence[str], metrics: Sequence[str]) -> Html:
    fixed = (cell(text, head="col", right=text == "Took") for text in _HEAD)
    of_params = (cell(name(key, 24), head="col") for key in params)
    return row(*fixed, *of_params, *(cell(name(key, 24), head="col", right=True) for key in metrics))


def _row(run: Run, params: Sequence[str], metrics: Sequence[str]) -> Html:
    started, far = run.get("started_at"), facts.far(run)
    exact = moment(started, exact=True) if started is not None else None
    to_the_minute = moment(started)[:16]
    return row(
        cell(element("strong", name(facts.title(run), 32))),
        cell(name(run.get("experiment") or "", 24)),
        cell(status_pill(run.get("status")), quiet(far) if far else None),
        cell(element("span", to_the_minute, title=exact)),
        cell(took(run), right=True),
        *(cell(name((run.get("params") or {}).get(key, NONE), 24)) for key in params),
        *(cell(figure((run.get("metrics") or {}).get(key)), right=True) for key in metrics),
        line=True,
    )
