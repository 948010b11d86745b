"""The comparison of runs as plain text: the same table, and a sparkline for each course of a metric."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_aml.cards import facts
from jupyter_aml.cards.chart import letter
from jupyter_aml.cards.clean import one_line
from jupyter_aml.cards.compared import MARKS, Metric
from jupyter_aml.cards.facts import Run
from jupyter_aml.cards.formatting import NONE, figure, status_look, took
from jupyter_aml.cards.shared import shared_text
from jupyter_aml.cards.spark import spark_text
from jupyter_aml.cards.textual import fitting, table

_COURSES_MAX = 12


def comparison_text(runs: Sequence[Run], metrics: Sequence[Metric], *, hidden: int) -> str:
    """The comparison of ``runs``; ``hidden`` more were left out before."""
    if not runs:
        return "No runs."
    params = facts.columns_in(runs, "params")
    names = [*(one_line(key, 24) for key in params), *(f"{one_line(m.name, 24)}  " for m in metrics)]
    rows = [["", "RUN", "STATUS", "TOOK", *names]]
    titles = facts.titles(runs)
    rows += [_row(index, run, titles[index], params, metrics) for index, run in enumerate(runs)]
    count = fitting(rows, keep=4)
    right = frozenset({3, *range(4 + len(params), count)})
    lines = table([row[:count] for row in rows], right=right)
    if any(any(metric.marks) for metric in metrics):
        lines.append(MARKS)
    lines += shared_text(runs)
    lines += [f"and {hidden} more runs"] if hidden > 0 else []
    for metric in [metric for metric in metrics if metric.is_series][:_COURSES_MAX]:
        lines += ["", one_line(metric.name, 60), *_courses(metric)]
    return "\n".join(lines)


def _row(index: int, run: Run, title: str, params: Sequence[str], metrics: Sequence[Metric]) -> list[str]:
    look = status_look(run.get("status"))
    return [
        letter(index),
        one_line(title, 32),
        f"{look.symbol} {one_line(look.word, 20)}",
        took(run),
        *(one_line((run.get("params") or {}).get(key, NONE), 20) for key in params),
        *(f"{figure(metric.last[index])} {metric.marks[index] or ' '}" for metric in metrics),
    ]


def _courses(metric: Metric) -> list[str]:
    return table(
        [
            (f"  {letter(index)}", spark_text([point.y for point in points], 40), figure(points[-1].y))
            for index, points in enumerate(metric.points)
            if points
        ]
    )
