"""The service's loops: what it does by itself while nobody asks."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import sys
import threading
import time
from pathlib import Path

from jupyter_aml.client.launch import is_warm, kept_environment
from jupyter_aml.compute.loop import ComputeLoop
from jupyter_aml.core.faults import Faults
from jupyter_aml.core.operation import Store
from jupyter_aml.errors import UnavailableError
from jupyter_aml.jobs.queue import Queue
from jupyter_aml.jobs.spawn import Spawner
from jupyter_aml.jobs.warm.pool import DEFAULT_PRELOAD
from jupyter_aml.mlflow.operations import tracking_variables
from jupyter_aml.service.garbage import collect_garbage
from jupyter_aml.service.instance_environments import InstanceEnvironments
from jupyter_aml.tracking import states
from jupyter_aml.tracking.model import FINAL
from jupyter_aml.tracking.tables import runs

log = logging.getLogger("jupyter_aml.service")
_BUSY_SECONDS = 0.25
_IDLE_SECONDS = 2.0
_GARBAGE_SECONDS = 3600.0


class Loops:
    """One thread that steps the queue whenever something happened, and every so often in any case."""

    def __init__(self, store: Store, doorbell: Path) -> None:
        self._store = store
        self._doorbell = doorbell
        self._spawner = Spawner(warm=is_warm(), preload=_preload())
        slots = int(os.environ.get("AML_MAX_RUNS", "0")) or os.cpu_count() or 1
        self._computes = ComputeLoop(store)
        self._environments = InstanceEnvironments(store)
        self._queue = Queue(
            store,
            self._spawner.spawn,
            slots,
            job_environment(),
            str(doorbell),
            self._computes,
            lambda row: tracking_variables(store, row),
        )
        self._stopping = threading.Event()
        self._unfinished = 0
        self._moving = False
        self._bell = _bell(doorbell)
        self._threads = [
            threading.Thread(target=self._run, name="aml-loops", daemon=True),
            threading.Thread(target=self._hear, name="aml-doorbell", daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        self._store.signals.listen(lambda event: self._spawner.warm_up() if "warm" in event else None)
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End; jobs live on."""
        self._stopping.set()
        self._store.signals.wake()
        self._environments.stop()
        self._threads[0].join()
        self._spawner.close()
        self._bell.close()
        self._doorbell.unlink(missing_ok=True)

    def busy(self) -> bool:
        """Whether any run is unfinished or any machine is on."""
        return self._unfinished > 0 or self._computes.is_on()

    def _hear(self) -> None:
        while not self._stopping.is_set():
            try:
                self._bell.recv(64)
            except TimeoutError:
                continue
            except OSError:
                return
            self._store.signals.wake()

    def _run(self) -> None:
        signals, next_garbage = self._store.signals, time.monotonic() + 30.0
        self._guarded(lambda: remove_finished_folders(self._store))
        while not self._stopping.is_set():
            signals.work.clear()
            self._guarded(self._step)
            if time.monotonic() > next_garbage and not self._unfinished:
                self._guarded(lambda: collect_garbage(self._store))
                next_garbage = time.monotonic() + _GARBAGE_SECONDS
            busy = self._unfinished or self._moving
            signals.work.wait(_BUSY_SECONDS if busy else _IDLE_SECONDS)

    def _step(self) -> None:
        faults = Faults()
        with faults.kept():
            self._moving = self._computes.step(self._environments.step())
        with faults.kept():
            self._unfinished = self._queue.step()
        with faults.kept():
            if self._computes.clusters.step(states.now()):  # nodes that have just become free, or are wanted
                self._store.signals.wake()
        faults.raise_first()

    def _guarded(self, action: object) -> None:
        """A loop outlives whatever one of its steps meets: a full disk, a locked file, a fault of ours."""
        try:
            action()  # type: ignore[operator]
        except UnavailableError as error:
            log.warning("waiting for the storage: %s", error)
            self._stopping.wait(1.0)
        except Exception:
            log.exception("a step of the service's loops failed; it is tried again")
            self._stopping.wait(1.0)


def remove_finished_folders(store: Store) -> None:
    """Remove live folders whose run has ended or was deleted: a crash came between the two."""
    import sqlalchemy as sa

    final = [status.value for status in FINAL]
    for folder in store.folder.runs.iterdir():
        with store.database.read() as connection:
            row = connection.execute(sa.select(runs.c.status).where(runs.c.id == folder.name)).one_or_none()
        if row is None or row.status in final:
            shutil.rmtree(folder, ignore_errors=True)


def job_environment() -> dict[str, str]:
    """What a job sees of the service's environment; ``python`` is the Python that has this package."""
    environment = kept_environment()
    folder = str(Path(sys.executable).parent)
    rest = [part for part in environment.get("PATH", os.defpath).split(os.pathsep) if part != folder]
    return {**environment, "PATH": os.pathsep.join([folder, *rest])}


def _bell(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    bell.bind(str(path))
    with contextlib.suppress(OSError):
        path.chmod(0o600)
    bell.settimeout(1.0)
    return bell


def _preload() -> tuple[str, ...]:
    given = os.environ.get("AML_WARM_PRELOAD")
    return DEFAULT_PRELOAD if given is None else tuple(part for part in given.split(",") if part)
