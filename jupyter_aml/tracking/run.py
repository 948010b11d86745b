"""The `Run` a user holds: what it is called, how it stands, what it logged, and how to end it.

A handle speaks only through the client, except for logging, which goes straight to the run's journal.
"""

from __future__ import annotations

import atexit
import os
import traceback
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from jupyter_aml.core.paths import RunFolder
from jupyter_aml.errors import AmlError, ConflictError, NotFoundError
from jupyter_aml.tracking.recorder import Recorder, context_recorder, interactive_recorder
from jupyter_aml.tracking.run_files import RunFiles
from jupyter_aml.tracking.run_log import RunLogging

if TYPE_CHECKING:
    from typing import Self  # jobs log with Python 3.10 too

    from jupyter_aml.client import Client

FINAL = frozenset({"Completed", "Failed", "Canceled"})
_active: list[Run] = []
_open: weakref.WeakSet[Run] = weakref.WeakSet()


class Run(RunLogging, RunFiles):
    """A run of an experiment.

    As a context manager an interactive run completes at the end of the block and fails when the block
    raises. Inside a job, `Run.get_context` gives the job's own run.
    """

    def __init__(self, client: Client, data: Mapping[str, Any], recorder: Recorder | None = None) -> None:
        self._client = client
        self._data = dict(data)
        self._recorder = recorder
        self._scalars: set[str] = set()
        self._params: dict[str, str] = {}
        self.id: str = data["id"]
        if recorder is not None:
            _open.add(self)

    # What it is

    def __repr__(self) -> str:
        return f"<Run {self.display_name} ({self.id[:8]}…) in {self.experiment_name}: {self._data['status']}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def display_name(self) -> str:
        """The name people read; it can be changed and need not be unique."""
        return str(self._data["display_name"])

    @display_name.setter
    def display_name(self, name: str) -> None:
        self._data = self._client.call("update_run", run_id=self.id, display_name=name)

    @property
    def experiment_name(self) -> str:
        """The experiment the run belongs to."""
        return str(self._data["experiment"])

    @property
    def compute(self) -> str:
        """Where it runs: ``local``, or the name of a compute."""
        if "compute" not in self._data:  # inside the job itself, which is not told
            self._data = self._client.call("get_run", run_id=self.id)
        return str(self._data["compute"])

    @property
    def kind(self) -> str:
        """``interactive``, ``command``, ``notebook`` or ``cell``."""
        return str(self._data["kind"])

    @property
    def parent_id(self) -> str | None:
        """The id of the run this is a child of."""
        found: str | None = self._data["parent_id"]
        return found

    @property
    def status(self) -> str:
        """The state, asked for anew until it is final: Queued, Running, Completed, ..."""
        return str(self.refresh()["status"])

    @property
    def is_final(self) -> bool:
        """Whether the run has ended for good."""
        return self.status in FINAL

    @property
    def error(self) -> dict[str, Any] | None:
        """Why it failed: class, message, cell, last log lines; None for a run that did not."""
        found: dict[str, Any] | None = self.refresh()["error"]
        return found

    @property
    def progress(self) -> dict[str, Any] | None:
        """Cells done of all cells and the one that runs, for a notebook run."""
        found: dict[str, Any] | None = self.refresh()["progress"]
        return found

    @property
    def params(self) -> dict[str, str]:
        """The params set so far."""
        return dict(self.refresh()["params"])

    @property
    def tags(self) -> dict[str, str]:
        """The tags as they are now."""
        return dict(self.refresh(always=True)["tags"])

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each scalar metric."""
        return {name: float(value) for name, value in self.refresh()["metrics"].items()}

    def refresh(self, *, always: bool = False) -> dict[str, Any]:
        """The run as the service has it now; a run that has ended is not asked for again."""
        if always or self._data["status"] not in FINAL:
            self._data = self._client.call("get_run", run_id=self.id)
        return self._data

    # What it logged

    def get_metrics(self, name: str | None = None) -> dict[str, Any]:
        """All metrics by name, or one.

        A scalar logged once is a number, logged often a list of numbers; a list, table, image or
        confusion matrix is its latest value; rows are gathered to a dictionary of columns.
        """
        items = self._client.call("get_metrics", run_id=self.id)["items"]
        return {item["name"]: self._value(item) for item in items if name in (None, item["name"])}

    def _value(self, item: Mapping[str, Any]) -> Any:
        if item["kind"] == "scalar":
            if item["count"] == 1:
                return float(item["last"])
            return self.metric_history(item["name"])["values"]
        if item["kind"] == "row":
            rows = self._client.call("metric_values", run_id=self.id, name=item["name"])["items"]
            columns: dict[str, list[Any]] = {}
            for row in rows:
                for column, value in row.items():
                    columns.setdefault(column, []).append(value)
            return columns
        return item["value"]

    def metric_history(self, name: str, max_points: int | None = None) -> dict[str, list[Any]]:
        """The points of a scalar metric: ``steps``, ``times`` (ms since the epoch) and ``values``, by step.

        With ``max_points`` a longer series is thinned to about as many: the least and greatest value of
        each stretch, and the first and last point.
        """
        found = self._client.call("metric_history", run_id=self.id, name=name, max_points=max_points)
        values = [float(value) for value in found["values"]]
        return {"steps": found["steps"], "times": found["times"], "values": values}

    def set_tag(self, name: str, value: Any = "") -> None:
        """Set a tag; tags can be changed at any time, after the end too."""
        self.set_tags({name: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags; a value of None removes the tag."""
        plain = {name: None if value is None else str(value) for name, value in tags.items()}
        if self._recorder is not None and os.environ.get("AML_RUN_ID") == self.id:
            self._log_tags(plain)  # inside a job, where the service need not answer
            return
        self._data = self._client.call("set_tags", run_id=self.id, tags=plain)

    def _writer(self) -> Recorder:
        if self._recorder is None:
            data = self.refresh()
            if data["status"] in FINAL:
                raise ConflictError(
                    f"Run {self.display_name} is {data['status']}; nothing more can be logged to it.",
                    hint="Start another: with ws.experiments[name].start_run() as run: ...",
                )
            self._recorder = Recorder(self._folder(), data["attempt"])
            _open.add(self)
        return self._recorder

    def _folder(self) -> RunFolder:
        return self._client.location.folder.run_folder(self.id)

    # Its family

    def child_run(self, display_name: str | None = None, tags: Mapping[str, str] | None = None) -> Run:
        """Start an interactive run below this one."""
        return start_run(self._client, self.experiment_name, display_name, tags, parent_id=self.id)

    def get_children(self, *, recursive: bool = False) -> list[Run]:
        """The runs below this one, newest first; with ``recursive`` theirs too."""
        found: list[Run] = []
        token = None
        while True:
            page = self._client.call(
                "search_runs", parent_id=self.id, archived=None, page_token=token, limit=1000
            )
            found += [Run(self._client, item) for item in page["items"]]
            token = page["next_page_token"]
            if token is None:
                break
        if recursive:
            found += [below for child in found for below in child.get_children(recursive=True)]
        return found

    # Its end

    def __enter__(self) -> Self:
        _active.append(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _active.remove(self)
        if error is None:
            self.complete()
        elif isinstance(error, KeyboardInterrupt):
            self._finish(
                "Canceled", {"class": "KeyboardInterrupt", "message": "interrupted", "reason": "canceled"}
            )
        else:
            self._finish("Failed", describe(error))

    def complete(self) -> None:
        """End an interactive run as Completed."""
        self._finish("Completed", None)

    def fail(self, message: str = "", error_code: str | None = None) -> None:
        """End an interactive run as Failed, with a message for whoever reads it."""
        self._finish("Failed", {"class": error_code or "Failed", "message": message, "reason": "user_error"})

    def cancel(self) -> None:
        """Ask the run to stop: it is interrupted first, and ended if that does not help."""
        if self._recorder is not None and self.kind == "interactive" and self in _open:
            self._finish(
                "Canceled", {"class": "Canceled", "message": "canceled by its owner", "reason": "canceled"}
            )
            return
        self._data = self._client.call("cancel_run", run_id=self.id)

    def _finish(self, status: str, error: dict[str, Any] | None) -> None:
        self._scalars = set()
        if self._recorder is not None:
            self._data = self._client.call("finish_run", run_id=self.id, status=status, error=error)
            self._recorder.close()
            self._recorder = None
            _open.discard(self)
            return
        self._data = self._client.call("finish_run", run_id=self.id, status=status, error=error)

    def wait_for_completion(self, show_output: bool = True, *, raise_on_error: bool = True) -> Run:
        """Wait until the run has ended, showing its log (``show_output``) as it comes.

        Ctrl-C stops the waiting, not the run. A run that fails raises `RunFailedError` unless
        ``raise_on_error`` is False.
        """
        from jupyter_aml.tracking.waiting import wait

        return wait(self, show_output=show_output, raise_on_error=raise_on_error)

    def rerun(self, display_name: str | None = None, **parameters: Any) -> Run:
        """Submit the same job again from its stored snapshot, with some parameters changed."""
        found = self._client.call(
            "rerun_run", run_id=self.id, parameters=parameters, display_name=display_name
        )
        return Run(self._client, found)

    def delete(self) -> None:
        """Delete the run and everything it holds."""
        self._client.call("delete_run", run_id=self.id)

    def result(self, name: str) -> Any:
        """A value the cell returned with ``--return``; only from one's own runs, digest checked."""
        from jupyter_aml.cells import load_result

        return load_result(self, name)

    def get_details(self) -> dict[str, Any]:
        """Everything the service knows of the run, as a dictionary."""
        return dict(self.refresh(always=True))

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        from jupyter_aml.cards import run_card

        data = self.refresh()
        return run_card(
            data,
            workspace_id=self._client.workspace_id,
            histories=self._histories(data),
            log_tail=self._tail(data),
        )

    def _histories(self, data: Mapping[str, Any]) -> dict[str, dict[str, list[Any]]]:
        histories = {}
        for name in list(data["metrics"])[:12]:
            try:
                histories[name] = self.metric_history(name, max_points=60)
            except NotFoundError:  # the run was deleted in between
                break
        return histories

    def _tail(self, data: Mapping[str, Any]) -> list[str]:
        try:
            return self.log_tail(8)
        except AmlError:
            return []

    @classmethod
    def get_context(cls) -> Run:
        """The run this code belongs to.

        Inside a job: the job's run. Elsewhere: the run tracked here at the moment, or a new interactive
        run of experiment ``default``, which ends with the process.
        """
        if _active:
            return _active[-1]
        from jupyter_aml.client import Client, locate

        client = Client(locate())
        if "AML_RUN_ID" in os.environ and "AML_RUN_DIR" in os.environ:
            run = cls(client, _context_data(), context_recorder())
        else:
            run = start_run(client, "default", None, None)
        _active.append(run)
        return run


def _context_data() -> dict[str, Any]:
    """A job's run as far as its environment tells, so that logging needs no service."""
    return {
        "id": os.environ["AML_RUN_ID"],
        "experiment": os.environ.get("AML_EXPERIMENT", ""),
        "display_name": os.environ.get("AML_RUN_NAME", os.environ["AML_RUN_ID"][:8]),
        "status": "Running",
        "kind": os.environ.get("AML_RUN_KIND", "command"),
        "parent_id": None,
        "attempt": int(os.environ.get("AML_ATTEMPT", "1")),
        "params": {},
        "tags": {},
        "metrics": {},
        "error": None,
        "progress": None,
    }


def start_run(
    client: Client,
    experiment: str,
    display_name: str | None,
    tags: Mapping[str, str] | None,
    *,
    parent_id: str | None = None,
    kind: str = "interactive",
    folder: Path | None = None,
) -> Run:
    """Start an interactive run and hold its lock in this process."""
    from jupyter_aml.tracking.source import source_of

    data = client.call(
        "start_run",
        experiment=experiment,
        display_name=display_name,
        tags={name: str(value) for name, value in (tags or {}).items()},
        parent_id=parent_id,
        kind=kind,
        source=source_of(folder or Path.cwd()),
    )
    recorder = interactive_recorder(client.location.folder.run_folder(data["id"]))
    return Run(client, data, recorder)


def describe(error: BaseException) -> dict[str, Any]:
    """An exception as a run's error: class, message and traceback."""
    lines = traceback.format_exception(error)
    return {
        "class": type(error).__name__,
        "message": str(error)[:4000],
        "traceback": "".join(lines)[-20000:],
        "reason": "user_error",
    }


def _end_open_runs() -> None:
    """At the process's normal end: runs that were left open are completed, as their code ran to its end."""
    for run in list(_open):
        if run.kind == "interactive" and "AML_RUN_ID" not in os.environ:
            try:
                run.complete()
            except AmlError:  # the service will see the freed lock and end the run
                continue


atexit.register(_end_open_runs)
