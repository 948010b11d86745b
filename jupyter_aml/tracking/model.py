"""What experiments and runs are, as the REST API and every face show them.

Times are integer milliseconds since the epoch (UTC), run ids 32 hex digits. Metric values that are no
finite number travel as the strings ``NaN``, ``Infinity`` and ``-Infinity``, because JSON has no others.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema

from jupyter_aml import limits
from jupyter_aml.tracking.shapes import Failure, Source, Spec


class Status(StrEnum):
    """The states of a run, with Azure ML's names. The last three are final and never change."""

    NOT_STARTED = "NotStarted"
    QUEUED = "Queued"
    PREPARING = "Preparing"
    STARTING = "Starting"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_final(self) -> bool:
        """Whether a run in this state has ended for good."""
        return self in FINAL


# The kind of a run that an MLflow client made: no process of ours holds it, so none can be missed.
MLFLOW_KIND = "mlflow"
FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED})
# Which states may follow which, within one attempt. Queued again means a new attempt.
FOLLOWS: dict[Status, frozenset[Status]] = {
    Status.NOT_STARTED: frozenset({Status.QUEUED, Status.RUNNING, *FINAL}),
    Status.QUEUED: frozenset({Status.PREPARING, Status.CANCELED, Status.FAILED}),
    Status.PREPARING: frozenset(
        {Status.STARTING, Status.RUNNING, Status.CANCEL_REQUESTED, Status.QUEUED, *FINAL}
    ),
    Status.STARTING: frozenset({Status.RUNNING, Status.CANCEL_REQUESTED, Status.QUEUED, *FINAL}),
    Status.RUNNING: frozenset({Status.FINALIZING, Status.CANCEL_REQUESTED, Status.QUEUED, *FINAL}),
    Status.FINALIZING: frozenset({Status.CANCEL_REQUESTED, Status.QUEUED, *FINAL}),
    Status.CANCEL_REQUESTED: FINAL,
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELED: frozenset(),
}


Number = Annotated[
    float,
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}]}
    ),
]
RunId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, StringConstraints(min_length=1, max_length=limits.IDEMPOTENCY_KEY_LENGTH)]
Tags = dict[str, str]


class Model(BaseModel):
    """The base of what callers send: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class CreateExperiment(Model):
    """A new experiment."""

    name: str
    description: str = ""
    tags: Tags = {}
    exist_ok: bool = False


class UpdateExperiment(Model):
    """Changes of an experiment; what is left out stays."""

    description: str | None = None
    tags: dict[str, str | None] | None = None
    archived: bool | None = None


class ExperimentModel(BaseModel):
    """An experiment: a named set of runs."""

    id: str
    name: str
    description: str
    tags: Tags
    user: str
    created_at: int
    archived: bool
    run_count: int
    last_run_at: int | None


class StartRun(Model):
    """An interactive run: started by this call, logged to by the process that made it."""

    experiment: str
    display_name: str | None = None
    tags: Tags = {}
    parent_id: RunId | None = None
    kind: Literal["interactive", "notebook"] = "interactive"
    source: dict[str, Any] = {}
    key: Key | None = None


class UpdateRun(Model):
    """Changes of a run; what is left out stays."""

    display_name: str | None = None
    description: str | None = None
    archived: bool | None = None


class SetTags(Model):
    """Tags to set; null removes one."""

    tags: dict[str, str | None]


class RunError(Model):
    """Why a run failed or was canceled; what is left out is filled in."""

    kind: str = Field("Failed", alias="class")
    message: str = ""
    reason: str = "user_error"
    cell: int | None = None
    traceback: str | None = None
    log_tail: list[str] = []


class FinishRun(Model):
    """The end of an interactive run."""

    status: Literal["Completed", "Failed", "Canceled"]
    error: RunError | None = None


class SearchRuns(Model):
    """A search: MLflow's filter grammar, its orderings, and a page."""

    filter: str = ""
    order_by: list[str] = []
    experiments: list[str] | None = None
    parent_id: RunId | None = None
    archived: bool | None = False
    limit: int = Field(limits.PAGE_DEFAULT, ge=1, le=limits.PAGE_MAX)
    page_token: str | None = None


class Progress(BaseModel):
    """How far a notebook run is: cells done of all, and the one that runs now."""

    done: int
    total: int
    index: int | None
    label: str | None


class Answer(BaseModel):
    """The base of answers with metric values: each is told, the infinite ones and NaN too."""

    model_config = ConfigDict(ser_json_inf_nan="strings")


class RunModel(Answer):
    """A run as it stands."""

    id: str
    experiment: str
    display_name: str
    description: str
    kind: str
    status: Status
    attempt: int
    parent_id: str | None
    user: str
    compute: str
    created_at: int
    started_at: int | None
    ended_at: int | None
    archived: bool
    cancel_requested_at: int | None
    tags: Tags
    params: dict[str, str]
    metrics: dict[str, Number]
    progress: Progress | None
    error: Failure | None
    source: Source
    spec: Spec | None


class MetricModel(Answer):
    """One metric of a run; ``value`` is the latest value of one that is no scalar."""

    name: str
    kind: str
    count: int
    last: Number | None
    last_step: int
    last_time: int
    min: Number | None
    max: Number | None
    value: Any = None


class HistoryModel(Answer):
    """The points of a metric in the order of their steps, as three lists of equal length."""

    name: str
    total: int
    thinned: bool
    steps: list[int]
    times: list[int]
    values: list[Number]


class ArtifactModel(BaseModel):
    """A file of a run."""

    path: str
    size: int
    digest: str
    created_at: int


class CellModel(BaseModel):
    """A cell of the run's notebook and how it went."""

    index: int
    label: str
    kind: str
    state: str
    started_at: int | None
    ended_at: int | None


class LogModel(BaseModel):
    """A log stream of a run and its size in bytes."""

    stream: str
    size: int


class LogChunk(BaseModel):
    """A part of a log; ``complete`` says that nothing will follow ``next_offset``."""

    text: str
    offset: int
    next_offset: int
    complete: bool


class SnapshotFile(BaseModel):
    """A file of what was submitted."""

    path: str
    size: int
    digest: str
    executable: bool = False


class Page(BaseModel):
    """A page of a list; ask again with ``next_page_token`` for more."""

    next_page_token: str | None = None


class Experiments(Page):
    """A page of experiments."""

    items: list[ExperimentModel]


class Runs(Page):
    """A page of runs."""

    items: list[RunModel]


class Metrics(Page):
    """The metrics of a run."""

    items: list[MetricModel]


class MetricValues(Page):
    """Every value of a metric that is no scalar, in the order logged."""

    items: list[Any]


class Artifacts(Page):
    """A page of a run's files."""

    items: list[ArtifactModel]


class Cells(Page):
    """The cells of a run's notebook."""

    items: list[CellModel]


class Logs(Page):
    """The log streams of a run."""

    items: list[LogModel]


class Snapshot(Page):
    """The files of a run's snapshot."""

    items: list[SnapshotFile]
