"""Starting a workspace's service where there is none, and knowing when it answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass

from jupyter_aml import limits
from jupyter_aml.core.journal import LifeLock
from jupyter_aml.core.paths import WorkspaceFolder, make_private
from jupyter_aml.errors import ERROR_CLASSES, UnavailableError

# What of the starter's environment the service gets. Tokens and keys of the notebook stay behind.
_KEPT = (
    "HOME PATH LANG LANGUAGE TZ USER LOGNAME SHELL TMPDIR TMP TEMP AML_HOME VIRTUAL_ENV CONDA_PREFIX "
    "CONDA_DEFAULT_ENV LD_LIBRARY_PATH DYLD_LIBRARY_PATH CUDA_VISIBLE_DEVICES CUDA_HOME OMP_NUM_THREADS "
    "OPENBLAS_NUM_THREADS MKL_NUM_THREADS XDG_RUNTIME_DIR XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME "
    "PYTHONPATH PYTHONHASHSEED SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE JUPYTER_PATH JUPYTER_DATA_DIR "
    "HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy SYSTEMROOT AML_SERVICE_IDLE_SECONDS "
    "AML_WARM AML_WARM_PRELOAD AML_MAX_RUNS AML_INSTANCE_IDLE_SECONDS AML_FAILPOINTS AML_TEST_MODE"
).split()

# What else the service gets: where packages come from, with credentials at times. Its jobs get none of this.
_INDEX = (
    "PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_FIND_LINKS PIP_NO_INDEX PIP_CERT PIP_TRUSTED_HOST "
    "PIP_DEFAULT_TIMEOUT PIP_TIMEOUT PIP_CONFIG_FILE UV_DEFAULT_INDEX UV_INDEX UV_INDEX_URL "
    "UV_EXTRA_INDEX_URL UV_FIND_LINKS UV_NO_INDEX UV_INDEX_STRATEGY UV_INSECURE_HOST UV_NATIVE_TLS "
    "UV_SYSTEM_CERTS UV_CONFIG_FILE UV_CACHE_DIR UV_OFFLINE UV_HTTP_TIMEOUT UV_KEYRING_PROVIDER "
    "UV_EXCLUDE_NEWER UV_LINK_MODE NETRC PYENV_ROOT"
).split()


@dataclass(frozen=True)
class Address:
    """Where a service listens: ``unix:/path`` or a URL; ``instance`` tells one start from another."""

    address: str
    version: str
    protocol: int
    instance: str
    pid: int


def is_warm() -> bool:
    """Whether runs may start from a pool of warm processes (``AML_WARM=0`` says no)."""
    return os.environ.get("AML_WARM", "1").lower() not in ("0", "no", "off", "false")


def kept_environment() -> dict[str, str]:
    """This process's environment, cut down to what a service and its jobs may see (an allow-list)."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return environment | {name: value for name, value in os.environ.items() if name.startswith("LC_")}


def agent_environment() -> dict[str, str]:
    """Where this process's SSH agent listens, for reaching attached machines; the service's jobs get none."""
    return {name: os.environ[name] for name in ("SSH_AUTH_SOCK",) if name in os.environ}


def index_environment() -> dict[str, str]:
    """The part of this process's environment that says where packages come from, for building with uv."""
    found = {name: os.environ[name] for name in _INDEX if name in os.environ}
    return found | {name: value for name, value in os.environ.items() if name.startswith("UV_INDEX_")}


def read_address(folder: WorkspaceFolder) -> Address | None:
    """Where the service said it listens; it may be gone since."""
    try:
        found = json.loads(folder.address.read_bytes())
        return Address(
            found["address"], found["version"], int(found["protocol"]), found["instance"], int(found["pid"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_running(folder: WorkspaceFolder) -> bool:
    """Whether a service holds the workspace's lock."""
    if not folder.lock.exists():
        return False
    lock = LifeLock(folder.lock)
    if lock.take():
        lock.release()
        return False
    return True


def start(folder: WorkspaceFolder) -> Address:
    """Start the service and return its address once it has one; another starter's service is as good."""
    if folder.mirror.is_file():
        raise UnavailableError(
            "This job runs on another machine than its workspace, whose service it cannot ask.",
            hint="Logging metrics, params, tags and files works here; do the rest where the workspace is.",
        )
    before = read_address(folder)
    process = _spawn(folder)
    deadline = time.monotonic() + limits.SERVICE_START_SECONDS
    while time.monotonic() < deadline:
        address = read_address(folder)
        if address is not None and (before is None or address.instance != before.instance):
            return address
        if process.poll() not in (None, 0):
            raise _failure(folder)
        if process.poll() == 0 and not is_running(folder):
            process = _spawn(folder)
        time.sleep(0.01)
    raise UnavailableError(
        f"The workspace service did not start within {limits.SERVICE_START_SECONDS:.0f} s.",
        hint=f"Its log may say why: {folder.service_log}",
    )


def wait_until_gone(folder: WorkspaceFolder, seconds: float = 15.0) -> bool:
    """Wait for a service that was told to stop; whether it went."""
    deadline = time.monotonic() + seconds
    while is_running(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _spawn(folder: WorkspaceFolder) -> subprocess.Popen[bytes]:
    make_private(folder.run)
    descriptor = os.open(folder.service_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jupyter_aml.service", str(folder.root)],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd=folder.root,
            env=kept_environment() | index_environment() | agent_environment(),
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    # Somebody must take the exit status of the service when it ends before this process does.
    threading.Thread(target=process.wait, name="aml-service-reaper", daemon=True).start()
    return process


def _failure(folder: WorkspaceFolder) -> Exception:
    lines = folder.service_log.read_text(errors="replace").splitlines()[-12:]
    for position, line in enumerate(lines):
        if line.startswith("aml-error: "):
            _, code, message = line.split(": ", 2)
            rest = lines[position + 1 :]
            return ERROR_CLASSES.get(code, UnavailableError)(message, None, "\n".join(rest) or None)
    return UnavailableError(
        "The workspace service could not start.", "\n".join(lines), f"Log: {folder.service_log}"
    )
