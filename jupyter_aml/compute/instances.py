"""Instances: brings each to the state that was wished for. One step of a loop that may run at any time.

An instance that is on has a slice; what runs on it entered that slice. After a crash or a restart of the
machine the slice is made again, and what was on it is gone.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jupyter_aml.client.launch import kept_environment
from jupyter_aml.compute import capacity, metering, records
from jupyter_aml.compute.attention import Attention, with_time
from jupyter_aml.compute.engines.local.machines import Machines
from jupyter_aml.compute.engines.local.scratch import close_scratch, open_scratch
from jupyter_aml.compute.engines.local.slice import DESCRIPTIONS, Slice
from jupyter_aml.compute.host import Host
from jupyter_aml.compute.kernels.entrance import variables_on
from jupyter_aml.compute.kernels.folder import InstanceFolder
from jupyter_aml.compute.model import Schedule
from jupyter_aml.compute.schedules import due
from jupyter_aml.compute.tables import computes
from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.core.faults import Faults
from jupyter_aml.core.operation import Store
from jupyter_aml.core.paths import make_private
from jupyter_aml.tracking import states

log = logging.getLogger("jupyter_aml.service")
_MOVED_MS = 2_000  # a stop that comes nearer or goes further by less is still the one that was told of
_GRACE_SECONDS = 12.0  # for the runs on an instance that goes


class Instances:
    """The instances of a workspace, and what the loop knows of them from one step to the next."""

    courier = None

    def __init__(self, store: Store, machines: Machines, host: Host) -> None:
        self._store = store
        self._machines = machines
        self._host = host
        self._setups: dict[int, threading.Thread] = {}
        self._scheduled: dict[int, int] = {}
        self._made: set[int] = set()
        self._ending: dict[int, float] = {}
        self._attention = Attention(machines)

    def step(self, now: int) -> bool:
        """One step; whether something is on its way. What goes wrong with one is raised after the others."""
        with self._store.database.read() as connection:
            rows = connection.execute(sa.select(computes).where(computes.c.kind == "instance")).all()
        acts: dict[str, Callable[[sa.Row[Any], int], None]] = {
            "Creating": self._create,
            "Starting": self._switch_on,
            "Restarting": self._restart,
            "Stopping": self._switch_off,
            "Deleting": self._delete,
            "Running": self._look_after,
            "JobRunning": self._look_after,
        }
        faults = Faults()
        for row in rows:
            with faults.kept():
                self._follow_schedules(row, now)
                if act := acts.get(row.state):
                    act(row, now)
        faults.raise_first()
        return any(
            row.state in ("Creating", "Starting", "Restarting", "Stopping", "Deleting") for row in rows
        )

    def has_slot(self, connection: sa.Connection, compute: sa.Row[Any], run: sa.Row[Any]) -> bool:
        """Whether it takes one more run now: it is on, and has as many runs at once as cores."""
        slots = max(1, int(records.size_from(compute.spec).cpus))
        others = [o for o in records.active_runs(connection, compute.name) if o.number != run.number]
        return compute.state in ("Running", "JobRunning") and len(others) < slots

    def claim(
        self, connection: sa.Connection, compute: sa.Row[Any], run: sa.Row[Any]
    ) -> list[dict[str, Any]] | None:
        """The slice of an instance that has room for the run."""
        if not self.has_slot(connection, compute, run):
            return None
        return [self._slice_of(compute).to_json()]

    def _slice_of(self, row: sa.Row[Any]) -> Slice:
        return self._machines.ensure(row.name, records.size_from(row.spec), row.spec.get("gpus") or ())

    def _create(self, row: sa.Row[Any], now: int) -> None:
        if row.number in self._setups:
            if not self._setups[row.number].is_alive():
                del self._setups[row.number]
            return
        self._machines.end(row.name)  # a setup that a killed service had begun
        made = self._make(row, now, failed="CreateFailed")
        if made is None:
            return
        script = row.spec.get("setup_script")
        if not script:
            self._on(row, now, made)
            return
        thread = threading.Thread(
            target=self._set_up, args=(row, made, script), name="aml-setup", daemon=True
        )
        self._setups[row.number] = thread
        thread.start()

    def _set_up(self, row: sa.Row[Any], made: Slice, script: str) -> None:
        """Run the setup script on the instance; its output is kept in the instance's folder."""
        folder = self.folder(row.name)
        make_private(folder.root)
        log_file = folder.setup_log
        environment = kept_environment() | variables_on(self._store.folder, row.name, made)
        try:
            with log_file.open("wb") as output:
                process = subprocess.Popen(
                    made.wrapped(["/bin/sh", "-e", "-c", script]),
                    cwd=folder.root, env=environment, stdin=subprocess.DEVNULL, stdout=output,
                    stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
                try:
                    code: int | None = process.wait(row.spec["setup_seconds"])
                except subprocess.TimeoutExpired:
                    code = None
                    self._machines.end(row.name)
                    process.wait()
        except OSError as error:
            self._failed(row, f"the setup script could not be started: {error}", "CreateFailed")
            return
        if code == 0:
            self._on(row, states.now(), made)
            return
        tail = _last_lines(log_file)
        how = "took too long" if code is None else f"ended with exit code {code}"
        self._machines.end(row.name)
        self._failed(row, f"the setup script {how}", "CreateFailed", tail)

    def folder(self, name: str) -> InstanceFolder:
        """Where an instance keeps its files: its setup log, its scratch space."""
        return InstanceFolder(self._store.folder, name)

    def _switch_on(self, row: sa.Row[Any], now: int) -> None:
        made = self._make(row, now, failed="Unusable")
        if made is not None:
            self._on(row, now, made)

    def _make(self, row: sa.Row[Any], now: int, failed: str) -> Slice | None:
        size = records.size_from(row.spec)
        with self._store.database.read() as connection:
            loads = [load for load in records.loads(connection) if load.name != row.name]
        gpus = capacity.Room.beside(self._host, loads).pick_gpus(size)
        try:
            self._open_scratch(row)
            made = self._machines.ensure(row.name, size, gpus)
        except OSError as error:
            self._failed(row, f"it could not be made: {error}", failed)
            return None
        failpoint("compute.made")
        return made

    def _open_scratch(self, row: sa.Row[Any]) -> str | None:
        disk = row.spec.get("disk")
        return open_scratch(self.folder(row.name).scratch, None if disk is None else int(disk))

    def _on(self, row: sa.Row[Any], now: int, made: Slice) -> None:
        def write(connection: sa.Connection) -> bool:
            said = [DESCRIPTIONS[made.means], self._open_scratch(row)]
            about = {"details": [line for line in said if line], "stops_at": None, "memory_note": None}
            spec = {**row.spec, "gpus": list(made.gpus), **about}
            on = records.move(
                connection, row.number, "Running", [row.state], now, spec=spec, last_used_at=now
            )
            if on:
                metering.end(connection, row.name, now)
                metering.begin(
                    connection, compute=row.name, kind="instance", user=row.user,
                    size=records.size_from(row.spec), node=row.name, now=now,
                )  # fmt: skip
            return on

        self._attention.forget(row)
        if self._store.database.write(write):
            failpoint("compute.on")
            self._made.add(row.number)
            self._tell(row, "Running")

    def _runs_may_end(self, row: sa.Row[Any]) -> bool:
        """Whether runs on it, which were asked to end, still have time to do so."""
        since = self._ending.setdefault(row.number, time.monotonic())
        with self._store.database.read() as connection:
            active = records.active_runs(connection, row.name)
        if active and time.monotonic() - since < _GRACE_SECONDS:
            return True
        del self._ending[row.number]
        return False

    def _restart(self, row: sa.Row[Any], now: int) -> None:
        if not self._runs_may_end(row) and self._machines.end(row.name):
            self._switch_on(row, now)

    def _switch_off(self, row: sa.Row[Any], now: int) -> None:
        if self._runs_may_end(row):
            return
        if not self._machines.end(row.name):
            self._failed(row, "some of its processes could not be ended", "Unusable")
            return
        close_scratch(self.folder(row.name).scratch)
        failpoint("compute.ended")

        def write(connection: sa.Connection) -> None:
            records.move(connection, row.number, "Stopped", ["Stopping"], now)
            metering.end(connection, row.name, now)

        self._store.database.write(write)
        self._tell(row, "Stopped")

    def _delete(self, row: sa.Row[Any], now: int) -> None:
        if self._runs_may_end(row) or not self._machines.end(row.name):
            return

        def write(connection: sa.Connection) -> None:
            metering.end(connection, row.name, now)
            connection.execute(sa.delete(computes).where(computes.c.number == row.number))

        close_scratch(self.folder(row.name).scratch)
        shutil.rmtree(self.folder(row.name).root, ignore_errors=True)
        failpoint("compute.removed")
        self._store.database.write(write)
        self._forget(row)
        self._tell(row, "Deleted")

    def _forget(self, row: sa.Row[Any]) -> None:
        """Nothing that was known of it holds for the next one, whose row may get the same number."""
        self._attention.forget(row)
        self._scheduled.pop(row.number, None)
        self._setups.pop(row.number, None)
        self._made.discard(row.number)

    def _look_after(self, row: sa.Row[Any], now: int) -> None:
        if row.number not in self._made:  # this service is new, or the machine was restarted meanwhile
            self._slice_of(row)
            self._open_scratch(row)
            self._made.add(row.number)
        with self._store.database.read() as connection:
            active = records.active_runs(connection, row.name)
        state = "JobRunning" if active else "Running"
        if active or self._attention.has_worked(row):
            self._store.database.write(
                lambda connection: connection.execute(
                    sa.update(computes).where(computes.c.number == row.number).values(last_used_at=now)
                )
            )
        if message := self._attention.memory_end(row):
            log.warning("%s", message)
            self._note(row, message, memory_note=with_time(message, now))
        idle, limit = self._attention.idle_seconds(row), row.spec.get("idle_seconds")
        if limit is not None and idle > limit and not active:
            log.info("%s is stopped: it was idle for %g s", row.name, limit)
            self._wish(row, "Stopping", now, f"{row.name} was idle and is being stopped.")
        elif state != row.state:
            self._wish(row, state, now)
        else:
            self._warn(row, now, active=bool(active))

    def _warn(self, row: sa.Row[Any], now: int, *, active: bool) -> None:
        """Tell of a stop that is near, once; and that it is no longer so."""
        ahead, told = self._attention.stop_ahead(row, now, active=active), row.spec.get("stops_at")
        if ahead is None:
            if told is not None:
                self._note(row, None, stops_at=None)
        elif told is None:
            self._note(row, ahead.message, stops_at=ahead.at)
        elif abs(ahead.at - told) > _MOVED_MS:
            self._note(row, None, stops_at=ahead.at)

    def _note(self, row: sa.Row[Any], message: str | None, **facts: Any) -> None:
        """Keep facts about an instance, and tell who looks at it."""

        def write(connection: sa.Connection) -> None:
            current = sa.select(computes.c.spec).where(computes.c.number == row.number)
            spec = {**connection.execute(current).scalar_one(), **facts}
            connection.execute(sa.update(computes).where(computes.c.number == row.number).values(spec=spec))

        self._store.database.write(write)
        self._tell(row, row.state, message)

    def _follow_schedules(self, row: sa.Row[Any], now: int) -> None:
        schedules = [Schedule.model_validate(item) for item in row.spec.get("schedules", [])]
        since = self._scheduled.setdefault(row.number, now)
        self._scheduled[row.number] = now
        action = due(schedules, since, now) if schedules and since < now else None
        if action == "stop" and row.state in ("Running", "JobRunning"):
            self._wish(row, "Stopping", now, f"{row.name} is being stopped by its schedule.")
        elif action == "start" and row.state == "Stopped":
            self._wish(row, "Starting", now)

    def _wish(self, row: sa.Row[Any], state: str, now: int, message: str | None = None) -> None:
        self._store.database.write(
            lambda connection: records.move(connection, row.number, state, [row.state], now)
        )
        self._store.signals.wake()
        self._tell(row, state, message)

    def _failed(self, row: sa.Row[Any], message: str, state: str, detail: str | None = None) -> None:
        log.warning("instance %s: %s", row.name, message)
        error = {"class": "InstanceFailed", "message": message, "detail": detail}
        self._store.database.write(
            lambda connection: records.move(
                connection, row.number, state, [row.state], states.now(), error=error
            )
        )
        self._tell(row, state)

    def _tell(self, row: sa.Row[Any], state: str, message: str | None = None) -> None:
        self._store.signals.publish({"compute": row.name, "state": state, "message": message})


def _last_lines(path: Path) -> str:
    """The end of a setup script's log; nothing of an instance that was deleted meanwhile."""
    try:
        return b"\n".join(path.read_bytes().splitlines()[-5:]).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
