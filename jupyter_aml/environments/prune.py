"""What built environments take on the disk, and giving that back.

Whatever is removed is built again from its lock when a job wants it. A run holds the environment it uses.
"""

from __future__ import annotations

import time

import sqlalchemy as sa

from jupyter_aml.core.operation import Store
from jupyter_aml.environments.curated import CURATED, VERSION
from jupyter_aml.environments.folder import Built, EnvironmentFolder, Marker
from jupyter_aml.environments.model import BuiltModel, Definition, Pruned, PruneEnvironments
from jupyter_aml.environments.pythons import own_python
from jupyter_aml.environments.tables import environments

_DAY_MS = 24 * 3600 * 1000


def built(store: Store) -> list[BuiltModel]:
    """Every built environment of the workspace on this machine, largest first."""
    folder = EnvironmentFolder(store.folder.environments)
    names = _names(store, folder)
    found = [(place, place.marker()) for place in folder.all_built()]
    models = [_model(place, marker, names) for place, marker in found if marker is not None]
    return sorted(models, key=lambda model: -model.size)


def _model(place: Built, marker: Marker, names: dict[str, list[str]]) -> BuiltModel:
    return BuiltModel(
        id=place.path.name,
        environments=names.get(place.path.name, []),
        python=marker.python,
        packages=marker.packages,
        size=marker.size,
        built_at=marker.built_at,
        used_at=max(place.used_at(), marker.built_at),
        in_use=place.in_use(),
    )


def _names(store: Store, folder: EnvironmentFolder) -> dict[str, list[str]]:
    """Which environments each build is for, by its key."""
    known = [(f"{name}:{VERSION}", curated.definition) for name, curated in CURATED.items()]
    with store.database.read() as connection:
        rows = connection.execute(sa.select(environments).order_by(environments.c.number)).all()
    known += [(f"{row.name}:{row.version}", Definition.model_validate(row.definition)) for row in rows]
    own, names = own_python(), dict[str, list[str]]()
    for reference, definition in known:
        resolution = folder.read_resolution(folder.resolution_file(definition.resolution_digest(), own))
        if resolution is not None:
            names.setdefault(resolution.key, []).append(reference)
    return names


def prune(store: Store, wanted: PruneEnvironments) -> Pruned:
    """Remove what was not used for ``wanted.unused_days``, and what a builder that died left behind."""
    folder = EnvironmentFolder(store.folder.environments)
    limit = time.time_ns() // 1_000_000 - int(wanted.unused_days * _DAY_MS)
    removed: list[BuiltModel] = []
    kept: list[BuiltModel] = []
    for model in built(store):
        old = model.used_at <= limit and not model.in_use
        gone = old and (wanted.dry_run or folder.built(model.id).remove())
        (removed if gone else kept).append(model)
    if not wanted.dry_run and folder.root.is_dir():
        for key in {place.name.split(".")[1] for place in folder.root.glob(".*.*")}:
            folder.built(key).remove_left_behind()
    return Pruned(removed=removed, kept=kept, freed=sum(model.size for model in removed))
