"""The card of one run as plain text, for terminals, logs and whatever shows nothing better."""

from __future__ import annotations

from collections.abc import Sequence

from jupyter_aml.cards import facts
from jupyter_aml.cards.clean import many_lines, one_line
from jupyter_aml.cards.facts import Histories, Run
from jupyter_aml.cards.formatting import NONE, figure, moment, status_look, took
from jupyter_aml.cards.series import points_of
from jupyter_aml.cards.spark import spark_text
from jupyter_aml.cards.textual import bar, table

_LIST_MAX = 12


def card_text(run: Run, *, histories: Histories | None = None, log_tail: Sequence[str] | None = None) -> str:
    """The card of ``run``; see `jupyter_aml.cards.run_card` for the arguments."""
    look = status_look(run.get("status"))
    experiment = f"  in {one_line(run['experiment'], 60)}" if run.get("experiment") else ""
    lines = [f"{look.symbol} {one_line(look.word)}  {one_line(facts.title(run), 60)}{experiment}"]
    lines += table([(key, value) for key, value in _facts(run)], indent="  ")
    lines += _error(run)
    lines += _section("metrics", _metrics(run, histories or {}), len(run.get("metrics") or {}))
    for heading in ("params", "tags"):
        pairs = run.get(heading) or {}
        shown = [(one_line(k, 40), one_line(v, 70)) for k, v in list(pairs.items())[:_LIST_MAX]]
        lines += _section(heading, shown, len(pairs))
    tail = many_lines("\n".join(log_tail or ()), lines=12)
    if tail:
        lines += ["  log", *(f"    {line}" for line in tail.split("\n"))]
    return "\n".join(lines)


def progress_text(run: Run) -> str:
    """``██████░░░░ 3 of 10 cells  model.fit(X)``, or what the run waits for; empty where there is neither."""
    counted, cell = facts.progress_of(run), facts.current_cell(run)
    parts = [f"{bar(*counted)} {counted[0]} of {counted[1]} cells"] if counted else []
    if cell:
        parts.append(one_line(cell, 60))
    waiting = facts.waiting_for(run)
    return "  ".join([*parts, one_line(waiting)] if waiting else parts)


def _facts(run: Run) -> list[tuple[str, str]]:
    known = [
        ("run", one_line(run.get("id"), 40)),
        ("kind", one_line(facts.made_from(run), 80)),
        ("compute", one_line(facts.compute_of(run) or "", 60)),
        ("environment", one_line(facts.environment_of(run) or "", 80)),
        ("started", moment(run["started_at"]) if run.get("started_at") is not None else ""),
        ("took", took(run) if run.get("ended_at") is not None else ""),
        ("now" if not status_look(run.get("status")).is_final else "cells", progress_text(run)),
        ("why", one_line(facts.why_canceled(run) or "", 300)),
        ("git", one_line(facts.commit_of(run) or "", 60)),
    ]
    return [(key, value) for key, value in known if value and value != NONE]


def _error(run: Run) -> list[str]:
    error = run.get("error")
    if not error or run.get("status") == "Canceled":
        return []
    first, *more = many_lines(error.get("message") or "no message", lines=12).split("\n")
    lines = [f"{one_line(error.get('class') or 'Error', 120)}: {first}", *more]
    where, hint = facts.failed_cell(run), facts.advice(run, "aml")
    lines += [text for text in (where, hint and one_line(hint)) if text]
    return ["  error", *(f"    {line}" for line in lines)]


def _metrics(run: Run, histories: Histories) -> list[tuple[str, ...]]:
    found = list((run.get("metrics") or {}).items())[:_LIST_MAX]
    return [
        (one_line(key, 40), figure(last), _course([point.y for point in points_of(histories.get(key))]))
        for key, last in found
    ]


def _course(values: Sequence[float]) -> str:
    return spark_text(values) if len(values) > 1 else ""


def _section(heading: str, rows: Sequence[tuple[str, ...]], count: int) -> list[str]:
    if not rows:
        return []
    more = [f"    and {count - len(rows)} more"] if count > len(rows) else []
    return [f"  {heading}", *table(rows, indent="    "), *more]
