"""The kernel provisioner ``aml-ssh``: sshpyk's, over a connection of ours to an attached machine.

sshpyk starts the kernel there, carries its ports through SSH and looks whether it lives. What it leaves to
the user's configuration is ours: which machine, its pinned key, which Python. Two of its steps (as of 1.25)
wait for the network in the event loop, where a whole Jupyter server would wait with them: here they wait in
threads.

A lost connection is not a lost kernel: it goes on there, and is reached on the same local ports again.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_runtime_dir
from jupyter_core.utils import ensure_dir_exists
from sshpyk.provisioning import SSHKernelProvisioner
from traitlets import Unicode

from jupyter_aml.compute.engines.ssh.connection import TargetFolder
from jupyter_aml.compute.engines.ssh.kernel_place import KERNEL
from jupyter_aml.compute.engines.ssh.shared import SharedConnection
from jupyter_aml.compute.kernels.folder import workspace_of
from jupyter_aml.compute.model import check_compute_name
from jupyter_aml.core.paths import WorkspaceFolder
from jupyter_aml.errors import AmlError, InvalidError, NotFoundError

_LOOK_SECONDS = 0.5
_END = "AML-PS-END"


class SshProvisioner(SSHKernelProvisioner):  # type: ignore[misc]  # sshpyk is published without types
    """See the module."""

    compute = Unicode(help="The name of the attached machine.")

    session_send_orig = None  # see `patch_session_send`
    _connection: SharedConnection | None = None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Connect, and start the kernel. Raises with a sentence for the user where that cannot be."""
        ensure_dir_exists(jupyter_runtime_dir(), mode=0o700)  # sshpyk writes there, and takes it for granted
        try:
            await self._connect()
            prepared: dict[str, Any] = await super().pre_launch(**kwargs)
        except BaseException:
            if self._launch_lock is not None and self._launch_lock.locked():
                self._launch_lock.release()
            await self.cleanup(restart=self.restart_requested)
            raise
        return prepared

    async def cleanup(self, restart: bool = False) -> None:
        """Let go of what the kernel had here; unless it is to be started again, of the connection too."""
        if self._cleanup_lock is not None:
            await super().cleanup(restart)
        if not restart and self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def check_control_sockets(self, raise_on_failed_open: bool = False) -> None:
        """Have the connection; asked by sshpyk before each of its commands."""
        await self._is_connected()

    async def ensure_tunnels(self) -> None:
        """Have the ports; where there is no connection they are had with the next one."""
        if await self._is_connected():
            await super().ensure_tunnels()

    async def fetch_remote_processes_info(self, pids: list[int]) -> tuple[bool, dict[int, dict[str, str]]]:
        """Whether it is known which of ``pids`` live, and those.

        sshpyk takes an answer that was cut off for one that none of them lives, and restarts the kernel.
        """
        async with self._fetch_remote_processes_lock:
            found = await self._look(pids) if await self._is_connected() else None
        if found is None:
            await asyncio.sleep(_LOOK_SECONDS)  # sshpyk asks again at once
            return False, {}
        self.clear_remote_pids(pids, found)
        return True, found

    async def _look(self, pids: list[int]) -> dict[int, dict[str, str]] | None:
        """Those of ``pids`` that live, as sshpyk describes them; None without the whole answer."""
        asked = ",".join(str(int(pid)) for pid in pids)
        process = await asyncio.create_subprocess_exec(
            *self.ssh_base, self.ssh_host_alias, f"ps -p {asked} -o pid= -o state= -o args=; echo {_END}",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        said = (await process.communicate())[0].decode("utf-8", "replace").splitlines()
        if process.returncode != 0 or not said or said[-1] != _END:
            return None
        words = [line.split(None, 2) for line in said]
        return {
            int(word[0]): {"state": word[1], "cmd": word[2]}
            for word in words
            if len(word) == 3 and word[0].isdecimal()
        }

    async def extract_from_process_pipes(
        self, process: subprocess.Popen[str], line_handlers: list[Callable[[str], bool]]
    ) -> None:
        """Read what a starting kernel says, in a thread."""
        reading = super().extract_from_process_pipes
        await asyncio.to_thread(lambda: asyncio.run(reading(process, line_handlers)))

    def patch_session_send(self) -> None:
        """Nothing: sshpyk's is for kernels that outlive their front end, and calls itself after a restart."""

    async def _connect(self) -> None:
        if self._connection is None:
            folder = self._folder()
            target = folder.load()
            self._connection = SharedConnection(target, folder)
            self.ssh_host_alias = target.alias
            self.ssh_config = str(self._connection.config)
            self.remote_kernel_name = KERNEL
        await self._connection.ensure()
        self.remote_python = f"{self._connection.place}/python"

    async def _is_connected(self) -> bool:
        if self._connection is None:
            return False
        try:
            await self._connection.ensure()
        except AmlError as error:
            self.log.debug("The kernel %s cannot be reached: %s", self.kernel_id, error)
            return False
        return True

    def _folder(self) -> TargetFolder:
        """What the workspace in whose folder the kernelspec lies keeps of the machine."""
        root = workspace_of(Path(self.kernel_spec.resource_dir))
        if root is None:
            raise InvalidError(
                f"The kernel {self.kernel_spec.display_name!r} lies in no workspace's folder.",
                hint="Remove it, and choose a kernel that the workspace itself offers.",
            )
        folder = TargetFolder(WorkspaceFolder(root).computes / check_compute_name(self.compute))
        if not folder.target.is_file():
            raise NotFoundError(
                f"There is no attached machine {self.compute!r}.",
                hint="Choose another kernel; aml compute list shows what there is.",
            )
        return folder
