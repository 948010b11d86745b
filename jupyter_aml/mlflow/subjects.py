"""Experiments and runs by MLflow's ids.

An experiment's id is its number as text. MLflow's clients expect an experiment ``0`` named ``Default`` to be
there before anything was made, so the experiment of that name, whatever its number, is ``0`` to them, and is
made when somebody first asks.
"""

from __future__ import annotations

import re

import sqlalchemy as sa

from jupyter_aml.core.ids import is_run_id
from jupyter_aml.core.operation import Store
from jupyter_aml.errors import InvalidError, NotFoundError
from jupyter_aml.tracking.experiments import experiment_number
from jupyter_aml.tracking.tables import experiments

DEFAULT_ID, DEFAULT_NAME = "0", "Default"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


def checked_run_id(text: str) -> str:
    """``text`` if it has the form of a run's id; a run of any other id is not found."""
    if not is_run_id(text):
        raise NotFoundError(f"Run with id={ascii(text)[1:-1][:64]} not found.")
    return text


def experiment_id(number: int, name: str) -> str:
    """The id MLflow's clients know an experiment by."""
    return DEFAULT_ID if name == DEFAULT_NAME else str(number)


def default_experiment(store: Store, user: str) -> int:
    """The number of the experiment ``Default``, made when it is first needed."""
    with store.database.read() as connection:
        found = connection.execute(
            sa.select(experiments.c.number).where(experiments.c.name == DEFAULT_NAME)
        ).scalar_one_or_none()
    if found is not None:
        return int(found)
    return store.database.write(lambda connection: experiment_number(connection, DEFAULT_NAME, user))


def number_of(store: Store, user: str, text: str) -> int:
    """The number of the experiment with this id; `NotFoundError` where there is none."""
    if not _NUMBER.fullmatch(text):
        raise InvalidError(f"{ascii(text)[:80]} is not an experiment's id.", hint="Ids are whole numbers.")
    if text == DEFAULT_ID:
        return default_experiment(store, user)
    with store.database.read() as connection:
        found = connection.execute(
            sa.select(experiments.c.number).where(experiments.c.number == int(text))
        ).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"No Experiment with id={text} exists.")
    return int(found)
