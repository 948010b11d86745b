"""Runs side by side: the parameters in which they differ, their metrics, and charts of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_aml.cards import facts
from jupyter_aml.cards.bundle import COMPARE_MIME, RUNS_STORED, bundle, stored_history, stored_ids, stored_run
from jupyter_aml.cards.chart import CHART_WIDTH, LINES_MAX, Line, bar_chart, color, letter, line_chart, swatch
from jupyter_aml.cards.clean import encodable, one_line
from jupyter_aml.cards.compare_text import comparison_text
from jupyter_aml.cards.compared import MARKS, Metric, metrics_of
from jupyter_aml.cards.facts import Histories, Run
from jupyter_aml.cards.formatting import NONE, figure, took
from jupyter_aml.cards.layout import cell, div, frame, quiet, row, status_pill, table
from jupyter_aml.cards.markup import Html, element, name
from jupyter_aml.cards.shared import shared_html
from jupyter_aml.cards.spark import course

_RUNS_MAX = 12
_CHARTS_MAX = 12
_COLUMNS_MAX = 8


def comparison(
    runs: Sequence[Run],
    histories: Mapping[str, Histories],
    *,
    workspace_id: str,
) -> dict[str, Any]:
    """Runs against each other, as a mime bundle.

    Args:
        runs: the runs as the REST API writes them; the first twelve are drawn.
        histories: by run id, ``{metric: {"steps": [...], "values": [...]}}``.
        workspace_id: whose runs they are.
    """
    data = {
        "run_ids": stored_ids(runs),
        "workspace_id": encodable(workspace_id),
        "snapshot": [
            {"run": stored_run(run), "history": stored_history(histories.get(run["id"]) or {})}
            for run in runs[:RUNS_STORED]
        ],
    }
    shown = runs[:_RUNS_MAX]
    metrics = metrics_of(shown, [histories.get(run["id"]) or {} for run in shown])
    text = comparison_text(shown, metrics, hidden=len(runs) - len(shown))
    return bundle(COMPARE_MIME, data, _comparison(shown, metrics, hidden=len(runs) - len(shown)), text)


def _comparison(runs: Sequence[Run], metrics: Sequence[Metric], *, hidden: int) -> Html:
    if not runs:
        return frame("No runs.")
    names = facts.titles(runs)
    params = facts.columns_in(runs, "params")
    series = [metric for metric in metrics if metric.is_series]
    single = [metric for metric in metrics if not metric.is_series]
    charts = [_chart(metric, names) for metric in (*series, *single)[:_CHARTS_MAX]]
    counts = {
        "params": len(params) - _COLUMNS_MAX,
        "metrics": len(metrics) - max(_COLUMNS_MAX, _CHARTS_MAX),
        "runs": hidden,
    }
    more = ", ".join(f"{count} more {what}" for what, count in counts.items() if count > 0)
    return frame(
        _table(runs, names, params[:_COLUMNS_MAX], metrics[:_COLUMNS_MAX]),
        quiet(MARKS, tag="div") if any(any(metric.marks) for metric in metrics) else None,
        shared_html(runs),
        quiet(f"and {more}", tag="div") if more else None,
        div("display:flex;flex-wrap:wrap;gap:10px 16px;margin-top:10px", *charts),
    )


def _table(
    runs: Sequence[Run], names: Sequence[str], params: Sequence[str], metrics: Sequence[Metric]
) -> Html:
    groups = [("", 3), ("Parameters", len(params)), ("Metrics, last value", len(metrics))]
    head = row(
        *(cell(text, head="col", right=text == "Took") for text in ("Run", "Status", "Took")),
        *(cell(name(key, 24), head="col") for key in params),
        *(cell(name(metric.name, 24), head="col", right=True) for metric in metrics),
    )
    body = [_row(index, run, names[index], params, metrics) for index, run in enumerate(runs)]
    titles = row(*(cell(text, head="colgroup", span=count) for text, count in groups if count))
    return table([titles, head], body)


def _row(index: int, run: Run, title: str, params: Sequence[str], metrics: Sequence[Metric]) -> Html:
    key = element("strong", letter(index), style=f"color:{color(index)};padding:0 6px")
    return row(
        cell(swatch(index), key, element("strong", name(title, 32))),
        cell(status_pill(run.get("status"))),
        cell(took(run), right=True),
        *(cell(name((run.get("params") or {}).get(key, NONE), 24)) for key in params),
        *(_figure(metric.last[index], metric.marks[index]) for metric in metrics),
        line=True,
    )


def _figure(value: float | None, mark: str) -> Html:
    return cell(element("strong", f"{mark} {figure(value)}") if mark else figure(value), right=True)


def _chart(metric: Metric, names: Sequence[str]) -> Html | None:
    drawn = _lines(metric, names) if metric.is_series else _bars(metric, names)
    if not drawn:
        return None
    notes = []
    if metric.gaps:
        notes.append(f"{metric.gaps} points are no finite numbers and leave gaps")
    if metric.is_series and any(metric.points[LINES_MAX:]):
        notes.append(f"the first {LINES_MAX} runs are drawn")
    title = div("text-align:left", element("strong", name(metric.name, 48)))
    return div(
        f"max-width:100%;width:{CHART_WIDTH}px",
        title,
        drawn,
        quiet("; ".join(notes), tag="div") if notes else None,
    )


def _lines(metric: Metric, names: Sequence[str]) -> Html:
    lines = [Line(run, points) for run, points in enumerate(metric.points[:LINES_MAX]) if points]
    said = (_said(names, line.run, course([point.y for point in line.points])) for line in lines)
    return line_chart(lines, alt=f"{one_line(metric.name, 60)} over steps. {'; '.join(said)}")


def _bars(metric: Metric, names: Sequence[str]) -> Html:
    values = [(run, value) for run, value in enumerate(metric.last) if value is not None]
    said = (_said(names, run, figure(value)) for run, value in values)
    return bar_chart(values, alt=f"{one_line(metric.name, 60)}. {'; '.join(said)}")


def _said(names: Sequence[str], run: int, words: str) -> str:
    return f"{letter(run)} {one_line(names[run], 40)}: {words}"
