"""Which Python an environment is built on: the runner's own where that fits, else one that is installed.

None is ever downloaded. Where none fits, the error lists those that are here.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from jupyter_aml.environments.uv_process import Stop, UvFailed, run_uv
from jupyter_aml.errors import AmlError

_EXACT = re.compile(r"3\.[0-9]+(\.[0-9]+)?", re.ASCII)


class NoPythonError(AmlError):
    """No Python of the version asked for is installed."""

    code = "no_python"


@dataclass(frozen=True)
class Python:
    """An installed Python: its program, and its whole version (``3.12.1``)."""

    executable: str
    version: str

    @property
    def minor(self) -> str:
        """Such as ``3.12``."""
        return minor_of(self.version)


def own_python() -> Python:
    """The Python that runs this."""
    return Python(sys.executable, platform.python_version())


def minor_of(version: str) -> str:
    """``3.12`` for ``3.12.1``."""
    return ".".join(version.split(".")[:2])


def fits(version: str, asked: str | None) -> bool:
    """Whether a Python of this whole version is one that was asked for (None: any)."""
    if asked is None:
        return True
    if _EXACT.fullmatch(asked):
        return version == asked or version.startswith(asked + ".")
    return SpecifierSet(asked).contains(Version(version), prereleases=True)


def find_python(asked: str | None, *, write: Callable[[str], None], stop: Stop) -> Python:
    """An installed Python that fits ``asked``, this one before all others; `NoPythonError` without one."""
    own = own_python()
    if fits(own.version, asked):
        return own
    found = installed(write=write, stop=stop)
    matching = [python for python in found if fits(python.version, asked)]
    if matching:
        return matching[0]
    here = ", ".join(dict.fromkeys([own.version, *(python.version for python in found)]))
    raise NoPythonError(
        f"The environment asks for Python {asked}, which is not installed here.",
        f"Installed: {here}.",
        "Install it, or ask for one of these; without a version the environment gets the first.",
    )


def installed(*, write: Callable[[str], None], stop: Stop) -> list[Python]:
    """The Pythons of this machine, newest first."""
    arguments = ["python", "list", "--only-installed", "--output-format", "json"]
    try:
        text = run_uv(
            arguments, index={}, search=search_path(), write=lambda line: None, stop=stop, warnings=False
        )
        items = json.loads(text)
    except (UvFailed, ValueError) as error:
        write(f"the installed Pythons could not be listed: {error}")
        return []
    pythons = {
        str(item["version"]): Python(str(item["path"]), str(item["version"]))
        for item in reversed(items)
        if item.get("path") and item.get("implementation") == "cpython" and item.get("variant") == "default"
    }
    return sorted(pythons.values(), key=lambda python: Version(python.version), reverse=True)


def search_path() -> str:
    """The ``PATH`` where uv looks: pyenv's Pythons themselves in the place of its shims, which choose one."""
    parts = os.environ.get("PATH", os.defpath).split(os.pathsep)
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    own = [str(folder) for folder in sorted(root.glob("versions/*/bin"))]
    return os.pathsep.join([*own, *(part for part in parts if not part.endswith("/shims"))])
