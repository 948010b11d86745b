"""The IPython kernel in a forked process: what ``ipykernel_launcher`` does in a new one."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import Any

import ipykernel_launcher
import zmq
from ipykernel.kernelapp import IPKernelApp

_OUTSTREAM = "jupyter_aml.jobs.notebook.outstream.BoundedOutStream"
_MESSAGES_AHEAD = 100
_WATCHED_ELSEWHERE = 1  # the value that stands for init: no polling of the parent, no hint for a terminal


class ForkedKernelApp(IPKernelApp):
    """ipykernel's application with a short queue to its reader, who is near."""

    def init_iopub(self, context: Any) -> None:
        """Bound what waits to be published before the socket is made."""
        context.setsockopt(zmq.SNDHWM, _MESSAGES_AHEAD)
        super().init_iopub(context)

    def init_path(self) -> None:
        """Put the working folder before ``site-packages``; the base class omits it in a safe-path process."""
        if "" not in sys.path and not self.ignore_cwd:
            names = [os.path.basename(path) for path in sys.path]
            packages = [i for i, name in enumerate(names) if name in ("site-packages", "dist-packages")]
            sys.path.insert(packages[0] if packages else 0, "")


def run_kernel(connection_file: str) -> int:
    """Run the kernel until it is shut down; the process's exit code."""
    arguments = [
        "-f",
        connection_file,
        f"--IPKernelApp.outstream_class={_OUTSTREAM}",
        "--HistoryManager.hist_file=:memory:",
    ]
    sys.argv = [ipykernel_launcher.__file__, *arguments]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as ipykernel does, but before it can be asked anything
    gc.enable()
    app = ForkedKernelApp.instance(parent_handle=_WATCHED_ELSEWHERE)
    app.initialize(arguments)
    app.start()
    return 0
