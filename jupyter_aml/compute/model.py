"""What compute is, as the REST API and every face show it. Times are milliseconds since the epoch, UTC."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from jupyter_aml import limits
from jupyter_aml.compute.sizes import Size, parse_memory, plain_size, size_of
from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking.model import Model, Page, Tags

Kind = Literal["instance", "cluster", "ssh", "local"]
Priority = Literal["dedicated", "low_priority"]
LOCAL = "local"
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{1,22})[A-Za-z0-9]", re.ASCII)

# Azure's states of an instance, in the words of its SDK v1.
InstanceState = Literal[
    "Creating", "CreateFailed", "Running", "JobRunning", "Stopping", "Stopped", "Starting", "Restarting",
    "Deleting", "Unusable",
]  # fmt: skip
NodeState = Literal["preparing", "idle", "running", "leaving", "unusable", "preempted"]


def check_compute_name(name: str) -> str:
    """``name`` if it may name a compute: 3 to 24 letters, digits and dashes, beginning with a letter."""
    if isinstance(name, str) and _NAME.fullmatch(name) and name.lower() != LOCAL:
        return name
    raise InvalidError(
        f"{ascii(name)[:60]} cannot name a compute.",
        hint="Use 3 to 24 letters, digits and dashes, beginning with a letter, such as cpu-cluster.",
    )


class SizedModel(Model):
    """What has a size: one of Azure's names, or plain cores, memory and GPUs."""

    size: str | None = None
    cpus: float | None = Field(None, gt=0)
    memory: str | float | None = None
    gpus: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _one_way(self) -> SizedModel:
        if self.size is not None and (self.cpus is not None or self.memory is not None or self.gpus):
            raise InvalidError("A machine has either a size by name, or cpus and memory.")
        if self.memory is not None:
            self.memory = float(parse_memory(self.memory))  # as the field is declared
        return self

    def resolved(self) -> Size | None:
        """The size meant, or None where none was given."""
        if self.size is not None:
            return size_of(self.size)
        if self.cpus is None and self.memory is None:
            return None
        cpus = 1.0 if self.cpus is None else self.cpus
        return plain_size(cpus, cpus * 2 * 1024**3 if self.memory is None else self.memory, self.gpus or 0)


class Schedule(Model):
    """When an instance is started or stopped: a cron expression, or a time on days of the week."""

    action: Literal["start", "stop"]
    cron: str | None = Field(None, max_length=200, description="five fields, such as '0 18 * * 1-5'")
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None = None
    at: str | None = Field(None, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
    time_zone: str = "UTC"
    enabled: bool = True


class CreateInstance(SizedModel):
    """A new compute instance: one personal machine, on until it is stopped."""

    kind: Literal["instance"] = "instance"
    name: str
    description: str = Field("", max_length=limits.DESCRIPTION_LENGTH)
    tags: Tags = {}
    idle_seconds: float | None = Field(
        None, ge=limits.INSTANCE_IDLE_SECONDS, le=3 * 86400, description="idle time before it is stopped"
    )
    schedules: list[Schedule] = Field([], max_length=4)
    setup_script: str | None = Field(None, max_length=100_000)
    setup_seconds: float = Field(900.0, gt=0, le=86400)
    environments: list[str] = Field([], max_length=20)
    disk: str | float | None = Field(None, description="scratch space: bytes, or such as '10GiB'")

    @field_validator("disk")
    @classmethod
    def _disk(cls, disk: str | float | None) -> float | None:
        return None if disk is None else float(parse_memory(disk))

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_compute_name(name)


class CreateCluster(SizedModel):
    """A new compute cluster: nodes that come with the jobs and go after some idle time."""

    kind: Literal["cluster"] = "cluster"
    name: str
    description: str = Field("", max_length=limits.DESCRIPTION_LENGTH)
    tags: Tags = {}
    min_nodes: int = Field(0, ge=0, le=1000)
    max_nodes: int = Field(1, ge=1, le=1000)
    idle_seconds: float = Field(120.0, ge=0, le=30 * 86400)
    priority: Priority = "dedicated"

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_compute_name(name)

    @model_validator(mode="after")
    def _range(self) -> CreateCluster:
        if self.min_nodes > self.max_nodes:
            raise InvalidError(
                f"min_nodes ({self.min_nodes}) is more than max_nodes ({self.max_nodes}).",
                hint="Give max_nodes at least as many.",
            )
        return self


class AttachSsh(Model):
    """A machine to attach, reached by SSH with the user's own configuration, jump hosts and agent.

    Attributes:
        private_key: the file of a key on the service's machine; it stays there and is used from there.
        password: the account's, or the private key's where one is given.
        python: the Python there. One that has this package is used as it is.
        host_key: the fingerprint (``SHA256:...``) its host key must have; else ``accept_host_key``.
    """

    name: str
    host: str = Field(max_length=253)
    port: int | None = Field(None, ge=1, le=65535)
    username: str | None = Field(None, max_length=64)
    private_key: str | None = Field(None, max_length=1000)
    password: str | None = Field(None, min_length=1, max_length=1000, pattern=r"^[^\x00\r\n]+$")
    python: str | None = Field(None, max_length=400)
    host_key: str | None = Field(None, pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")
    accept_host_key: bool = False
    max_runs: int = Field(1, ge=1, le=1000)
    description: str = Field("", max_length=limits.DESCRIPTION_LENGTH)
    tags: Tags = {}

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_compute_name(name)


CreateCompute = Annotated[CreateInstance | CreateCluster, Field(discriminator="kind")]


class NewCompute(Model):
    """A compute to make. ``exist_ok``: one of that name and kind is updated instead of refused."""

    compute: CreateCompute
    exist_ok: bool = False


class UpdateCompute(Model):
    """Changes of a compute; what is left out stays."""

    description: str | None = Field(None, max_length=limits.DESCRIPTION_LENGTH)
    tags: Tags | None = None
    min_nodes: int | None = Field(None, ge=0, le=1000)
    max_nodes: int | None = Field(None, ge=1, le=1000)
    idle_seconds: float | None = Field(None, ge=0, le=30 * 86400)
    schedules: list[Schedule] | None = Field(None, max_length=4)
    environments: list[str] | None = Field(None, max_length=20)


class Resize(SizedModel):
    """Another size for a stopped instance."""


class SizeModel(BaseModel):
    """A size machines come in; ``memory`` in bytes, ``price`` in dollars an hour."""

    name: str
    family: str
    cpus: float
    memory: int
    gpus: int
    price: float
    fits: bool = True


class NodeCounts(BaseModel):
    """How many nodes of a cluster are in which state."""

    idle: int = 0
    preparing: int = 0
    running: int = 0
    leaving: int = 0
    unusable: int = 0
    preempted: int = 0


class ComputeModel(BaseModel):
    """A compute as it stands. ``details`` says in words what holds its limits and what it waits for."""

    name: str
    kind: Kind
    state: str
    state_since: int
    description: str
    tags: Tags
    user: str
    created_at: int
    size: SizeModel | None
    error: dict[str, Any] | None = None
    details: list[str] = []
    active_runs: list[str] = []
    idle_seconds: float | None = None
    last_used_at: int | None = None
    stops_at: int | None = Field(None, description="when it is stopped by itself, where that is soon")
    schedules: list[Schedule] = []
    next_actions: list[dict[str, Any]] = []
    environments: list[str] = []
    min_nodes: int | None = None
    max_nodes: int | None = None
    priority: Priority | None = None
    allocation_state: Literal["steady", "resizing"] | None = None
    current_nodes: int | None = None
    target_nodes: int | None = None
    node_counts: NodeCounts | None = None
    queued_runs: int | None = None


class EnteredModel(BaseModel):
    """An instance that may be entered now, by its whole name; ``details`` says what holds its limits."""

    name: str
    details: list[str]


class NodeModel(BaseModel):
    """A node of a cluster: its state, and the run it works on."""

    node_id: str
    state: NodeState
    state_since: int
    run_id: str | None
    created_at: int
    ip_address: str = "127.0.0.1"
    port: int | None = None


class UsageModel(BaseModel):
    """How long something was on and what Azure would have asked for it: ``seconds``, ``cost`` in dollars."""

    compute: str
    kind: str
    user: str
    month: str
    size: str
    seconds: float
    cost: float


class DayModel(BaseModel):
    """What was used on a day (UTC): machine ``seconds`` and their ``cost`` in dollars."""

    day: str
    seconds: float
    cost: float


class QuotaModel(BaseModel):
    """Cores of a size family: how many may be in use, and how many are. ``limit`` None: as many as fit."""

    family: str
    limit: float | None
    used: float


class SetQuota(Model):
    """The cores of a size family that may be in use at once; None takes the quota away."""

    limit: float | None = Field(None, ge=0, le=10**6)


class Computes(Page):
    """The computes of a workspace."""

    items: list[ComputeModel]


class Nodes(Page):
    """The nodes of a cluster."""

    items: list[NodeModel]


class Sizes(Page):
    """The sizes there are; ``fits`` says whether this machine could ever give one."""

    items: list[SizeModel]


class Usages(Page):
    """Usage by compute, user and month."""

    items: list[UsageModel]


class Days(Page):
    """Usage by day."""

    items: list[DayModel]


class Quotas(Page):
    """The size families in use or with a quota."""

    items: list[QuotaModel]
