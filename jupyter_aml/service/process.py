"""The life of the service's process: one for each workspace, by a lock the kernel frees when it dies.

It listens on a unix socket in a folder only the owner can enter (on loopback TCP where there are no unix
sockets), writes its address beside the lock once it answers, and leaves after long idleness.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import hashlib
import json
import logging
import os
import resource
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

import jupyter_aml
from jupyter_aml import limits
from jupyter_aml.compute import operations as compute
from jupyter_aml.compute.engines.local import cgroups
from jupyter_aml.compute.engines.ssh import attach
from jupyter_aml.compute.kernels import operations as kernels
from jupyter_aml.core.access import Principal
from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.core.database import Database
from jupyter_aml.core.durable import write_durably
from jupyter_aml.core.journal import LifeLock
from jupyter_aml.core.loopback import Loopback
from jupyter_aml.core.operation import Operation, Store
from jupyter_aml.core.paths import WorkspaceFolder, make_private
from jupyter_aml.core.tokens import new_token, same_token, token_digest
from jupyter_aml.core.workspace import read_workspace
from jupyter_aml.data import datastore_operations as datastores
from jupyter_aml.data import operations as data
from jupyter_aml.environments import operations as environments
from jupyter_aml.jobs import operations as jobs
from jupyter_aml.jobs.tokens import run_of_token
from jupyter_aml.mlflow import PREFIX as MLFLOW
from jupyter_aml.mlflow import operations as mlflow
from jupyter_aml.mlflow import tracking_token
from jupyter_aml.models import operations as models
from jupyter_aml.service import operations as service
from jupyter_aml.service.app import build_app
from jupyter_aml.service.loops import Loops
from jupyter_aml.tracking import contents, experiments
from jupyter_aml.tracking import operations as tracking

log = logging.getLogger("jupyter_aml.service")
_SOCKET_PATH_LIMIT = 100  # bytes; the kernel's is 108 with the terminating zero


def all_operations() -> list[Operation]:
    """Every operation the service has."""
    rooms = (
        service,
        tracking,
        contents,
        experiments,
        jobs,
        compute,
        attach,
        kernels,
        environments,
        data,
        datastores,
        models,
        mlflow,
    )
    return service.serve_operations([operation for room in rooms for operation in room.operations])


def open_store(root: Path) -> Store:
    """Open the workspace in ``root``, migrating its database where it is older."""
    description = read_workspace(root)
    folder = WorkspaceFolder(root)
    for part in (folder.blobs, folder.runs, folder.run):
        make_private(part)
    secret = hashlib.sha256(b"page tokens " + _token(folder).encode()).digest()
    database = Database(folder.database)
    loopback = Loopback(folder.port)
    return Store(folder, database, BlobStore(folder.blobs), description["id"], secret, loopback)


def run_service(root: Path) -> int:
    """Own the workspace in ``root`` until told to stop or long idle; 0 also when somebody else owns it."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder = WorkspaceFolder(root)
    make_private(folder.run)
    lock = LifeLock(folder.lock)
    if not lock.take():
        return 0
    cgroups.leave()  # who started it may be a kernel or a job on a compute, and this is to outlive that
    store = open_store(root)
    log.warning("single-user mode: jobs run as %s and can do what that account can", getpass.getuser())
    try:
        asyncio.run(_serve(store))
    finally:
        folder.address.unlink(missing_ok=True)
        _remove_socket(folder)
        store.database.close()
        lock.release()
    return 0


async def _serve(store: Store) -> None:
    token = _token(store.folder)
    app = build_app(store, all_operations(), _gate(store, token))
    listener, address = _listen(store.folder)
    server = _server(app)
    loops = Loops(store, _socket_path(store.folder).with_name("doorbell.sock"))
    last_used = time.monotonic()

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        nonlocal last_used
        last_used = time.monotonic()
        await app(scope, receive, send)

    server.config.app = counted
    loop = asyncio.get_running_loop()
    mlflow_server = _server(_only_mlflow(counted))
    serving_mlflow: list[asyncio.Task[None]] = []

    def serve_mlflow(port: socket.socket) -> None:
        task = asyncio.create_task(_serve_until_exit(mlflow_server, port))
        serving_mlflow.append(task)

    def stop() -> None:
        store.folder.address.unlink(missing_ok=True)  # first, so that who sees a stream end reads no address
        server.should_exit = mlflow_server.should_exit = True

    store.signals.listen(lambda event: "stop" in event and loop.call_soon_threadsafe(stop))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: store.signals.publish({"stop": True}))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    store.loopback.attach(lambda port: loop.call_soon_threadsafe(serve_mlflow, port))
    loops.start()
    serving = asyncio.create_task(_serve_until_exit(server, listener))
    _announce(store.folder, address)
    try:
        while not serving.done():
            await asyncio.wait([serving], timeout=1)
            patience = limits.SERVICE_IDLE_SECONDS
            if store.loopback.is_promised:
                patience = max(patience, limits.SERVICE_PORT_IDLE_SECONDS)
            if not loops.busy() and time.monotonic() - last_used > patience:
                store.signals.publish({"stop": True})
        await asyncio.gather(serving, *serving_mlflow)
    finally:
        store.folder.address.unlink(missing_ok=True)
        loops.stop()


def _server(app: Any) -> uvicorn.Server:
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=3,
        server_header=False, date_header=False, timeout_keep_alive=75,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    return server


def _only_mlflow(app: Any) -> Any:
    """What is served on the port: MLflow's protocol; every other path looks as if there were nothing."""

    async def only(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(f"{MLFLOW}/"):
            scope = {**scope, "path": f"{MLFLOW}/", "raw_path": f"{MLFLOW}/".encode()}
        await app(scope, receive, send)

    return only


async def _serve_until_exit(server: uvicorn.Server, listener: socket.socket) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        await server._serve([listener])


def _gate(store: Store, token: str) -> Callable[[str], Principal | None]:
    digest, mlflow_digest = token_digest(token), token_digest(tracking_token(token))
    user = getpass.getuser()

    def principal_of(given: str) -> Principal | None:
        if same_token(given, digest):
            return Principal(user)
        if same_token(given, mlflow_digest):
            return Principal(user, only=f"{MLFLOW}/")
        run_id = run_of_token(store, given)
        return None if run_id is None else Principal(user, run_id)

    return principal_of


def _token(folder: WorkspaceFolder) -> str:
    """The owner's token, made at the first start."""
    with contextlib.suppress(FileNotFoundError):
        return folder.token.read_text()
    token = new_token()
    write_durably(folder.token, token.encode())
    return token


def _listen(folder: WorkspaceFolder) -> tuple[socket.socket, str]:
    if not hasattr(socket, "AF_UNIX"):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(("127.0.0.1", 0))
        return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"
    path = _socket_path(folder)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(256)
    return listener, f"unix:{path}"


def _socket_path(folder: WorkspaceFolder) -> Path:
    """In the workspace; a path too long for a unix socket moves to a private folder with a short name."""
    path = folder.run / "service.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(folder.root)).hexdigest()[:12]
    short = make_private(Path(tempfile.gettempdir()) / f"aml-{os.getuid()}-{digest}")
    status = short.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or short.is_symlink():
        short = Path(tempfile.mkdtemp(prefix="aml-"))
    return short / "service.sock"


def _remove_socket(folder: WorkspaceFolder) -> None:
    """Leave no socket behind, nor the folder with a short name that was made for it."""
    path = _socket_path(folder)
    path.unlink(missing_ok=True)
    if path.parent != folder.run:
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def _announce(folder: WorkspaceFolder, address: str) -> None:
    content = {
        "address": address,
        "pid": os.getpid(),
        "version": jupyter_aml.__version__,
        "protocol": service.PROTOCOL,
        "instance": new_token()[:12],
    }
    write_durably(folder.address, json.dumps(content).encode())
