"""The parameters of a notebook: what its ``parameters`` cell offers, and whether given values fit.

papermill writes parameters into the notebook as source text, passes unknown names with a warning and fails
late on values it cannot write. Here a name must be one that the parameters cell assigns and a plain Python
identifier, and a value must be one that JSON can hold, so that it arrives in the notebook as it was given.
"""

from __future__ import annotations

import ast
import keyword
import unicodedata
from dataclasses import asdict, dataclass
from typing import Any

from nbformat import NotebookNode

from jupyter_aml import limits
from jupyter_aml.errors import InvalidError, did_you_mean
from jupyter_aml.jobs.notebook.document import has_tag

_TAG = "parameters"
_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, the source text of its default, its type ("" where unknown), its comment."""

    name: str
    default: str
    type: str
    help: str


def has_parameters_cell(notebook: NotebookNode) -> bool:
    """Whether a cell is tagged ``parameters``."""
    return any(has_tag(cell, _TAG) for cell in notebook.cells)


def inspect_parameters(notebook: NotebookNode) -> list[Parameter]:
    """The parameters of a Python notebook, in the order its parameters cell assigns them.

    papermill's inspection gives type and help; names it cannot see (it reads line by line) are added from
    the cell's syntax tree.
    """
    cell = next((cell for cell in notebook.cells if has_tag(cell, _TAG)), None)
    if cell is None or language(notebook) != "python":
        return []
    known = _inspected_by_papermill(cell)
    assigned = _assigned(cell.source)
    names = list(dict.fromkeys([*assigned, *known]))
    return [_parameter(name, known.get(name, {}), assigned.get(name)) for name in names]


def notebook_parameters(notebook: NotebookNode) -> dict[str, Any]:
    """What a submit form needs: ``{"items": [{name, default, type, help}], "has_parameters_cell": bool}``."""
    items = [asdict(parameter) for parameter in inspect_parameters(notebook)]
    return {"items": items, "has_parameters_cell": has_parameters_cell(notebook)}


def language(notebook: NotebookNode) -> str:
    """The notebook's language in lower case; Python where it does not say."""
    metadata = notebook.metadata
    named = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language")
    name = str(named or "python").lower()
    return "python" if name in ("python3", "ipython") else name


def _inspected_by_papermill(cell: NotebookNode) -> dict[str, dict[str, str]]:
    from papermill.translators import PythonTranslator

    return {found.name: found._asdict() for found in PythonTranslator.inspect(cell)}


def _assigned(source: str) -> dict[str, ast.expr | None]:
    """The names that the source assigns at its top level, with the expression where there is one."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last: nested too deep for the parser
        return {}
    names: dict[str, ast.expr | None] = {}
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign):
            targets: list[ast.expr] = [statement.target]
        elif isinstance(statement, ast.Assign):
            targets = statement.targets
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                names[target.id] = statement.value
    return names


def _parameter(name: str, found: dict[str, str], expression: ast.expr | None) -> Parameter:
    default = found.get("default") or ("" if expression is None else _source(expression))
    declared = found.get("inferred_type_name", "None")
    kind = declared if declared not in ("None", "NoneType") else _kind_of(default)
    return Parameter(name, default, kind, found.get("help", ""))


def _source(expression: ast.expr) -> str:
    try:
        return ast.unparse(expression)
    except RecursionError:
        return "..."


def _kind_of(default: str) -> str:
    """The type's name of a default that is a literal; "" for any other, or None."""
    try:
        value = ast.literal_eval(default)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
    name = type(value).__name__
    return name if name in _TYPES else ""


def check_parameters(notebook: NotebookNode, parameters: dict[str, Any]) -> None:
    """Refuse parameters that the notebook does not have, or whose values do not fit, with `InvalidError`."""
    if not parameters:
        return
    if language(notebook) != "python":
        raise InvalidError(
            f"Parameters can be given to Python notebooks only; this one is in {language(notebook)}.",
            hint="Pass values through files or environment variables of the job.",
        )
    if not has_parameters_cell(notebook):
        raise InvalidError(
            "The notebook has no cell tagged 'parameters', so it takes no parameters.",
            hint="Tag the cell that assigns the defaults: in JupyterLab, the cogwheel at the top right.",
        )
    known = {parameter.name: parameter for parameter in inspect_parameters(notebook)}
    for name, value in parameters.items():
        _check_name(name)
        if name not in known:
            raise InvalidError(
                f"The notebook has no parameter {name!r}.",
                hint=did_you_mean(name, known) or f"Its parameters are: {', '.join(known) or 'none'}.",
            )
        _check_value(name, value, 0)
        _check_type(known[name], value)


def _check_name(name: object) -> None:
    good = (
        isinstance(name, str)
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and len(name) <= limits.NOTEBOOK_PARAMETER_NAME_LENGTH
        and unicodedata.normalize("NFKC", name) == name
    )
    if not good:
        raise InvalidError(f"{ascii(name)[:80]} cannot be the name of a parameter.")


def _check_value(name: str, value: object, depth: int) -> None:
    """Refuse what JSON cannot hold, or would bring back as something else."""
    if depth > limits.JSON_DEPTH:
        raise InvalidError(
            f"The value of parameter {name!r} is nested deeper than {limits.JSON_DEPTH} levels."
        )
    if type(value) is str:
        if any(0xD800 <= ord(character) <= 0xDFFF for character in value):
            raise InvalidError(f"The value of parameter {name!r} holds a lone surrogate, which is no text.")
    elif type(value) is list:
        for item in value:
            _check_value(name, item, depth + 1)
    elif type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise InvalidError(f"The value of parameter {name!r} has a key that is not text: {key!r}.")
            _check_value(name, key, depth + 1)
            _check_value(name, item, depth + 1)
    elif value is not None and type(value) not in (bool, int, float):
        raise InvalidError(
            f"The value of parameter {name!r} is of type {type(value).__name__}, which cannot be passed.",
            hint="Use None, bool, int, float, str, or lists and dicts of these.",
        )


def _check_type(parameter: Parameter, value: object) -> None:
    accepted = _TYPES.get(parameter.type)
    if accepted is None:
        return
    if isinstance(value, accepted) and (parameter.type == "bool" or not isinstance(value, bool)):
        return
    raise InvalidError(
        f"Parameter {parameter.name!r} takes {parameter.type}, not {type(value).__name__} ({value!r:.60}).",
        hint=f"Its default is {parameter.default:.60}.",
    )
