"""A job's YAML file in Azure's v2 schema, with the changes ``--set`` makes to it, as a job of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.commands.parameters import read_mapping
from jupyter_aml.errors import InvalidError, UsageError, did_you_mean

if TYPE_CHECKING:
    from jupyter_aml.jobs.model import Job

_PART = re.compile(r"""\.?(?:"([^"]*)"|'([^']*)'|([^.\[\]"']+)|\[([0-9]+)\])""")
_SHARED = {"experiment_name", "display_name", "description", "tags", "environment_variables", "retries"}
_SHARED |= {"environment"}
# Fields that say something about Azure only, or that this floor of the house does not have yet.
_WITHOUT_EFFECT = {
    "$schema",
    "type",
    "name",
    "properties",
    "services",
    "compute",
    "resources",
    "limits",
}
_OWN = {
    "command": {"command", "code", "inputs", "distribution"},
    "notebook": {"notebook", "code", "parameters"},
}


def load(path: Path, changes: Sequence[str], say: Callable[[str], None]) -> tuple[Job, str | None]:
    """The job in the file ``path``, with ``changes`` (``a.b=value``) made first, and its compute.

    What the file asks for and is not here yet is told by ``say``; an unknown field is an error.
    """
    found = read_mapping(path)
    for change in changes:
        set_value(found, change)
    kind = str(found.get("type", "command"))
    if kind not in _OWN:
        raise InvalidError(
            f"{path}: jobs of type {kind!r} are not supported.", hint="It is command or notebook."
        )
    known = _SHARED | _WITHOUT_EFFECT | _OWN[kind]
    for field in found:
        if field not in known:
            raise InvalidError(f"{path}: Unknown field {field!r}.", hint=did_you_mean(field, known))
    if isinstance(found.get("environment"), dict):
        found["environment"] = _inline_environment(path, found["environment"], say)
    compute = found.get("compute")
    return _job(path, kind, found), None if compute is None else str(compute).removeprefix("azureml:")


def _inline_environment(
    path: Path, given: dict[str, Any], say: Callable[[str], None]
) -> dict[str, Any] | None:
    """What an environment in the job itself consists of; None for a container image and nothing besides."""
    if set(given) & {"image", "build"}:
        say("The job's container image is not used here: it runs with Python packages of this machine.")
    rest = {key: value for key, value in given.items() if key not in ("image", "build")}
    if not set(rest) - {"name", "version", "description", "tags"}:
        return None
    files = ("conda_file", "requirements_file", "pyproject", "uv_lock")
    return {
        key: str(path.parent / value) if key in files and isinstance(value, str) else value
        for key, value in rest.items()
    }


def _job(path: Path, kind: str, found: dict[str, Any]) -> Job:
    from jupyter_aml.jobs.model import command, notebook

    options = {name: found[name] for name in _SHARED if found.get(name) is not None}
    for name in ("tags", "environment_variables"):
        if name in options:
            options[name] = {str(key): str(value) for key, value in options[name].items()}
    options["timeout"] = (found.get("limits") or {}).get("timeout")
    code = path.parent / found["code"] if found.get("code") else None
    if kind == "command":
        options["instance_count"] = (found.get("resources") or {}).get("instance_count", 1)
        options["distribution"] = found.get("distribution")
        return command(_needed(path, found, "command"), code=code, inputs=_inputs(path, found), **options)
    file = (code or path.parent) / _needed(path, found, "notebook")
    return notebook(file, found.get("parameters"), code=code, **options)


def _needed(path: Path, found: dict[str, Any], field: str) -> str:
    if not found.get(field):
        raise InvalidError(f"{path}: the field {field!r} is missing.")
    return str(found[field])


def _inputs(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    """Literal inputs, of which ``{value: 1}`` is Azure's longer form, and data."""
    inputs: dict[str, Any] = {}
    for name, value in (found.get("inputs") or {}).items():
        if isinstance(value, dict) and "path" in value:
            inputs[str(name)] = _data_input(path, str(name), value)
            continue
        literal = value.get("value", value.get("default")) if isinstance(value, dict) else value
        if not isinstance(literal, str | int | float | bool):
            raise InvalidError(
                f"{path}: input {name!r} is no literal value.",
                hint="Data is an input with a path: {path: azureml:diabetes:1}",
            )
        inputs[str(name)] = literal
    return inputs


def _data_input(path: Path, name: str, given: dict[str, Any]) -> dict[str, Any]:
    """A data asset by its reference; a file or folder beside the YAML must be registered first."""
    modes = ("ro_mount", "download", "direct")
    if given.get("mode", modes[0]) not in modes:
        raise InvalidError(
            f"{path}: input {name!r} asks for mode {given['mode']!r}.",
            hint=f"It is one of: {', '.join(modes)}.",
        )
    if not str(given["path"]).startswith("azureml:"):
        raise InvalidError(
            f"{path}: input {name!r} is {given['path']!r}, and no data asset.",
            hint=f"Register it: aml data create -n {name} -p {given['path']}; then path: azureml:{name}:1",
        )
    return {key: str(given[key]) for key in ("path", "mode") if key in given}


def set_value(document: dict[str, Any], change: str) -> None:
    """Make one change ``a.b[0]."c.d"=value`` in ``document``; the value is JSON, else text."""
    path, separator, text = change.partition("=")
    steps = _steps(path)
    if not separator or not steps:
        raise UsageError(
            f"--set {change!r} is no change.", hint="Write --set PATH=VALUE, such as inputs.lr=0.1"
        )
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    place: Any = document
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, int) != isinstance(place, list) or (isinstance(step, int) and step >= len(place)):
            raise UsageError(f"--set {change!r}: there is no {step!r} in it.")
        if following is None:
            place[step] = value
        elif isinstance(place, dict):
            place = place.setdefault(step, {})
        else:
            place = place[step]
        if following is not None and not isinstance(place, dict | list):
            raise UsageError(f"--set {change!r}: {step!r} holds a single value.")


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    position = 0
    while position < len(path):
        match = _PART.match(path, position)
        if match is None:
            return []
        double, single, name, index = match.groups()
        steps.append(
            int(index) if index is not None else next(x for x in (double, single, name) if x is not None)
        )
        position = match.end()
    return steps
