"""The card of one run: how it stands, how far it is, what went wrong, its metrics and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_aml.cards import facts
from jupyter_aml.cards.bundle import RUN_MIME, bundle, stored_ids, stored_run
from jupyter_aml.cards.card_text import card_text
from jupyter_aml.cards.clean import encodable, many_lines, one_line
from jupyter_aml.cards.facts import Histories, Run
from jupyter_aml.cards.formatting import figure, moment, status_look
from jupyter_aml.cards.layout import cell, details, div, frame, progress_bar, quiet, row, status_pill, table
from jupyter_aml.cards.markup import Child, Html, element, joined, name
from jupyter_aml.cards.series import extent_of, points_of
from jupyter_aml.cards.spark import sparkline

_METRICS_MAX = 12
_PAIRS_MAX = 12
_ERROR = "margin-top:8px;padding:6px 10px;border-radius:4px;background-color:rgba(217,72,90,0.12)"
_COLUMNS = "display:flex;flex-wrap:wrap;gap:8px 36px;margin-top:6px"


def run_card(
    run: Run,
    *,
    workspace_id: str,
    histories: Histories | None = None,
    log_tail: Sequence[str] | None = None,
) -> dict[str, Any]:
    """The card of a run as a mime bundle.

    Args:
        run: the run as the REST API writes it.
        workspace_id: whose run it is; a live card looks nowhere else for it.
        histories: ``{metric: {"steps": [...], "values": [...]}}`` of the metrics to draw.
        log_tail: the last lines of its log.
    """
    data = {
        "run_id": stored_ids([run])[0],
        "workspace_id": encodable(workspace_id),
        "snapshot": stored_run(run),
    }
    text = card_text(run, histories=histories, log_tail=log_tail)
    return bundle(RUN_MIME, data, _card(run, histories or {}, log_tail or ()), text)


def _card(run: Run, histories: Histories, log_tail: Sequence[str]) -> Html:
    look = status_look(run.get("status"))
    params, tags = _pairs("Parameters", run.get("params")), _pairs("Tags", run.get("tags"))
    columns = [part for part in (_metrics(run, histories), params, tags) if part is not None]
    tail = many_lines("\n".join(log_tail), lines=12)
    return frame(
        _head(run),
        _progress(run, look.color),
        _error(run),
        div(_COLUMNS, *columns) if columns else None,
        div("margin-top:6px", details("Log, last lines", tail, is_open=not look.is_final)) if tail else None,
        _foot(run),
        color=look.color,
    )


def _head(run: Run) -> Html:
    title = element("strong", name(facts.title(run)), style="font-size:1.1em;padding:0 6px")
    aside: list[Child] = []
    for part in (run.get("experiment"), facts.made_from(run), facts.place_of(run), facts.time_of(run)):
        if part:
            aside += [" · " if aside else None, name(part, 80)]
    return div("margin:0", status_pill(run.get("status")), " ", title, quiet(*aside))


def _progress(run: Run, color: str) -> Html | None:
    counted, waiting, current = facts.progress_of(run), facts.waiting_for(run), facts.current_cell(run)
    parts: list[Child] = []
    if counted is not None:
        parts += [progress_bar(*counted, color), " "]
    if current is not None:
        parts += [element("code", name(current, 70)), " "]
    if waiting is not None:
        parts.append(quiet(name(waiting, 200)))
    return div("margin-top:6px", *parts) if parts else None


def _error(run: Run) -> Html | None:
    why = facts.why_canceled(run)
    if why is not None:
        return quiet(name(why, 300), tag="div", style="margin-top:6px")
    error = run.get("error")
    if not error:
        return None
    message = many_lines(error.get("message") or "no message", lines=12)
    what = element("strong", name(error.get("class") or "Error", 120), ": ")
    said = element("bdi", message, style="white-space:pre-wrap")
    where, hint = facts.failed_cell(run), facts.advice(run, "%aml")
    trace = many_lines(error.get("traceback") or "", lines=30)
    return div(
        _ERROR,
        div("margin:0", what, said),
        div("margin:0", where) if where else None,
        quiet(hint, tag="div") if hint else None,
        details("Traceback", trace) if trace else None,
    )


def _metrics(run: Run, histories: Histories) -> Html | None:
    found = list((run.get("metrics") or {}).items())
    if not found:
        return None
    courses = {key: [point.y for point in points_of(histories.get(key))] for key, _ in found[:_METRICS_MAX]}
    has_course = any(len(values) > 1 for values in courses.values())
    more = ("", "last", "lowest", "highest") if has_course else ("",)
    head = row(cell("Metrics", head="col"), *(cell(text, right=True, head="col") for text in more))
    rows = [_metric(key, value, courses[key], has_course) for key, value in found[:_METRICS_MAX]]
    return _counted(table([head], rows), len(found) - _METRICS_MAX)


def _metric(key: str, last: object, values: Sequence[float], has_course: bool) -> Html:
    value = cell(element("strong", figure(last)), right=True)
    if not has_course:
        return row(cell(name(key, 40)), value)
    extent = extent_of(values) if len(values) > 1 else None
    ends = [cell(figure(end), right=True) for end in extent] if extent else [cell(""), cell("")]
    return row(cell(name(key, 40)), cell(sparkline(values)), value, *ends)


def _pairs(heading: str, pairs: Mapping[str, Any] | None) -> Html | None:
    if not pairs:
        return None
    head = row(cell(heading, head="col"), cell("", head="col"))
    rows = [row(cell(name(key, 40)), cell(name(value))) for key, value in list(pairs.items())[:_PAIRS_MAX]]
    return _counted(table([head], rows), len(pairs) - _PAIRS_MAX)


def _counted(shown: Html, more: int) -> Html:
    return div("max-width:100%", shown, quiet(f"and {more} more", tag="div") if more > 0 else None)


def _foot(run: Run) -> Html:
    parts: list[Child] = ["run ", element("code", one_line(run.get("id"), 40))]
    started, commit = run.get("started_at"), facts.commit_of(run)
    if started is not None and run.get("ended_at") is not None:
        parts += [" · started ", element("span", moment(started), title=moment(started, exact=True))]
    if commit is not None:
        parts += [" · git ", name(commit)]
    if not status_look(run.get("status")).is_final:
        now = element("code", f"%aml show {facts.short_id(run)}")
        parts += [" · as it was when this was saved; now: ", now]
    return quiet(joined(*parts), tag="div", style="margin-top:8px")
