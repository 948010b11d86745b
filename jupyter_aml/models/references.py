"""How models are named: ``diabetes``, ``diabetes:3``, ``diabetes@champion``, Azure's and MLflow's forms."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jupyter_aml import limits
from jupyter_aml.core.paths import check_name
from jupyter_aml.errors import InvalidError

_MLFLOW = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[^/@]+)|@(?P<alias>[^/@]+))")
_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_LIKE_VERSION = re.compile(r"v?[0-9]+", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
LATEST = "latest"


@dataclass(frozen=True)
class Reference:
    """A name with a version or an alias, at most one of them; neither means the newest version."""

    name: str
    version: int | None = None
    alias: str | None = None


def check_model_name(name: object) -> str:
    """``name`` if a model may be called so."""
    return check_name(name, "model")


def check_alias(alias: object) -> str:
    """``alias`` if it may be one: a word that no one can take for a version or for ``latest``."""
    if isinstance(alias, str) and _ALIAS.fullmatch(alias):
        if alias.lower() != LATEST and not _LIKE_VERSION.fullmatch(alias):
            return alias
        raise InvalidError(
            f"The alias {alias!r} could be taken for a version.", hint="Choose a word such as 'champion'."
        )
    raise InvalidError(
        f"{ascii(alias)[:80]} is not a valid alias.",
        hint="Use letters, digits, '_', '.' and '-', starting with a letter, at most 128 characters.",
    )


def check_version(text: object) -> int:
    """``text`` as the number of a version."""
    shown = str(text)
    if _NUMBER.fullmatch(shown) and int(shown) <= limits.MODEL_VERSION_MAX:
        return int(shown)
    raise InvalidError(f"{ascii(text)[:60]} is no version.", hint="Versions are the numbers 1, 2, 3 and on.")


def parse_reference(text: str) -> Reference:
    """The version that ``text`` names."""
    match = _MLFLOW.fullmatch(text)
    if match is not None:
        name, version, alias = match["name"], match["version"], match["alias"]
    else:
        rest = text.removeprefix("azureml:")
        name, at, alias = rest.partition("@")
        version = None
        if not at:
            name, colon, version = rest.partition(":")
            alias, version = None, version if colon else None
    check_model_name(name)
    if LATEST in (version, alias):
        return Reference(name)
    return Reference(
        name,
        None if version is None else check_version(version),
        None if alias is None else check_alias(alias),
    )
