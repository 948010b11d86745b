"""Artifacts by MLflow's paths: ``<experiment>/<run>/artifacts/<path>``, those of logged models
(``<experiment>/models/<id>/artifacts/<path>``), and those of registered versions
(``registered/<name>/<version>/<path>``).

The path below ``artifacts/`` is our logical path and checked by its grammar. One kind of name does not fit
it: `log_image` writes ``images/KEY%step%3%timestamp%17%ID.png``, where ``KEY`` may hold ``#`` for a slash.
Such names, and no others, are kept with ``+`` in the place of ``%`` and ``~`` in that of ``#``; MLflow's
own client, which decodes the names it lists once more, could not read them back as they were.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jupyter_aml.core.ids import is_run_id
from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.errors import InvalidError

_IMAGE = re.compile(
    r"images/[^/%+~]+%step%-?[0-9]+%timestamp%[0-9]+%[0-9a-z-]+(%compressed)?\.(png|webp|json)",
    re.ASCII,
)
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}", re.ASCII)
_EXPERIMENT = re.compile(r"[0-9]{1,18}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*", re.ASCII)
_VERSION = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
MODELS, REGISTERED = "models", "registered"


@dataclass(frozen=True)
class Place:
    """Whose file is meant, and its path there; "" for the root.

    ``owner`` is the id of a run, or of a logged model, or (with a ``version``) the name of a registered
    model.
    """

    owner: str
    path: str
    is_model: bool = False
    version: int = 0


def artifact_place(text: str) -> Place:
    """What a path of the artifact proxy means; `InvalidError`, the same for all, where it means nothing."""
    parts = text.split("/", 3)
    if len(parts) >= 3 and _EXPERIMENT.fullmatch(parts[0]):
        if is_run_id(parts[1]) and parts[2] == "artifacts":
            return Place(parts[1], checked_path(text.split("/", 3)[3]) if len(parts) > 3 else "")
        rest = text.split("/", 4)
        if parts[1] == MODELS and len(rest) >= 4 and _MODEL_ID.fullmatch(rest[2]) and rest[3] == "artifacts":
            return Place(rest[2], checked_path(rest[4]) if len(rest) > 4 else "", is_model=True)
    if (
        len(parts) >= 3
        and parts[0] == REGISTERED
        and _NAME.fullmatch(parts[1])
        and _VERSION.fullmatch(parts[2])
    ):
        return Place(parts[1], checked_path(parts[3]) if len(parts) > 3 else "", version=int(parts[2]))
    raise refused()


def refused() -> InvalidError:
    """The one refusal of a path: it tells nothing about what lies where."""
    return InvalidError("Invalid path: it names no artifact of a run or of a logged model.")


def checked_path(path: str) -> str:
    """The logical path for MLflow's path of a file or folder."""
    if _IMAGE.fullmatch(path):
        path = path.replace("%", "+").replace("#", "~")
    try:
        return check_logical_path(path)
    except InvalidError:
        raise refused() from None
