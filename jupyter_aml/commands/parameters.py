"""Parameters on a command line: their options, and how a text becomes a value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jupyter_aml.commands.declare import option
from jupyter_aml.errors import InvalidError, NotFoundError

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|nan)", re.ASCII)
_WORDS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}


def typed(text: str) -> Any:
    """A parameter's value as papermill reads it: number, true, false, none, list, dictionary, text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return _yaml_value(text)
    return text


def _yaml_value(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


PARAMETER = option(
    "-p", "--parameter", name="parameters", arity="pairs", convert=typed,
    help="a parameter; 0.1, true, none and [1, 2] are read as such, the rest as text",
)  # fmt: skip
RAW_PARAMETER = option(
    "-r", "--raw-parameter", name="raw_parameters", arity="pairs", help="a parameter whose value is text"
)
PARAMETERS_FILE = option(
    "-f",
    "--parameters-file",
    metavar="FILE",
    values="file",
    help="a YAML or JSON file of parameters; -p and -r win",
)
PARAMETER_OPTIONS = (PARAMETER, RAW_PARAMETER, PARAMETERS_FILE)


def gathered(
    parameters: Iterable[tuple[str, Any]], raw_parameters: Iterable[tuple[str, Any]], file: str | None
) -> dict[str, Any]:
    """The parameters of the options together."""
    found = {} if file is None else read_mapping(Path(file))
    found.update(parameters)
    found.update((name, str(value)) for name, value in raw_parameters)
    return found


def read_mapping(path: Path) -> dict[str, Any]:
    """The mapping a YAML (or JSON) file holds; `InvalidError` where it holds something else."""
    import yaml

    try:
        found = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise InvalidError(f"{path} is not valid YAML.", " ".join(str(error).split())) from None
    if not isinstance(found, dict):
        raise InvalidError(f"{path} must hold a mapping of names to values.")
    return {str(name): value for name, value in found.items()}


def read_text(path: Path) -> str:
    """The text a file holds."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {str(path)!r}.", hint=f"Looked from {Path.cwd()}.") from None
    except UnicodeDecodeError as error:
        raise InvalidError(f"{path} is not valid UTF-8.", " ".join(str(error).split())) from None


def tag_pairs(texts: Iterable[str]) -> dict[str, str]:
    """``["a=1", "b=x y"]`` as a dictionary."""
    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise InvalidError(f"{text!r} is no tag.", hint="Write --set-tag name=value.")
        found[name] = value
    return found
