"""A runner for tests: executes one notebook as the file named by its argument says, and writes what happened.

It stands where the product's runner stands: forked from the pool, or started by ``python -I``.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

from jupyter_aml.jobs.kernels import KernelHandle, launch_kernel


class Events:
    """Keeps what is told, and stops the kernel when a given text is printed."""

    def __init__(self, kernel: KernelHandle, stop: dict[str, Any]) -> None:
        self.told: list[Any] = []
        self.length = 0
        self.text: list[str] = []
        self._kernel, self._stop = kernel, stop

    def plan(self, cells: list[dict[str, Any]]) -> None:
        self.told.append(["plan", cells])

    def cell(self, index: int, state: str) -> None:
        self.told.append([index, state])
        if self._stop.get("at") == [index, state]:
            self._act()

    def output(self, text: str) -> None:
        self.length += len(text)
        if self.length < 1_000_000:
            self.text.append(text)
        if self._stop.get("when", "\0") in text:
            self._act()

    def _act(self) -> None:
        for how in self._stop["how"].split():
            threading.Thread(target=getattr(self._kernel, how), daemon=True).start()


def main(argv: list[str]) -> int:
    """Run as the specification in the file ``argv[0]`` says."""
    begun = time.perf_counter()
    spec = json.loads(Path(argv[0]).read_text())
    cwd = Path(spec["cwd"])
    leak = os.open(argv[0], os.O_RDONLY)
    os.set_inheritable(leak, True)
    log = os.open(spec["kernel_log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    kernel = launch_kernel(
        "python3", cwd=cwd, environment=spec["environment"], stdout=log, stderr=log, label="test"
    )
    import nbformat

    from jupyter_aml.jobs.notebook.execute import execute_notebook

    before = _resident()
    events = Events(kernel, spec["stop"])
    outcome = execute_notebook(
        nbformat.from_dict(spec["notebook"]),
        spec["parameters"],
        cwd=cwd,
        output=Path(spec["output"]),
        kernel=kernel,
        events=events,
        **spec["options"],
    )
    result = {
        "ok": outcome.ok,
        "error": outcome.error,
        "told": events.told,
        "text": "".join(events.text),
        "length": events.length,
        "kernel_pid": kernel.pid,
        "grown": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before,
        "parent": os.getppid(),
        "session": os.getsid(0),
        "pid": os.getpid(),
        "seconds": time.perf_counter() - begun,
    }
    temporary = Path(spec["result"] + ".tmp")
    temporary.write_text(json.dumps(result))
    temporary.rename(spec["result"])
    return 0


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
