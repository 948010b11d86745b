"""Resolving a definition: every package it gets, with version and hashes, by ``uv pip compile``.

Every environment also gets ipykernel (its notebooks), cloudpickle (the variables of cells) and pip (jobs that
install something more for themselves), in the versions of this process where they fit the rest.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from jupyter_aml.environments.folder import Resolution
from jupyter_aml.environments.model import Definition
from jupyter_aml.environments.pythons import Python, search_path
from jupyter_aml.environments.requirements import check_lock, requirement_name
from jupyter_aml.environments.uv_process import Stop, UvFailed, Write, run_uv
from jupyter_aml.errors import AmlError

LOCK_PATH = "environment/requirements.lock"  # among a run's files
ALWAYS = ("cloudpickle", "ipykernel")
_PYTHON_LINE = re.compile(r"^# python (3\.[0-9]+\.[0-9]+\S*)$", re.MULTILINE)
_OFFLINE = re.compile(
    r"error sending request|dns error|tcp connect error|network was disabled|Connection refused|timed out",
    re.IGNORECASE,
)
_FULL = re.compile(r"No space left on device|os error 28|Disk quota exceeded")
_COULD_NOT = "The environment could not be built"


class EnvironmentBuildError(AmlError):
    """An environment cannot be resolved or built."""

    code = "environment_build"


def resolve(
    definition: Definition, python: Python, *, index: Mapping[str, str], write: Write, stop: Stop
) -> Resolution:
    """The lock of ``definition`` for ``python``; `EnvironmentBuildError` naming what cannot be had."""
    pins = _own_versions()
    try:
        text = _compile(definition, python, pins, index=index, write=write, stop=stop)
    except UvFailed as first:
        if _OFFLINE.search(first.text) or _FULL.search(first.text):
            raise failure(definition, first.text) from None
        write("once more, with any versions of ipykernel and cloudpickle")
        try:
            text = _compile(definition, python, {}, index=index, write=write, stop=stop)
        except UvFailed as error:
            raise failure(definition, error.text) from None
    return Resolution(python, f"# python {python.version}\n{check_lock(text)}")


def _own_versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ALWAYS}


def _compile(
    definition: Definition,
    python: Python,
    pins: Mapping[str, str],
    *,
    index: Mapping[str, str],
    write: Write,
    stop: Stop,
) -> str:
    with tempfile.TemporaryDirectory(prefix="aml-lock-") as folder:
        place = Path(folder)
        asked, held, lock = place / "requirements.in", place / "constraints.in", place / "requirements.lock"
        base = [f"{name}=={pins[name]}" if name in pins else name for name in ALWAYS]
        asked.write_text("".join(f"{line}\n" for line in [*definition.requirements, *base, "pip"]))
        held.write_text("".join(f"{line}\n" for line in definition.constraints))
        arguments = [
            "pip", "compile", str(asked), "--constraint", str(held), "--output-file", str(lock),
            "--python", python.executable, "--generate-hashes", "--no-header", "--no-annotate",
            "--quiet",
        ]  # fmt: skip
        run_uv(arguments, index=index, search=search_path(), write=write, stop=stop)
        return lock.read_text()


def python_of(lock: str) -> str | None:
    """The whole version of the Python that a lock was resolved for."""
    match = _PYTHON_LINE.search(lock)
    return match[1] if match else None


def failure(definition: Definition, said: str) -> EnvironmentBuildError:
    """What uv said, as an error that names the requirement and what to do."""
    reason = _reason(said)
    if _FULL.search(said):
        return EnvironmentBuildError(
            f"{_COULD_NOT}: the disk is full.",
            None,
            "Free some space, with aml environment prune for example.",
        )
    if _OFFLINE.search(said):
        return EnvironmentBuildError(
            f"{_COULD_NOT}: the package index cannot be reached.",
            reason,
            "Look at the network, or at the configuration of pip. What is built already is usable without.",
        )
    named = [line for line in definition.requirements if _mentions(said, requirement_name(line))]
    which = f" because of {', '.join(named[:3])}" if named else ""
    return EnvironmentBuildError(
        f"{_COULD_NOT}{which}.",
        reason,
        "Change the requirement; the whole log is system_logs/environment.txt.",
    )


def _reason(said: str) -> str:
    lines = [line.strip().removeprefix("cause: ") for line in said.splitlines()]
    kept = [line for line in lines if line and not line.startswith(("warning:", "hint:"))]
    return "\n".join(kept[:12])[:3000]


def _mentions(said: str, name: str) -> bool:
    pattern = re.escape(name).replace(r"\-", "[-_.]")
    return re.search(rf"(?<![\w.-]){pattern}(?![\w-])", said, re.IGNORECASE) is not None
