"""Runs in a terminal, by rich: a table, a card, and bars that advance while one waits.

Texts from data only ever become `rich.text.Text`, which reads no markup, with control characters made visible
before; nothing named by somebody else can colour, link or move anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from jupyter_aml.cards import facts
from jupyter_aml.cards.card_text import card_text, progress_text
from jupyter_aml.cards.clean import one_line
from jupyter_aml.cards.facts import Histories, Run
from jupyter_aml.cards.formatting import NONE, figure, moment, status_look, took

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID
    from rich.table import Table
    from rich.text import Text

_PARAMS_MAX = 3
_METRICS_MAX = 4


def runs_table(runs: Sequence[Run], *, now: int | None = None) -> Table:
    """Runs, one a line; ``now`` (ms since the epoch) gives those that have not ended their time so far."""
    from rich.table import Table
    from rich.text import Text

    params = facts.columns_in(runs, "params")[:_PARAMS_MAX]
    metrics = facts.metrics_in(runs)[:_METRICS_MAX]
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("RUN", "ID", "EXPERIMENT", "STATUS", "STARTED"):
        shown.add_column(heading, no_wrap=True)
    shown.add_column("TOOK", justify="right", no_wrap=True)
    for key in params:
        shown.add_column(Text(one_line(key, 24)), no_wrap=True)
    for key in metrics:
        shown.add_column(Text(one_line(key, 24)), justify="right", no_wrap=True)
    for run in runs:
        shown.add_row(
            Text(one_line(facts.title(run), 32)),
            Text(one_line(facts.short_id(run))),
            Text(one_line(run.get("experiment") or "", 24)),
            status_text(run),
            Text(moment(run.get("started_at") or run.get("created_at"))),
            Text(took(run, now)),
            *(Text(one_line((run.get("params") or {}).get(key, NONE), 20)) for key in params),
            *(Text(figure((run.get("metrics") or {}).get(key))) for key in metrics),
        )
    return shown


def status_text(run: Run) -> Text:
    """``● Running 3/10``, in the state's colour."""
    from rich.text import Text

    look = status_look(run.get("status"))
    return Text(f"{look.symbol} {one_line(look.word, 24)}{facts.far(run)}", style=look.style)


def card(run: Run, *, histories: Histories | None = None, log_tail: Sequence[str] | None = None) -> Text:
    """The plain-text card: its first line in the state's colour, an error red, the headings bold."""
    from rich.text import Text

    first, *lines = card_text(run, histories=histories, log_tail=log_tail).split("\n")
    shown = Text(first, style=f"bold {status_look(run.get('status')).style}")
    section = ""
    for line in lines:
        is_heading = line.startswith("  ") and " " not in line[2:]
        section = line.strip() if is_heading else section if line.startswith("    ") else ""
        style = "red not bold" if section == "error" else "bold" if is_heading else "not bold"
        shown.append("\n").append(line, style=f"{style} default" if section != "error" else style)
    return shown


def progress_line(run: Run, *, now: int | None = None) -> str:
    """A run in one plain line, for a terminal that cannot redraw: state, name, cells, time."""
    look = status_look(run.get("status"))
    time = took(run, now)
    parts = [f"{look.symbol} {one_line(look.word, 24)}", one_line(facts.title(run), 40), progress_text(run)]
    return "  ".join(part for part in (*parts, time if time != NONE else "") if part)


class RunProgress:
    """Bars that advance, one a run: name, state, cells done, time, and the cell that runs.

    A context manager; `update` it with each run's newest data. What is printed through `console` meanwhile
    stands above the bars.
    """

    def __init__(self, console: Console | None = None, *, transient: bool = True) -> None:
        from rich.progress import BarColumn, Progress, ProgressColumn, Task
        from rich.text import Text

        class Field(ProgressColumn):
            """A text of ours, as it is."""

            def __init__(self, field: str) -> None:
                super().__init__()
                self._field = field

            def render(self, task: Task) -> Text:
                found: Text = task.fields.get(self._field) or Text()
                return found

        bar = BarColumn(24, complete_style="cyan", finished_style="cyan")
        columns = (Field("name"), Field("status"), bar, Field("time"), Field("doing"))
        self._bars = Progress(*columns, console=console, transient=transient)
        self.console = self._bars.console
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def update(self, run: Run, *, now: int | None = None) -> None:
        """Show how a run stands, by ``now`` (ms); one seen for the first time gets a bar of its own."""
        from rich.text import Text

        counted = facts.progress_of(run)
        is_over = status_look(run.get("status")).is_final
        done, total = counted or ((1, 1) if is_over else (0, None))
        doing = facts.current_cell(run) or facts.waiting_for(run) or ""
        task = self._tasks.get(str(run["id"]))
        if task is None:
            task = self._tasks[str(run["id"])] = self._bars.add_task("", total=None, visible=False)
        self._bars.update(
            task,
            completed=done,
            total=total,
            visible=True,
            name=Text(one_line(facts.title(run), 32), style="bold"),
            status=status_text(run),
            time=Text(took(run, now)),
            doing=Text(one_line(doing, 60), style="dim", no_wrap=True, overflow="ellipsis"),
        )
        if is_over:
            self._bars.stop_task(task)
