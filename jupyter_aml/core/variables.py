"""Environment variables a user may give to what the workspace runs: one rule for jobs and environments."""

from __future__ import annotations

import re

from jupyter_aml.core.paths import check_value
from jupyter_aml.errors import InvalidError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_RESERVED_PREFIXES = ("AML_", "AZUREML_", "JUPYTER_", "JPY_", "IPYTHON", "LD_")
_RESERVED = {"BASH_ENV", "ENV", "PYTHONSTARTUP", "PYTHONHOME", "GIT_SSH_COMMAND", "IFS", "PS4"}
_LENGTH = 100_000


def check_variable(name: str) -> str:
    """``name`` if a job may set this environment variable."""
    if not _NAME.fullmatch(name) or len(name) > 200:
        raise InvalidError(f"{ascii(name)[:80]} cannot name an environment variable.")
    if name in _RESERVED or name.upper().startswith(_RESERVED_PREFIXES):
        raise InvalidError(f"The environment variable {name} is set by the runner and cannot be changed.")
    return name


def check_variables(variables: dict[str, str]) -> dict[str, str]:
    """``variables`` if a job may set all of them, to these values."""
    for name, value in variables.items():
        check_variable(name)
        check_value(value, f"value of variable {name}", _LENGTH)
    return variables
