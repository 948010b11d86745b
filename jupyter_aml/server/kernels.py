"""Kernels of compute instances in this Jupyter server: where it finds them, and that they are at work.

An instance is stopped when nobody has used it for some time. That a cell runs there which waits and computes
nothing only Jupyter knows, so it tells the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyter_client.kernelspec import KernelSpecManager

from jupyter_aml.compute.kernels.provisioner import InstanceProvisioner
from jupyter_aml.core.paths import WorkspaceFolder
from jupyter_aml.errors import AmlError
from jupyter_aml.server.routes import PREFIX
from jupyter_aml.server.upstream import Service

_LOOK_SECONDS = 20.0


def offer_kernels(manager: KernelSpecManager, workspace: Path) -> None:
    """Have Jupyter look for kernelspecs in the workspace's folder too, after all other places."""
    folder = str(WorkspaceFolder(workspace).kernels)
    if folder not in manager.kernel_dirs:
        manager.kernel_dirs = [*manager.kernel_dirs, folder]


class KernelActivity:
    """Tells the service of busy kernels. Where no kernel of an instance runs, nothing is asked or said."""

    def __init__(self, service: Service, kernels: Any, log: logging.Logger) -> None:
        """``kernels`` is the server's kernel manager, of whatever class the site has chosen."""
        self._service = service
        self._kernels = kernels
        self._log = log
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start looking, in the running event loop; nothing where it has been started already."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="aml-kernel-activity")

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for instance in self._busy_instances():
                await self._tell(instance)

    def _busy_instances(self) -> set[str]:
        """The instances on which a kernel of this server runs a cell now."""
        found = set()
        for kernel_id in self._kernels.list_kernel_ids():
            with contextlib.suppress(KeyError):
                kernel = self._kernels.get_kernel(kernel_id)
                provisioner = getattr(kernel, "provisioner", None)
                if isinstance(provisioner, InstanceProvisioner) and kernel.execution_state == "busy":
                    found.add(provisioner.instance)
        return found

    async def _tell(self, instance: str) -> None:
        try:
            answer = await self._service.send("POST", f"{PREFIX}/computes/{quote(instance)}/activity", {})
            await answer.aclose()
        except AmlError as error:
            self._log.debug("The activity on %s could not be told: %s", instance, error)
