"""Starting runners: forked from the warm pool where that can be, else as a fresh Python."""

from __future__ import annotations

import subprocess
import sys
import threading

from jupyter_aml.client.launch import agent_environment, kept_environment
from jupyter_aml.core.paths import RunFolder
from jupyter_aml.jobs.warm.pool import DEFAULT_PRELOAD, PoolUnavailable, WarmPool

RUNNER = "jupyter_aml.jobs.runner"
_BOOT_AFTER_SECONDS = 3.0


class Spawner:
    """Starts runners for the service.

    Args:
        warm: keep a pool of warm processes; it is booted by `warm_up`, or by the first job.
        preload: modules the pool imports beforehand.
    """

    def __init__(self, *, warm: bool = True, preload: tuple[str, ...] = DEFAULT_PRELOAD) -> None:
        environment = kept_environment()
        self._pool = WarmPool(preload=preload, environment=environment) if warm else None
        self._environment = environment

    def spawn(self, folder: RunFolder, attempt: int, program: str = RUNNER) -> None:
        """Start the runner of an attempt and return at once; ``program``: what takes its place."""
        arguments = [str(folder.root), str(attempt)]
        if self._pool is not None and program == RUNNER:
            try:
                if self._pool.is_ready():
                    self._pool.fork_runner(arguments, self._environment)
                    return
            except PoolUnavailable:  # it is only an accelerator
                pass
            # This job goes the ordinary way; the pool boots when the job's own start is over.
            later = threading.Timer(_BOOT_AFTER_SECONDS, self._pool.start)
            later.daemon = True
            later.start()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A run's end ends whatever works in its folder: a courier is none of the run's own.
            cwd=folder.root if program == RUNNER else folder.root.parent,
            env=self._environment if program == RUNNER else self._environment | agent_environment(),
            start_new_session=True,
        )
        threading.Thread(target=process.wait, name="aml-runner-reaper", daemon=True).start()

    def warm_up(self) -> None:
        """Begin to boot the pool."""
        if self._pool is not None:
            self._pool.start()

    def close(self) -> None:
        """End the pool; runners live on."""
        if self._pool is not None:
            self._pool.close()
