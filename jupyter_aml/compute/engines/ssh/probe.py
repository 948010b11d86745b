"""Looking at a machine before it is attached: can we get in, and is there what a runner needs?"""

from __future__ import annotations

import json
import subprocess
from importlib import resources
from typing import Any

import jupyter_aml
from jupyter_aml.compute.engines.ssh.channel import ConnectionLostError, RefusedError, explained, printable
from jupyter_aml.compute.engines.ssh.connection import Target, TargetFolder, ssh_arguments, ssh_environment
from jupyter_aml.errors import InvalidError

_PROBE_SECONDS = 50.0
_LEAST_PYTHON = (3, 11)
_LEAST_DISK = 500 * 1024**2
_NOT_FOUND = 127


def probe(target: Target, folder: TargetFolder) -> dict[str, Any]:
    """What is there; `InvalidError` naming everything that is missing."""
    script = resources.files("jupyter_aml.compute.engines.ssh").joinpath("bootstrap.py").read_bytes()
    try:
        answer = subprocess.run(
            ssh_arguments(target, folder, f"exec {target.python} -"),
            input=script, capture_output=True, check=False, timeout=_PROBE_SECONDS,
            env=ssh_environment(folder),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ConnectionLostError(f"{target.shown} did not answer in {_PROBE_SECONDS:g} s.") from None
    said = answer.stderr[-4000:].decode("utf-8", "replace")
    if answer.returncode == _NOT_FOUND:
        raise RefusedError(
            f"{target.shown} has no Python {target.python!r}.",
            printable(said) or None,
            "Name one that is there, such as /usr/bin/python3.12.",
        )
    if answer.returncode != 0:
        raise explained(target, answer.returncode, said)
    _, mark, text = answer.stdout.decode("utf-8", "replace").rpartition("\nAML-PROBE ")
    try:
        found = json.loads(text) if mark else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise RefusedError(f"What the Python of {target.shown} said is not what was asked.")
    _check(target, found)
    return found


def _check(target: Target, found: dict[str, Any]) -> None:
    version = tuple(int(part) for part in found["python"])
    problems = []
    if version < _LEAST_PYTHON:
        problems.append(f"its Python is {_dotted(version)}; {_dotted(_LEAST_PYTHON)} or newer is needed")
    if problem := found.get("problem"):
        problems.append(f"nothing can be kept or locked there: {printable(str(problem))}")
    if int(found.get("free", _LEAST_DISK)) < _LEAST_DISK and not found["package"]:
        problems.append("its disk has less than 500 MiB free")
    if not found["package"] and not found["venv"]:
        problems.append("its Python cannot make environments (on Debian: apt install python3-venv)")
    if found["package"] and found["package"] != jupyter_aml.__version__:
        problems.append(
            f"its Python has jupyter_aml {printable(str(found['package']))}, "
            f"here is {jupyter_aml.__version__}"
        )
    if problems:
        raise InvalidError(
            f"{target.shown} cannot run jobs.",
            "\n".join(problems),
            "Set it right there, or name another Python.",
        )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
