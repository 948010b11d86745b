"""A conda YAML as requirements of the package index.

Its pip part is taken as it is. Of the conda packages, those that are Python distributions are asked for by
their names there; what is no Python distribution cannot be had this way, and is refused line by line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from jupyter_aml.errors import InvalidError, NotFoundError

# The names of Python distributions that conda's packagers chose differently.
_RENAMED = {
    "pytorch": "torch", "pytorch-cpu": "torch", "torchtext": "torchtext", "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost", "opencv": "opencv-python-headless", "py-opencv": "opencv-python-headless",
    "pytables": "tables", "matplotlib-base": "matplotlib", "msgpack-python": "msgpack",
    "dask-core": "dask", "python-graphviz": "graphviz", "seaborn-base": "seaborn",
    "tensorflow-cpu": "tensorflow", "tensorflow-gpu": "tensorflow", "python-dateutil": "python-dateutil",
    "pyqt": "PyQt5", "faiss-cpu": "faiss-cpu", "ruamel_yaml": "ruamel.yaml", "py-lightgbm": "lightgbm",
    "python-snappy": "python-snappy", "sqlalchemy": "SQLAlchemy", "pillow-simd": "pillow",
}  # fmt: skip
# What conda installs besides Python distributions.
_FOREIGN = re.compile(
    r"(lib|r-|cuda|gcc|gxx|g\+\+|gfortran|clang|binutils|_lib|_openmp|sysroot|ld_impl|nvidia-|ros-|perl|mesa-)"
    r".*|(cudnn|cudatoolkit|nccl|mkl|blas|openblas|lapack|openmpi|mpich|openssl|ca-certificates|git|git-lfs"
    r"|nodejs|openjdk|java-jdk|maven|ffmpeg|make|gdal|proj|geos|hdf5|sqlite|tk|ncurses|readline|xz|zlib|bzip2"
    r"|curl|wget|jq|r-base|r|pandoc|texlive-core|magma-cuda.*|llvm.*|boost|boost-cpp|protobuf-compiler"
    r"|graphviz|unixodbc|postgresql|pytorch-cuda|cpuonly|compilers|cxx-compiler|c-compiler|fortran-compiler)",
    re.IGNORECASE,
)
# These say nothing of their own: the tools of the environment itself, and switches of conda's.
_DROPPED = {"pip", "setuptools", "wheel", "conda", "cpuonly", "nomkl", "pytorch-mutex", "python_abi"}
_SPEC = re.compile(
    r"(?:[A-Za-z0-9._/-]+::)?(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?P<rest>.*)", re.ASCII
)


@dataclass
class CondaContent:
    """What a conda YAML asks for, in terms of the package index."""

    name: str | None = None
    python: str | None = None
    requirements: list[str] = field(default_factory=list)
    pip: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


def read_conda(path: Path) -> CondaContent:
    """What the conda YAML in ``path`` asks for."""
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {str(path)!r}.", hint=f"Looked from {Path.cwd()}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"{path} is not valid YAML.", " ".join(str(error).split())[:500]) from None
    return conda_content(found, str(path))


def conda_content(document: object, where: str) -> CondaContent:
    """As `read_conda`, for a document that was read already."""
    if not isinstance(document, dict) or not isinstance(document.get("dependencies"), list):
        raise InvalidError(f"{where} is no conda environment.", hint="It must hold a list of 'dependencies'.")
    content = CondaContent(name=document.get("name") and str(document["name"]))
    variables = document.get("variables")
    if isinstance(variables, dict):
        content.variables = {str(name): str(value) for name, value in variables.items()}
    foreign: list[str] = []
    for item in document["dependencies"]:
        if isinstance(item, dict) and set(item) == {"pip"} and isinstance(item["pip"], list):
            content.pip += [str(line) for line in item["pip"]]
        elif isinstance(item, str):
            _take(content, item.strip(), foreign)
        else:
            raise InvalidError(f"{where}: {ascii(item)[:120]} is no conda dependency.")
    if foreign:
        raise _not_python(where, foreign)
    return content


def _take(content: CondaContent, line: str, foreign: list[str]) -> None:
    match = _SPEC.fullmatch(line)
    if match is None:
        raise InvalidError(f"{ascii(line)[:120]} is no conda dependency.")
    name, rest = match["name"].lower(), match["rest"].strip()
    if name == "python":
        content.python = _python(rest)
        return
    if name in _DROPPED:
        if rest:
            content.notes.append(f"{line} is left out: the environment has tools of its own.")
        return
    if _FOREIGN.fullmatch(name):
        foreign.append(line)
        return
    pip_name = _RENAMED.get(name, name)
    if pip_name.lower() != name:
        content.notes.append(f"{line} of conda is {pip_name} in the package index.")
    content.requirements.append(pip_name + _specifier(rest))


def _python(rest: str) -> str | None:
    """``=3.8``, ``3.8.5``, ``>=3.7,<3.9`` as this project writes a Python version."""
    text = rest.split(" ", maxsplit=1)[0].lstrip("=").removesuffix(".*").rstrip("*.")
    if not text:
        return None
    return text if re.fullmatch(r"[0-9.]+", text) else _specifier(rest)


def _specifier(rest: str) -> str:
    """conda's version, with a build string at times, as one of PEP 440: ``=1.2`` is ``==1.2.*``."""
    parts = rest.split()
    version = (
        "".join(parts)
        if any(part.startswith((">", "<", "!", ",")) for part in parts)
        else (parts[0] if parts else "")
    )
    exact = re.fullmatch(r"={1,2}\s*([^=<>!~,*|]+)(=[^=]*)?|([0-9][^=<>!~,|]*?)(=[^=]*)?", version)
    if exact is None:
        return version.replace("|", ",") if version not in ("*", "") else ""
    number = (exact[1] or exact[3]).strip().removesuffix(".*").removesuffix("*")
    fuzzy = (not version.startswith("==") and exact[2] is None and exact[4] is None) or version.endswith("*")
    return f"=={number}.*" if fuzzy else f"=={number}"


def _not_python(where: str, lines: list[str]) -> InvalidError:
    listed = "\n".join(f"  - {line}" for line in lines)
    return InvalidError(
        f"{where} asks for conda packages that are no Python distributions, which cannot be had here:",
        listed,
        "Take these lines out where the machine has what they bring, or make the environment with conda "
        "yourself and name its Python: interpreter=, or --interpreter.",
    )
