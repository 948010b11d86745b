"""Reading the file ``MLmodel`` of an MLflow model: data from strangers, of which nothing becomes an object.

Every scalar stays text. Tags, aliases, deep nesting and size are refused before anything is built, so neither
``!!python/...`` nor a few lines that unfold into gigabytes do harm.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from jupyter_aml import limits
from jupyter_aml.errors import InvalidError
from jupyter_aml.models.model import Column, Signature

NAME = "MLmodel"
_DEPTH = 32
_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # makes texts, lists and dictionaries only
_TOO_STRANGE = "If it is no MLflow model, register it with type='custom_model'."


def read_mlmodel(data: bytes) -> dict[str, Any]:
    """The content of an ``MLmodel`` file, its scalars as text; `InvalidError` for what is none."""
    if len(data) > limits.MLMODEL_BYTES:
        raise InvalidError(
            f"The file {NAME} has {len(data):,} bytes; at most {limits.MLMODEL_BYTES:,} are read.",
            hint=_TOO_STRANGE,
        )
    try:
        text = data.decode()
        _refuse_tricks(text)
        found = yaml.load(text, Loader=_Loader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise InvalidError(
            f"The file {NAME} is not valid YAML.", " ".join(str(error).split())[:500], _TOO_STRANGE
        ) from None
    if not isinstance(found, dict) or not isinstance(found.get("flavors"), dict):
        raise InvalidError(f"The file {NAME} names no flavors.", hint=_TOO_STRANGE)
    return found


def _refuse_tricks(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ValueError("anchors and aliases are not taken")
        if getattr(event, "tag", None) is not None:
            raise ValueError("tags are not taken")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH:
            raise ValueError(f"it is deeper than {_DEPTH} levels")


def signature_of(content: dict[str, Any]) -> Signature | None:
    """What an ``MLmodel`` says the model takes and gives; None where it does not say, or not readably."""
    told = content.get("signature")
    if not isinstance(told, dict):
        return None
    try:
        return Signature(
            inputs=_columns(told.get("inputs")), outputs=_columns(told.get("outputs")), source="mlflow"
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _columns(text: object) -> list[Column]:
    if not isinstance(text, str) or text in ("", "null", "~"):
        return []
    return [_column(item) for item in json.loads(text)]


def _column(item: dict[str, Any]) -> Column:
    if item["type"] == "tensor":
        spec = item["tensor-spec"]
        return Column(name=item.get("name"), type=spec["dtype"], shape=spec["shape"])
    return Column(name=item.get("name"), type=item["type"])
