"""The computes a user holds: ``ws.compute`` and what it makes and finds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_aml.core.durations import duration
from jupyter_aml.errors import AmlError, NotFoundError

if TYPE_CHECKING:
    from jupyter_aml.client import Client

_ON_THEIR_WAY = ("Creating", "Starting", "Stopping", "Restarting", "Deleting")
_BAD = ("CreateFailed", "Unusable")
_LOOK_SECONDS = 0.2


class ComputeFailedError(AmlError):
    """A compute did not come to the state that was wished for."""

    code = "compute_failed"


class Compute:
    """A compute of the workspace. What it says is looked up at each access."""

    def __init__(self, client: Client, found: Mapping[str, Any]) -> None:
        self._client = client
        self._found = dict(found)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self._found['state']}>"

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._found["name"])

    @property
    def kind(self) -> str:
        """``instance``, ``cluster`` or ``ssh``."""
        return str(self._found["kind"])

    @property
    def state(self) -> str:
        """Its state now, in Azure's words."""
        return str(self.get_status()["state"])

    @property
    def size(self) -> dict[str, Any] | None:
        """Its size: ``cpus``, ``memory`` in bytes, ``gpus``, ``price`` in dollars an hour."""
        found: dict[str, Any] | None = self._found["size"]
        return found

    @property
    def error(self) -> dict[str, Any] | None:
        """Why it failed, where it did."""
        found: dict[str, Any] | None = self.get_status()["error"]
        return found

    def get_status(self) -> dict[str, Any]:
        """Everything about it, as it stands."""
        self._found = dict(self._client.call("get_compute", name=self.name))
        return dict(self._found)

    def get_active_runs(self) -> list[str]:
        """The ids of the runs on it."""
        return list(self.get_status()["active_runs"])

    def update(self, **settings: Any) -> None:
        """Change settings: ``description``, ``tags``, ``idle_shutdown`` and those of its kind."""
        self._found = dict(self._client.call("update_compute", name=self.name, **_settings(settings)))

    def delete(self, *, force: bool = False, wait: bool = True) -> None:
        """Delete it; ``force`` cancels the runs that are on it or wait for it."""
        self._client.call("delete_compute", name=self.name, force=force)
        if wait:
            self._until_gone()

    def wait_for_completion(self, timeout: float = 1200.0) -> None:
        """Wait until it is on its way no more; raises `ComputeFailedError` if it failed."""
        deadline = time.monotonic() + timeout
        while (found := self.get_status())["state"] in _ON_THEIR_WAY:
            if time.monotonic() > deadline:
                raise ComputeFailedError(f"{self.name} is still {found['state']} after {timeout:g} s.")
            time.sleep(_LOOK_SECONDS)
        if found["state"] in _BAD:
            error = found["error"] or {}
            raise ComputeFailedError(
                f"{self.name} is {found['state']}: {error.get('message', 'no reason was given')}.",
                error.get("detail"),
                f"Delete it and create it again: aml compute delete -n {self.name}",
            )

    def _until_gone(self, timeout: float = 300.0) -> None:
        deadline = time.monotonic() + timeout
        try:
            while time.monotonic() < deadline:
                self.get_status()
                time.sleep(_LOOK_SECONDS)
        except NotFoundError:
            return
        raise ComputeFailedError(f"{self.name} is still being deleted after {timeout:g} s.")


class ComputeInstance(Compute):
    """One personal machine: it runs notebooks' kernels and jobs, and is on until it is stopped."""

    def start(self, *, wait: bool = True) -> None:
        """Start it."""
        self._tell("start_compute", wait=wait)

    def stop(self, *, wait: bool = True) -> None:
        """Stop it; everything on it ends."""
        self._tell("stop_compute", wait=wait)

    def restart(self, *, wait: bool = True) -> None:
        """Stop and start it."""
        self._tell("restart_compute", wait=wait)

    def resize(
        self, size: str | None = None, *, cpus: float | None = None, memory: str | float | None = None
    ) -> None:
        """Give it another size, while it is stopped."""
        given = {"size": size, "cpus": cpus, "memory": memory}
        self._client.call("resize_compute", name=self.name, **_given(given))

    def _tell(self, operation: str, *, wait: bool) -> None:
        self._client.call(operation, name=self.name)
        if wait:
            self.wait_for_completion()


class ComputeCluster(Compute):
    """Nodes that come with the queued jobs and go after some idle time."""

    def list_nodes(self) -> list[dict[str, Any]]:
        """The nodes: ``node_id``, ``state``, ``run_id``."""
        return list(self._client.call("list_nodes", name=self.name)["items"])


class AttachedCompute(Compute):
    """A machine of one's own, reached by SSH."""


_KINDS: dict[str, type[Compute]] = {
    "instance": ComputeInstance,
    "cluster": ComputeCluster,
    "ssh": AttachedCompute,
}


class ComputeCollection:
    """The computes of a workspace: ``ws.compute["cpu-cluster"]``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getitem__(self, name: str) -> Compute:
        return self.get(name)

    def __iter__(self) -> Iterator[Compute]:
        return iter(self.list())

    def get(self, name: str) -> Compute:
        """The compute of that name."""
        return self._handle(self._client.call("get_compute", name=name))

    def list(self, kind: str | None = None) -> list[Compute]:
        """The computes, oldest first; of one kind where that is given."""
        given = {} if kind is None else {"kind": kind}
        return [self._handle(found) for found in self._client.call("list_computes", **given)["items"]]

    def create_instance(
        self,
        name: str,
        size: str | None = None,
        *,
        cpus: float | None = None,
        memory: str | float | None = None,
        gpus: int | None = None,
        disk: str | float | None = None,
        environment: str | Sequence[str] | None = None,
        idle_shutdown: str | float | None = None,
        schedule: Sequence[Mapping[str, Any]] = (),
        setup_script: str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        exist_ok: bool = False,
        wait: bool = True,
    ) -> ComputeInstance:
        """Make a compute instance and wait until it is on.

        Args:
            size: one of Azure's names such as ``STANDARD_DS2_V2``; else ``cpus`` and ``memory`` (``"4GiB"``).
            disk: how much its scratch space (``AML_SCRATCH``) may hold; as much as the disk has without it.
            environment: the environments whose kernels it offers.
            idle_shutdown: stop it when it was idle so long: seconds, or a text such as ``"30m"``.
            schedule: up to four of ``{"action": "stop", "cron": "0 18 * * 1-5", "time_zone": "UTC"}`` or
                ``{"action": "start", "days": ["mon"], "at": "08:00"}``.
            setup_script: run by ``sh`` on the new instance before it counts as running.
        """
        environments = [environment] if isinstance(environment, str) else list(environment or ())
        compute = {
            "kind": "instance", "name": name, "size": size, "cpus": cpus, "memory": memory, "gpus": gpus,
            "disk": disk, "environments": environments, "schedules": [dict(item) for item in schedule],
            "setup_script": setup_script, "description": description, "tags": dict(tags or {}),
            **_settings({"idle_shutdown": idle_shutdown}),
        }  # fmt: skip
        made = self._create(compute, exist_ok=exist_ok)
        assert isinstance(made, ComputeInstance)
        if wait:
            made.wait_for_completion()
        return made

    def create_cluster(
        self,
        name: str,
        size: str | None = None,
        *,
        cpus: float | None = None,
        memory: str | float | None = None,
        gpus: int | None = None,
        min_nodes: int = 0,
        max_nodes: int = 1,
        idle_seconds_before_scaledown: float | None = None,
        priority: str = "dedicated",
        description: str = "",
        tags: Mapping[str, str] | None = None,
        exist_ok: bool = False,
    ) -> ComputeCluster:
        """Make a compute cluster; its nodes come with the first jobs, unless ``min_nodes`` asks for some.

        ``size``, ``cpus``, ``memory`` and ``gpus`` are those of one node.
        """
        compute = {
            "kind": "cluster", "name": name, "size": size, "cpus": cpus, "memory": memory, "gpus": gpus,
            "min_nodes": min_nodes, "max_nodes": max_nodes, "priority": priority,
            "idle_seconds": idle_seconds_before_scaledown, "description": description,
            "tags": dict(tags or {}),
        }  # fmt: skip
        made = self._create(compute, exist_ok=exist_ok)
        assert isinstance(made, ComputeCluster)
        return made

    def attach_ssh(
        self,
        name: str,
        host: str,
        *,
        port: int | None = None,
        username: str | None = None,
        private_key: str | None = None,
        password: str | None = None,
        python: str | None = None,
        host_key: str | None = None,
        accept_host_key: bool = False,
        max_runs: int = 1,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> AttachedCompute:
        """Attach a machine that is reached by SSH, as the user's own SSH configuration says.

        Args:
            private_key: the file of a key; it stays where it is.
            password: the account's, or the private key's where one is given.
            python: the Python there; one that has this package is used as it is.
            host_key: the fingerprint (``SHA256:...``) the machine's host key must have. Without it and
                without ``accept_host_key`` the error names the one it has.
            max_runs: how many runs it takes at once.
        """
        key = None if private_key is None else os.path.abspath(os.path.expanduser(private_key))
        given = {
            "host": host, "port": port, "username": username, "private_key": key, "password": password,
            "python": python, "host_key": host_key, "accept_host_key": accept_host_key, "max_runs": max_runs,
            "description": description, "tags": dict(tags or {}),
        }  # fmt: skip
        made = self._handle(self._client.call("attach_compute", name=name, **_given(given)))
        assert isinstance(made, AttachedCompute)
        return made

    def list_sizes(self) -> Sequence[dict[str, Any]]:
        """The sizes machines come in; ``fits`` says whether this machine could give one."""
        found: Sequence[dict[str, Any]] = self._client.call("list_sizes")["items"]
        return found

    def usage(self, compute: str | None = None, month: str | None = None) -> Sequence[dict[str, Any]]:
        """Seconds on and cost in dollars, by compute, user and month (``"2026-11"``)."""
        given = _given({"compute": compute, "month": month})
        found: Sequence[dict[str, Any]] = self._client.call("list_usage", **given)["items"]
        return found

    def quotas(self) -> Sequence[dict[str, Any]]:
        """Cores of each size family: ``limit`` and ``used``."""
        found: Sequence[dict[str, Any]] = self._client.call("list_quotas")["items"]
        return found

    def set_quota(self, family: str, limit: float | None) -> None:
        """Limit the cores of a size family that may be in use at once; None takes the limit away."""
        self._client.call("set_quota", family=family, limit=limit)

    def _create(self, compute: Mapping[str, Any], *, exist_ok: bool) -> Compute:
        return self._handle(self._client.call("create_compute", compute=_given(compute), exist_ok=exist_ok))

    def _handle(self, found: Mapping[str, Any]) -> Compute:
        return _KINDS[found["kind"]](self._client, found)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings under the names the service has for them."""
    found = _given(settings)
    for mine in ("idle_shutdown", "idle_seconds_before_scaledown", "idle_time_before_scale_down"):
        if mine in found:
            found["idle_seconds"] = duration(found.pop(mine))
    return found
