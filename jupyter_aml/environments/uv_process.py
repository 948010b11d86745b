"""Running uv: always from a list, never in a user's folder, stoppable at any moment, its words in a log."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from ctypes import CDLL

from jupyter_aml.errors import AmlError

Write = Callable[[str], None]
# Why to stop now (``canceled``, ``timeout``), or None to go on.
Stop = Callable[[], str | None]
_LOOK_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_KEPT_CHARACTERS = 200_000
# What of the environment reaches uv beside what configures its index (see `jupyter_aml.environments.index`).
_KEPT = (
    "HOME PATH LANG TMPDIR TMP TEMP USER LOGNAME XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME SSL_CERT_FILE "
    "SSL_CERT_DIR HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy ALL_PROXY AML_RUN_ID"
).split()


class BuildStopped(Exception):
    """The build was stopped; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UvFailed(Exception):
    """uv ended with an error; ``text`` is what it said, without credentials."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def find_uv() -> str:
    """The uv that came with its wheel."""
    try:
        import uv

        return uv.find_uv_bin()
    except (ImportError, FileNotFoundError):
        raise AmlError(
            "uv, which builds environments, is not installed beside jupyter_aml.", hint="pip install uv"
        ) from None


def without_credentials(text: str) -> str:
    """``text`` with the user and password of each address left out."""
    return _CREDENTIALS.sub("****@", text)


def run_uv(
    arguments: Sequence[str],
    *,
    index: Mapping[str, str],
    search: str,
    write: Write,
    stop: Stop,
    warnings: bool = True,
) -> str:
    """Run ``uv *arguments`` and return what it printed; `UvFailed` or `BuildStopped` otherwise.

    Args:
        index: the variables that say where packages come from.
        search: the ``PATH`` on which it looks for Pythons.
        write: takes each line as it comes.
        stop: asked every 50 ms.
        warnings: whether its standard error counts among what it says.
    """
    parent = os.getpid()
    process = subprocess.Popen(
        [find_uv(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if warnings else subprocess.DEVNULL,
        cwd="/",  # no project of anybody's is found from here
        env=_environment(index, search),
        start_new_session=True,
        preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509 - the runner has no other thread yet
    )
    try:
        text = _read(process, write, stop)
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    if process.returncode != 0:
        raise UvFailed(text.strip() or f"uv ended with {process.returncode} and said nothing")
    return text


def _environment(index: Mapping[str, str], search: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # A job that writes into its environment must not reach uv's own cache; who wants links says so.
    kept["UV_LINK_MODE"] = "copy"
    ours = {
        "PATH": search,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
        "PYTHONUTF8": "1",
    }
    return {**kept, **index, **ours}


def _die_with(parent: int) -> None:
    """In the child, before it becomes uv: end when the runner does, however that ends."""
    with contextlib.suppress(OSError, AttributeError):
        CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _read(process: subprocess.Popen[bytes], write: Write, stop: Stop) -> str:
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN | select.POLLHUP)
    rest, kept = b"", ""
    while True:
        if reason := stop():
            raise BuildStopped(reason)
        if not waiting.poll(_LOOK_SECONDS * 1000):
            continue
        data = os.read(descriptor, 65536)
        *lines, rest = (rest + data).split(b"\n") if data else ([rest] if rest else []) + [b""]
        for line in lines:
            text = without_credentials(line.decode("utf-8", "replace").rstrip("\r"))
            write(text)
            kept = (kept + text + "\n")[-_KEPT_CHARACTERS:]
        if not data:
            break
    while process.poll() is None:
        if reason := stop():
            raise BuildStopped(reason)
        time.sleep(0.005)
    return kept
