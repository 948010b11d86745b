"""From a job's environment to what its runner is told of it: the service's side of Preparing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from jupyter_aml.client.launch import index_environment
from jupyter_aml.core.operation import Store
from jupyter_aml.environments import records
from jupyter_aml.environments.lock import LOCK_PATH
from jupyter_aml.environments.model import Definition
from jupyter_aml.environments.pythons import fits, minor_of, own_python
from jupyter_aml.errors import AmlError, InvalidError
from jupyter_aml.tracking.tables import artifacts, tags

ASKED = (
    "environment_asked"  # the tag (after the service's prefix) with how it was asked for, where it differs
)
_TAG = f"aml.{ASKED}"


def assigned_environment(
    connection: sa.Connection, store: Store, run: int, reference: str | None
) -> dict[str, Any] | None:
    """What the runner of run number ``run`` needs to know, None for the service's own Python.

    A lock among the run's files counts: an earlier attempt left it, or the run that this one repeats.
    """
    if reference is None:
        return None
    told: dict[str, Any] = {"reference": reference, "problem": None, "index": index_environment()}
    definition, notes = Definition(), list[str]()
    try:
        found = records.find(connection, reference)
        definition, notes = found.definition, list(found.notes)
        asked = _asked(connection, run)
        if asked is not None:
            notes += records.find(connection, asked).notes
    except AmlError as error:
        told["problem"] = str(error)
    lock = _lock(connection, store, run)
    return {**told, "definition": definition.model_dump(mode="json"), "notes": notes, "lock": lock}


def _asked(connection: sa.Connection, run: int) -> str | None:
    found = sa.select(tags.c.value).where(tags.c.run == run, tags.c.name == _TAG)
    return connection.execute(found).scalar_one_or_none()


def _lock(connection: sa.Connection, store: Store, run: int) -> str | None:
    a = artifacts.c
    digest = connection.execute(
        sa.select(a.digest).where(a.run == run, a.path == LOCK_PATH)
    ).scalar_one_or_none()
    return None if digest is None else store.blobs.read(digest).decode()


def keep_lock_of(connection: sa.Connection, run: int, repeated: int) -> None:
    """Give run number ``run`` the lock of the run it repeats, if that one has come so far."""
    a = artifacts.c
    lock = sa.select(sa.literal(run), a.path, a.digest, a.size, a.created_at).where(
        a.run == repeated, a.path == LOCK_PATH
    )
    columns = ["run", "path", "digest", "size", "created_at"]
    connection.execute(sa.insert(artifacts).from_select(columns, lock))


def check_pickles(found: records.Found, theirs: str) -> None:
    """Refuse variables pickled by Python ``theirs`` (a whole version) where another one would load them."""
    asked = found.definition.python
    own = own_python().version
    if found.definition.interpreter is not None:
        return  # its version is not known here; the variables say theirs when they are loaded
    will_be = own if fits(own, asked) else asked or own
    if fits(theirs, minor_of(will_be) if will_be[0].isdigit() else will_be):
        return
    shown = minor_of(will_be) if will_be[0].isdigit() else will_be
    raise InvalidError(
        f"The notebook has Python {minor_of(theirs)}, the environment {found.reference} has Python {shown}, "
        "and variables cannot cross that.",
        hint="Choose an environment with the notebook's Python, or submit a notebook or a script, which "
        "brings no variables.",
    )
