"""Where a run comes from: git, Python, packages, host and user. Collected once a process where it can be."""

from __future__ import annotations

import functools
import getpass
import platform
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

_DIFF_CHARACTERS = 1_000_000


def source_of(folder: Path) -> dict[str, Any]:
    """What is known of code in ``folder`` and of this process.

    ``git`` is None outside a repository; ``diff`` (what is not committed) and ``packages`` are texts the
    service keeps as files of the run.
    """
    git = _git_state(folder)
    diff = git.pop("diff") if git else ""
    return {
        "git": git,
        "diff": diff,
        "packages": packages(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "user": getpass.getuser(),
        "folder": str(folder),
    }


def packages() -> str:
    """The installed distributions, ``name==version`` a line."""
    return _packages(tuple(sys.path))


@functools.lru_cache(maxsize=2)
def _packages(_path: tuple[str, ...]) -> str:
    found = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    return "".join(
        f"{name}=={version}\n" for name, version in sorted(found.items(), key=lambda i: i[0].lower())
    )


def git_of(folder: Path) -> dict[str, Any] | None:
    """The repository, commit and branch of ``folder`` and whether it is dirty; None outside a repository."""
    found = _git_state(folder)
    return None if found is None else {name: value for name, value in found.items() if name != "diff"}


def _git_state(folder: Path) -> dict[str, Any] | None:
    head = _git(folder, "rev-parse", "--show-toplevel", "HEAD", "--abbrev-ref", "HEAD")
    if head is None or len(head.splitlines()) < 3:
        return None
    top, commit, branch = head.splitlines()[:3]
    with ThreadPoolExecutor(3) as pool:
        status = pool.submit(_git, folder, "status", "--porcelain", "--untracked-files=no")
        diff = pool.submit(_git, folder, "diff", "HEAD", "--no-color", "--no-ext-diff", "--no-textconv")
        remote = pool.submit(_git, folder, "config", "--get", "remote.origin.url")
    return {
        "repository": _without_password((remote.result() or top).strip()),
        "commit": commit,
        "branch": branch,
        "dirty": bool((status.result() or "").strip()),
        "diff": (diff.result() or "")[:_DIFF_CHARACTERS],
    }


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _without_password(url: str) -> str:
    """A remote's URL without the user and password some people keep in it."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rsplit('@', 1)[-1]}{slash}{path}"
