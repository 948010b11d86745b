"""Kernels of runs: forked from a warm process, or started from their kernelspec; one handle for both.

Every kernel here speaks over unix sockets in a folder only its owner can enter, is in its own session, reads
nothing from a terminal and dies with the process that made it. Its death is noticed at once, by a descriptor
of the process and not by asking every so often. A handle may be used from a signal handler or from another
thread than the one that talks to the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import zmq
import zmq.asyncio
from jupyter_client.connect import write_connection_file
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from jupyter_core.utils import run_sync

from jupyter_aml.compute.engines.local.slice import Slice
from jupyter_aml.errors import AmlError, InvalidError, did_you_mean
from jupyter_aml.jobs.other_python import OtherPython
from jupyter_aml.jobs.warm import fork
from jupyter_aml.jobs.warm.preload import warmth, why_not_forked

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

_OUTSTREAM = "jupyter_aml.jobs.notebook.outstream.BoundedOutStream"
_RECONNECT_MS = 2
_MESSAGES_AHEAD = 16


class KernelHandle:
    """A running kernel: its process, its manager, and the ways to stop it.

    Attributes:
        pid: the kernel's process, which leads its own session and process group.
        manager: jupyter_client's manager of it; ``manager.client()`` connects.
        interrupt_mode: ``signal``, or ``message`` for a kernel that wants a request on its control channel.
        interrupted: whether `interrupt` was called; who executes cells stops before the next one.
        status: None while it lives, else its exit code, or minus the number of the signal that ended it.
    """

    def __init__(self, pid: int, manager: AsyncKernelManager, folder: Path) -> None:
        self.pid = pid
        self.manager = manager
        self.interrupted = False
        self.status: int | None = None
        self.interrupt_mode = "signal"
        self.on_message_interrupt: Callable[[], object] | None = None
        self._folder = folder
        self._descriptor = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1

    def interrupt(self) -> None:
        """Interrupt the running cell, as the stop button does, and let no further cell begin."""
        self.interrupted = True
        if self.on_message_interrupt is not None:
            self.on_message_interrupt()
        else:
            self._signal(signal.SIGINT)

    def terminate(self) -> None:
        """Ask the kernel and its process group to end (SIGTERM)."""
        self.interrupted = True
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the kernel and its process group (SIGKILL)."""
        self.interrupted = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        # The process is reaped only after `status` is set, so its number cannot be somebody else's yet.
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def poll(self) -> int | None:
        """The kernel's `status`, looked up now."""
        if self.status is None:
            try:
                found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                if self.status is None:  # somebody else reaped it; how it ended is not known
                    self.status = -signal.SIGKILL
                return self.status
            if found is not None:
                exited = found.si_code == os.CLD_EXITED
                self.status = found.si_status if exited else -found.si_status
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(self.pid, 0)
        return self.status

    async def wait(self) -> int:
        """Wait until the kernel has ended; its `status`."""
        while (status := self.poll()) is None:
            if self._descriptor < 0:
                await asyncio.sleep(0.05)
                continue
            loop, ended = asyncio.get_running_loop(), asyncio.Event()
            loop.add_reader(self._descriptor, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(self._descriptor)
        return status

    def close(self) -> None:
        """Kill the kernel if it still lives, and remove its sockets."""
        self.kill()
        if self.status is None:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            self.poll()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        shutil.rmtree(self._folder, ignore_errors=True)


class _HandleProvisioner(KernelProvisionerBase):
    """Shows jupyter_client a kernel that a `KernelHandle` holds."""

    handle: KernelHandle

    @property
    def has_process(self) -> bool:
        return self.handle.poll() is None

    async def poll(self) -> int | None:
        return self.handle.poll()

    async def wait(self) -> int | None:
        return await self.handle.wait()

    async def send_signal(self, signum: int) -> None:
        self.handle._signal(signum)

    async def kill(self, restart: bool = False) -> None:
        self.handle.kill()

    async def terminate(self, restart: bool = False) -> None:
        self.handle.terminate()

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        raise AmlError("The kernel of a run cannot be started a second time.")

    async def cleanup(self, restart: bool = False) -> None:
        """The sockets go with `KernelHandle.close`."""


class _PlacedProvisioner(LocalProvisioner):
    """Starts a kernel's program inside a slice of this machine."""

    place: Slice | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        if self.place is not None:
            cmd = self.place.wrapped(cmd)
        return await super().launch_kernel(cmd, **kwargs)


def launch_kernel(
    kernel_name: str,
    *,
    cwd: Path,
    environment: Mapping[str, str],
    stdout: int,
    stderr: int,
    label: str = "kernel",
    place: Slice | None = None,
    python: OtherPython | None = None,
) -> KernelHandle:
    """Fork the kernel where this process is warm and a fork is as good as a start, else start it.

    ``stdout`` and ``stderr`` are descriptors for what the kernel's process writes besides its messages.
    ``label`` becomes a part of the name of its socket folder, ``aml-<label>-*`` in the temporary folder.
    ``place`` is the slice of this machine the kernel is held to. With ``python``, the Python of an
    environment, a Python kernel is started with that, whatever its name, and never forked.
    """
    spec = find_kernel(kernel_name)
    if python is None and _is_own_python(spec) and why_not_forked(environment, cwd) is None:
        return fork_kernel(
            cwd=cwd, environment=environment, stdout=stdout, stderr=stderr, label=label, place=place
        )
    return start_kernel(
        kernel_name,
        cwd=cwd,
        environment=environment,
        stdout=stdout,
        stderr=stderr,
        label=label,
        place=place,
        python=python,
    )


def find_kernel(kernel_name: str) -> KernelSpec:
    """The kernelspec of that name; `InvalidError` naming the nearest one where there is none."""
    manager = KernelSpecManager()
    try:
        return manager.get_kernel_spec(kernel_name)
    except NoSuchKernel:
        known = manager.find_kernel_specs()
        raise InvalidError(
            f"There is no kernel named {kernel_name!r} on this machine.",
            hint=did_you_mean(kernel_name, known) or f"Installed kernels: {', '.join(sorted(known))}.",
        ) from None


def _is_own_python(spec: KernelSpec) -> bool:
    """Whether the kernelspec starts ipykernel in this very interpreter and asks for nothing else."""
    python = os.path.basename(sys.executable)
    own = {"python", f"python{sys.version_info[0]}", "python{}.{}".format(*sys.version_info), sys.executable}
    return (
        spec.argv[1:] in (["-m", "ipykernel_launcher", "-f", "{connection_file}"], _FROZEN)
        and (spec.argv[0] in own or (os.path.basename(spec.argv[0]) == python and _same(spec.argv[0])))
        and not spec.env
        and "kernel_provisioner" not in spec.metadata
    )


_FROZEN = ["-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]


def _same(python: str) -> bool:
    try:
        return os.path.samefile(python, sys.executable) and os.path.dirname(python) == os.path.dirname(
            sys.executable
        )
    except OSError:
        return False


def fork_kernel(
    *,
    cwd: Path,
    environment: Mapping[str, str],
    stdout: int,
    stderr: int,
    label: str = "kernel",
    place: Slice | None = None,
) -> KernelHandle:
    """Fork an IPython kernel from this process, which must have no second thread.

    The kernel has its own session, environment, folder, streams, seeds and signals, no descriptor of ours but
    the two given, and is killed when this process ends.
    """
    if fork.thread_count() > 1:
        raise AmlError("A kernel cannot be forked from a process that already has threads.")
    folder = _socket_folder(label)
    connection_file, info = write_connection_file(
        str(folder / "kernel.json"),
        ip=str(folder / "k"),
        key=secrets.token_hex(32).encode(),
        transport="ipc",
        kernel_name="python3",
    )
    parent = os.getpid()
    fork.flush_streams()
    pid = os.fork()
    if pid == 0:
        _be_kernel(parent, connection_file, cwd, environment, stdout, stderr, place)
    manager = _manager("python3", folder)
    manager.load_connection_info(info)
    provisioner = _HandleProvisioner(kernel_id=secrets.token_hex(8), parent=manager)
    manager.provisioner = provisioner
    provisioner.handle = KernelHandle(pid, manager, folder)
    return provisioner.handle


def _be_kernel(
    parent: int,
    connection_file: str,
    cwd: Path,
    environment: Mapping[str, str],
    stdout: int,
    stderr: int,
    place: Slice | None,
) -> NoReturn:
    """The forked process: become what ``python -m ipykernel_launcher -f FILE`` is, and run the kernel."""

    def body() -> int:
        os.setsid()
        fork.die_with_parent(parent)
        if place is not None:
            place.enter()
        fork.redirect_streams(stdout, stderr)
        fork.close_descriptors()
        fork.reset_signals()
        warm = warmth()
        fork.replace_environment({**(warm.added_variables if warm else {}), **environment})
        os.environ.pop("JPY_PARENT_PID", None)
        fork.renew_seeds()
        os.chdir(cwd)
        from jupyter_aml.jobs.notebook.forked import run_kernel

        return run_kernel(connection_file)

    fork.live(body)


def start_kernel(
    kernel_name: str,
    *,
    cwd: Path,
    environment: Mapping[str, str],
    stdout: int,
    stderr: int,
    label: str = "kernel",
    place: Slice | None = None,
    python: OtherPython | None = None,
) -> KernelHandle:
    """Start a kernel from its kernelspec and return at once; it may still be starting.

    Call it in the thread that will execute the notebook, before that thread runs an event loop.
    """
    spec = find_kernel(kernel_name)
    bounded = _is_own_python(spec) if python is None else python.bounded
    if python is not None and spec.language == "python":
        argv = [python.program, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = KernelSpec(argv=argv, language="python", display_name="Python 3", interrupt_mode="signal")
    if "kernel_provisioner" in spec.metadata:
        raise InvalidError(
            f"The kernel {kernel_name!r} is started by a provisioner of its own, which a run cannot use.",
            hint="Name a kernel that is installed on this machine.",
        )
    folder = _socket_folder(label)
    manager = _manager(kernel_name, folder)
    manager._kernel_spec = spec
    manager.transport, manager.ip = "ipc", str(folder / "k")
    manager.connection_file = str(folder / "kernel.json")
    provisioner = _PlacedProvisioner(kernel_id=secrets.token_hex(8), kernel_spec=spec, parent=manager)
    provisioner.place = place
    manager.provisioner = provisioner
    arguments = []
    if bounded and spec.language == "python":
        arguments = [f"--IPKernelApp.outstream_class={_OUTSTREAM}", "--HistoryManager.hist_file=:memory:"]
    parent = os.getpid()
    run_sync(manager.start_kernel)(
        cwd=str(cwd),
        env=dict(environment),
        stdin=_DEVNULL,
        stdout=stdout,
        stderr=stderr,
        extra_arguments=arguments,
        preexec_fn=(lambda: fork.die_with_parent(parent)) if _alone() else None,
    )
    assert provisioner.process is not None
    held = _HandleProvisioner(kernel_id=provisioner.kernel_id, kernel_spec=spec, parent=manager)
    held.connection_info = provisioner.connection_info
    manager.provisioner = held
    held.handle = KernelHandle(provisioner.process.pid, manager, folder)
    held.handle.interrupt_mode = spec.interrupt_mode
    provisioner.process.returncode = 0  # the handle reaps it from now on
    return held.handle


_DEVNULL = -3  # subprocess.DEVNULL


def _alone() -> bool:
    return fork.thread_count() == 1


def _manager(kernel_name: str, folder: Path) -> AsyncKernelManager:
    context = zmq.asyncio.Context()
    # A kernel that is not there yet is asked again soon, not after libzmq's 100 ms; and of a kernel that
    # floods us only a few messages wait here, the rest waits there.
    context.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
    context.setsockopt(zmq.RCVHWM, _MESSAGES_AHEAD)
    return AsyncKernelManager(
        kernel_name=kernel_name,
        connection_file=str(folder / "kernel.json"),
        transport="ipc",
        context=context,
        client_class="jupyter_client.asynchronous.AsyncKernelClient",
    )


def _socket_folder(label: str) -> Path:
    """A new folder, mode 0700, whose path is short enough for a unix socket in it."""
    folder = Path(tempfile.mkdtemp(prefix=f"aml-{label}-"))
    if len(os.fsencode(folder)) > 90:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix=f"aml-{label}-", dir="/tmp"))
    return folder
