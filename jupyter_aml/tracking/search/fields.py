"""What a filter and an ordering can speak of: prefixes, the attributes of a run, the words for its states.

MLflow's names and ours mean the same things. Names of attributes are read without regard to case, and a
blank in them counts as ``_`` (MLflow's ``Run Name``).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from jupyter_aml.tracking.model import Status

Kind = Literal["metric", "param", "tag", "attribute"]


class Field(NamedTuple):
    """A metric, param or tag by its name, or an attribute by the canonical one."""

    kind: Kind
    key: str

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers; all others are text."""
        return self.kind == "metric" or (self.kind == "attribute" and self.key in NUMBERS)


PREFIXES: dict[str, Kind] = {
    "metrics": "metric",
    "metric": "metric",
    "params": "param",
    "param": "param",
    "parameters": "param",
    "parameter": "param",
    "tags": "tag",
    "tag": "tag",
    "attributes": "attribute",
    "attribute": "attribute",
    "attr": "attribute",
    "run": "attribute",
}

# Every accepted name and the canonical one, which is the one a run shows.
ATTRIBUTES: dict[str, str] = {
    "id": "id",
    "run_id": "id",
    "display_name": "display_name",
    "run_name": "display_name",
    "name": "display_name",
    "description": "description",
    "status": "status",
    "kind": "kind",
    "compute": "compute",
    "user": "user",
    "user_id": "user",
    "experiment": "experiment",
    "experiment_name": "experiment",
    "parent_id": "parent_id",
    "parent_run_id": "parent_id",
    "created_at": "created_at",
    "created": "created_at",
    "start_time": "created_at",
    "started_at": "started_at",
    "ended_at": "ended_at",
    "end_time": "ended_at",
}
NUMBERS = frozenset({"created_at", "started_at", "ended_at"})

# What MLflow keeps in tags of fixed names, we keep in attributes.
TAG_ATTRIBUTES: dict[str, str] = {
    "mlflow.runName": "display_name",
    "mlflow.parentRunId": "parent_id",
    "mlflow.user": "user",
    "mlflow.note.content": "description",
}

# MLflow has five states. Each stands for those of ours that its clients are shown under its name.
MLFLOW_STATUSES: dict[str, tuple[Status, ...]] = {
    "SCHEDULED": (Status.NOT_STARTED, Status.QUEUED, Status.PREPARING, Status.STARTING),
    "RUNNING": (Status.RUNNING, Status.FINALIZING, Status.CANCEL_REQUESTED),
    "FINISHED": (Status.COMPLETED,),
    "FAILED": (Status.FAILED,),
    "KILLED": (Status.CANCELED,),
}
_STATUSES = {status.value.lower(): status for status in Status}


def attribute(name: str) -> str | None:
    """The canonical name of an attribute, or None where there is none of that name."""
    return ATTRIBUTES.get(name.lower().replace(" ", "_"))


def statuses(word: str) -> tuple[str, ...] | None:
    """The stored states a word stands for, or None where it stands for none.

    MLflow's words in its own capitals come first (its ``RUNNING`` is wider than our ``Running``), then
    our names in any case, then MLflow's in any case.
    """
    found = MLFLOW_STATUSES.get(word)
    if found is None and (own := _STATUSES.get(word.lower())):
        found = (own,)
    if found is None:
        found = MLFLOW_STATUSES.get(word.upper())
    return None if found is None else tuple(status.value for status in found)
