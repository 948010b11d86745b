"""Where the files of a path of MLflow's are: in a run, below a folder of it, or in a registered version."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from jupyter_aml.mlflow.logged_models import files_folder, home_run
from jupyter_aml.mlflow.paths import Place
from jupyter_aml.models.records import find_version
from jupyter_aml.models.tables import model_files

_f = model_files.c


@dataclass(frozen=True)
class Home:
    """A file or folder: its path in the run ``run_id``, or (None) in the registered version ``version``."""

    run_id: str | None
    path: str
    is_model: bool = False
    version: int = 0

    def files(self, connection: sa.Connection) -> list[tuple[str, int]]:
        """Paths and sizes of a registered version's files."""
        rows = connection.execute(sa.select(_f.path, _f.size).where(_f.version == self.version))
        return [(row.path, row.size) for row in rows.all()]

    def digest(self, connection: sa.Connection) -> str | None:
        """The digest of a registered version's file."""
        return connection.execute(
            sa.select(_f.digest).where(_f.version == self.version, _f.path == self.path)
        ).scalar_one_or_none()


def home_of(connection: sa.Connection, place: Place) -> Home:
    """Where the files a path means are; `NotFoundError` where its owner is not there."""
    if place.version:
        row = find_version(connection, place.owner, place.version)
        return Home(None, place.path, version=row.number)
    if place.is_model:
        folder = files_folder(place.owner)
        path = f"{folder}/{place.path}" if place.path else folder
        return Home(home_run(connection, place.owner), path, is_model=True)
    return Home(place.owner, place.path)
