"""Running a command job's command, with the same ways to stop it as a kernel has."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_aml.compute.engines.local.slice import Slice
from jupyter_aml.errors import InvalidError, did_you_mean
from jupyter_aml.jobs.warm.fork import die_with_parent

_INPUT = re.compile(r"\$\{\{\s*inputs\.([A-Za-z0-9_]+)\s*\}\}")


def fill_inputs(command: str, inputs: Mapping[str, Any]) -> str:
    """The command with each ``${{inputs.NAME}}`` replaced by the input's value, quoted for the shell."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in inputs:
            raise InvalidError(
                f"The command uses input {match[1]!r}, which is not given.",
                hint=did_you_mean(match[1], inputs),
            )
        found = inputs[match[1]]
        return shlex.quote(str(found).lower() if isinstance(found, bool) else str(found))

    return _INPUT.sub(value, command)


class ShellCommand:
    """A running command: the leader of its own session and process group."""

    def __init__(
        self,
        command: str,
        cwd: Path,
        environment: Mapping[str, str],
        output: int,
        place: Slice | None = None,
    ) -> None:
        parent = os.getpid()
        program = ["/bin/sh", "-c", command]
        # The user asked for a shell command; it is run as the user's own process, inside the job.
        self._process = subprocess.Popen(
            program if place is None else place.wrapped(program),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # The runner has no other thread yet.
            preexec_fn=lambda: die_with_parent(parent),  # noqa: PLW1509
        )
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """The exit code, or minus the number of the signal that ended it; None while it runs."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait for its end; the exit code, or minus the number of the signal that ended it."""
        return self._process.wait()

    def interrupt(self) -> None:
        """Ask it to stop (SIGINT to its process group)."""
        self._signal(signal.SIGINT)

    def terminate(self) -> None:
        """Ask it to end (SIGTERM)."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it (SIGKILL)."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
