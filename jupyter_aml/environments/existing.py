"""An interpreter that is on the machine already and is used as it is: nothing is installed into it."""

from __future__ import annotations

import json
import os
import subprocess

from jupyter_aml.environments.lock import EnvironmentBuildError

_SECONDS = 30.0
_ASK = (
    "import importlib.util as u, json, platform; "
    "print(json.dumps([platform.python_version(), u.find_spec('ipykernel') is not None]))"
)


def inspect_interpreter(path: str, *, notebook: bool) -> str:
    """The whole version of the Python at ``path``; `EnvironmentBuildError` where it is of no use.

    Args:
        notebook: whether it is to run a notebook or a cell, which needs ipykernel there.
    """
    if not os.access(path, os.X_OK) or not os.path.isfile(path):
        raise EnvironmentBuildError(
            f"There is no interpreter {path} on this machine.", hint="Make another version with its path."
        )
    try:
        done = subprocess.run(
            [path, "-I", "-c", _ASK], capture_output=True, timeout=_SECONDS, check=True, cwd="/"
        )
        version, has_kernel = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        raise EnvironmentBuildError(f"{path} does not answer as a Python does.") from None
    if notebook and not has_kernel:
        raise EnvironmentBuildError(
            f"The interpreter {path} has no ipykernel, which runs notebooks and cells.",
            hint=f"Install it there: {path} -m pip install ipykernel cloudpickle",
        )
    return str(version)
