"""The kernel provisioner ``aml-instance``: a local kernel, started inside the slice of a compute instance.

The kernelspec names the instance and lies in the folder of its workspace (`specs`). The service is asked at
each start and restart, so a kernel starts on an instance that is on, or not at all. Once it has started it
is jupyter_client's own local kernel: the same process, the same signals, the same unix ports.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from traitlets import Unicode

from jupyter_aml.client import Client, Location
from jupyter_aml.compute.engines.local.slice import Slice
from jupyter_aml.compute.kernels.entrance import enter_instance
from jupyter_aml.compute.kernels.folder import workspace_of
from jupyter_aml.compute.sizes import show_memory
from jupyter_aml.errors import AmlError, InvalidError

_ON = ("Running", "JobRunning")


class InstanceProvisioner(LocalProvisioner):
    """See the module."""

    instance = Unicode(help="The name of the compute instance.")

    _slice: Slice | None = None
    _kills = 0
    _looked_into = False
    _restarts: int | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Enter the instance. Raises with a sentence for the user where it is not on."""
        entered, variables = await asyncio.to_thread(self._enter)
        kwargs = await super().pre_launch(**kwargs)
        kwargs["cmd"] = entered.wrapped(kwargs["cmd"])
        kwargs["env"] |= variables
        self._slice, self._kills, self._looked_into = entered, entered.memory_kills(), False
        self._allow_restarts()
        return kwargs

    async def poll(self) -> int | None:
        """None while the kernel lives. When it has died, why is looked into once, and logged."""
        status = await super().poll()
        if status is not None and self.process is not None and not self._looked_into:
            self._looked_into = True
            await self._look_into(status)
        return status

    async def _look_into(self, status: int) -> None:
        entered = self._slice
        if entered is not None and entered.memory_kills() > self._kills:
            self.log.warning(
                "The kernel %s was ended: the %s of memory that %s has were used up.",
                self.kernel_id, show_memory(entered.memory), self.instance,
            )  # fmt: skip
        elif not await asyncio.to_thread(self._is_on):
            self.log.info("The kernel %s ended with its compute instance %s.", self.kernel_id, self.instance)
            self._forbid_restarts()

    def _enter(self) -> tuple[Slice, dict[str, str]]:
        with self._client() as client:
            return enter_instance(client, self.instance)

    def _is_on(self) -> bool:
        try:
            with self._client() as client:
                return client.call("get_compute", name=self.instance)["state"] in _ON
        except AmlError:
            return False

    def _client(self) -> contextlib.closing[Client]:
        """A client of the workspace in whose folder the kernelspec lies."""
        root = workspace_of(Path(self.kernel_spec.resource_dir))
        if root is None:
            raise InvalidError(
                f"The kernel {self.kernel_spec.display_name!r} lies in no workspace's folder.",
                hint="Remove it, and choose a kernel that the instance itself offers.",
            )
        return contextlib.closing(Client(Location(root)))

    def _forbid_restarts(self) -> None:
        """Have Jupyter declare the kernel dead, instead of trying for ever to start it where it cannot."""
        restarter = getattr(self.parent, "_restarter", None)
        if restarter is not None and self._restarts is None:
            self._restarts, restarter.restart_limit = restarter.restart_limit, 0

    def _allow_restarts(self) -> None:
        restarter = getattr(self.parent, "_restarter", None)
        if restarter is not None and self._restarts is not None:
            self._restarts, restarter.restart_limit = None, self._restarts
