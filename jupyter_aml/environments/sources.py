"""Definitions from what a user has: a list, files, a project, an interpreter, or the kernel as it is.

Everything here happens on the user's side; what goes to the service is the definition, and no path of a file.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from jupyter_aml.environments.conda import conda_content, read_conda
from jupyter_aml.environments.model import Definition
from jupyter_aml.environments.pythons import minor_of, own_python
from jupyter_aml.environments.requirements import check_requirement
from jupyter_aml.environments.uv_process import find_uv
from jupyter_aml.errors import InvalidError, NotFoundError, UsageError, did_you_mean

_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_FILE_OPTION = re.compile(r"(?P<option>-r|-c|--requirement|--constraint)(?:\s+|=)?(?P<file>\S.*)")
_DEPTH = 10
_IMAGE_NOTE = "image {!a} is not used here: the environment is Python packages on this machine."
_EXPORT_SECONDS = 60.0
# The fields of Azure's environment YAML that mean nothing on one machine.
_WITHOUT_EFFECT = {"$schema", "os_type", "inference_config", "properties", "creation_context", "datastore"}
_FIELDS = {
    "requirements", "requirements_file", "conda_file", "pyproject", "uv_lock", "interpreter", "python",
    "extras", "extra_index_urls", "allow_direct", "environment_variables", "image", "build", "from_kernel",
}  # fmt: skip


def definition_of(
    requirements: Iterable[str] = (),
    *,
    requirements_file: str | Path | None = None,
    conda_file: str | Path | Mapping[str, Any] | None = None,
    pyproject: str | Path | None = None,
    uv_lock: str | Path | None = None,
    extras: Sequence[str] = (),
    interpreter: str | Path | None = None,
    from_kernel: bool = False,
    python: str | None = None,
    extra_index_urls: Iterable[str] = (),
    allow_direct: bool = False,
    environment_variables: Mapping[str, str] | None = None,
    image: str | None = None,
    build: object = None,
) -> Definition:
    """The definition of what is given; several sources add up.

    Args:
        requirements: such as ``["scikit-learn>=1.5", "pandas"]``.
        requirements_file: a file of pip's; its ``-r`` and ``-c`` are followed, other options refused by line.
        conda_file: a conda YAML, or its content.
        pyproject: a ``pyproject.toml`` or its folder: its dependencies, those of ``extras``, its Python.
        uv_lock: a ``uv.lock`` (its ``pyproject.toml`` beside it): exactly the versions it holds.
        interpreter: an installed Python to be used as it is, or a virtual environment's folder.
        from_kernel: the packages of this very process, in their versions.
        python: ``3.12``, ``3.12.1`` or ``>=3.10``; without it the Python that runs the workspace's service.
        image, build: Azure's container; noted as not used.
    """
    whole: dict[str, Any] = {
        "python": python,
        "requirements": [
            check_requirement(line, allow_direct=allow_direct) for line in _listed(requirements)
        ],
        "constraints": [],
        "extra_index_urls": list(extra_index_urls),
        "allow_direct": allow_direct,
        "environment_variables": dict(environment_variables or {}),
        "notes": [],
        "interpreter": None if interpreter is None else _interpreter(Path(interpreter)),
    }
    if build is not None:
        raise InvalidError(
            "An environment built from a Dockerfile cannot be made here.",
            hint="List its packages: requirements=, conda_file= or requirements_file=.",
        )
    if image is not None:
        whole["notes"].append(_IMAGE_NOTE.format(image))
    if requirements_file is not None:
        _add_file(whole, Path(requirements_file))
    if conda_file is not None:
        _add_conda(whole, conda_file)
    if pyproject is not None:
        _add_project(whole, Path(pyproject), extras)
    if uv_lock is not None:
        _add_uv_lock(whole, Path(uv_lock), extras)
    if from_kernel:
        _add_kernel(whole)
    return Definition.model_validate(whole)


def definition_from_mapping(found: Mapping[str, Any], folder: Path) -> Definition:
    """The definition that a mapping in Azure's form holds; its files are looked for from ``folder``."""
    given = {key: value for key, value in found.items() if key not in _WITHOUT_EFFECT}
    for key in given:
        if key not in _FIELDS:
            raise InvalidError(f"An environment has no field {key!r}.", hint=did_you_mean(key, _FIELDS))
    for key in ("requirements_file", "conda_file", "pyproject", "uv_lock"):
        if isinstance(given.get(key), str):
            given[key] = folder / given[key]
    if isinstance(given.get("python"), int | float):  # 3.10 has been read as 3.1
        raise InvalidError("The Python version must be a text.", hint='Put it in quotes: python: "3.12"')
    return definition_of(**given)


def _listed(requirements: Iterable[str]) -> list[str]:
    if isinstance(requirements, str | bytes):
        raise UsageError(
            "The requirements must be a list.", hint=f"Write requirements=[{ascii(requirements)[:60]}]"
        )
    return [str(line) for line in requirements]


def _add_file(whole: dict[str, Any], path: Path) -> None:
    for kind, line in _file_lines(path, whole["allow_direct"], "requirements", 0):
        whole[kind].append(line)


def _file_lines(path: Path, allow_direct: bool, kind: str, depth: int) -> Iterator[tuple[str, str]]:
    """The requirements and constraints of a file and of those it names, each with its kind."""
    if depth > _DEPTH:
        raise InvalidError(f"{path} is named by a file that it names.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {str(path)!r}.", hint=f"Looked from {Path.cwd()}.") from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise InvalidError(f"{path} is no file of requirements: {error}.") from None
    for number, line in _numbered(text):
        named = _FILE_OPTION.fullmatch(line)
        if named is not None and "://" not in named["file"]:
            inner = "constraints" if named["option"] in ("-c", "--constraint") else kind
            yield from _file_lines(path.parent / named["file"], allow_direct, inner, depth + 1)
        else:
            where = f"line {number} of {path.name}"
            yield kind, check_requirement(line, where, allow_direct=allow_direct)


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, continued ones joined, comments left out; with their numbers."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        bare = _COMMENT.sub("", line)
        if not parts:
            first = number
        if bare.endswith("\\"):
            parts.append(bare[:-1].strip())
            continue
        whole = " ".join([*parts, bare.strip()]).strip()
        parts = []
        if whole:
            yield first, whole


def _add_conda(whole: dict[str, Any], source: str | Path | Mapping[str, Any]) -> None:
    is_file = isinstance(source, str | Path)
    content = read_conda(Path(source)) if is_file else conda_content(dict(source), "conda_file")  # type: ignore[arg-type]
    folder = Path(source).parent if is_file else Path.cwd()  # type: ignore[arg-type]
    allow = whole["allow_direct"]
    for line in content.pip:
        named = _FILE_OPTION.fullmatch(line.strip())
        if named is not None:
            _add_file(whole, folder / named["file"])
        else:
            whole["requirements"].append(check_requirement(line, "a pip dependency", allow_direct=allow))
    whole["requirements"] += [check_requirement(line, "a conda dependency") for line in content.requirements]
    whole["notes"] += content.notes
    whole["python"] = whole["python"] or content.python
    whole["environment_variables"] = {**content.variables, **whole["environment_variables"]}


def _add_project(whole: dict[str, Any], path: Path, extras: Sequence[str]) -> None:
    file = path / "pyproject.toml" if path.is_dir() else path
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project")
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {str(file)!r}.", hint=f"Looked from {Path.cwd()}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidError(f"{file} is not valid TOML: {error}.") from None
    if not isinstance(project, dict):
        raise InvalidError(f"{file} has no table [project].")
    optional = project.get("optional-dependencies", {})
    lines = list(project.get("dependencies", []))
    for extra in extras:
        if extra not in optional:
            raise InvalidError(f"{file} has no extra {extra!r}.", hint=did_you_mean(extra, optional))
        lines += optional[extra]
    where = f"a dependency of {file.name}"
    own = re.sub(r"[-_.]+", "-", str(project.get("name", ""))).lower()
    checked = [check_requirement(line, where, allow_direct=whole["allow_direct"]) for line in lines]
    whole["requirements"] += [line for line in checked if re.split(r"[^a-z0-9-]", line)[0] != own]
    whole["python"] = whole["python"] or project.get("requires-python")


def _add_uv_lock(whole: dict[str, Any], path: Path, extras: Sequence[str]) -> None:
    folder = path if path.is_dir() else path.parent
    if not (folder / "uv.lock").is_file() or not (folder / "pyproject.toml").is_file():
        raise NotFoundError(f"There are no uv.lock and pyproject.toml in {folder}.")
    wanted = [part for extra in extras for part in ("--extra", extra)]
    command = [
        find_uv(), "export", "--frozen", "--no-dev", "--no-emit-workspace", "--no-header", "--no-annotate",
        "--format", "requirements-txt", "--quiet", "--project", str(folder), *wanted,
    ]  # fmt: skip
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=_EXPORT_SECONDS,
        check=False,
        env=environment,
        cwd="/",
    )
    if done.returncode != 0:
        raise InvalidError(f"{folder / 'uv.lock'} cannot be used.", done.stderr.strip()[:2000])
    for _, line in _numbered(done.stdout):
        allow = whole["allow_direct"]
        whole["requirements"].append(check_requirement(line, "a package of uv.lock", allow_direct=allow))
    table = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    whole["python"] = whole["python"] or table.get("requires-python")


def _interpreter(path: Path) -> str:
    found = path.expanduser().absolute()
    if found.is_dir():
        found = found / "bin" / "python"
    if not os.access(found, os.X_OK):
        raise NotFoundError(f"There is no interpreter {str(found)!r}.", hint=f"Looked from {Path.cwd()}.")
    return os.path.normpath(found)


def _add_kernel(whole: dict[str, Any]) -> None:
    """The installed distributions of this process; those that no index has are named in the notes."""
    left = []
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        if not name or name.lower() in ("jupyter_aml", "jupyter-aml", "pip", "setuptools", "wheel"):
            continue
        origin = json.loads(distribution.read_text("direct_url.json") or "{}")
        if origin:
            left.append(name)
        else:
            whole["requirements"].append(f"{name}=={distribution.version.split('+')[0]}")
    if left:
        names = ", ".join(sorted(set(left)))
        whole["notes"].append(f"left out, as they were installed from a folder or an address: {names}")
    whole["python"] = whole["python"] or minor_of(own_python().version)
