"""What must hold of models at any time (F9): numbers, aliases, digests."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from jupyter_aml.core.operation import Store
from jupyter_aml.models.digests import model_digest
from jupyter_aml.models.tables import model_aliases, model_files, model_versions, models

_v, _m, _f, _a = model_versions.c, models.c, model_files.c, model_aliases.c


def check_models(store: Store) -> Iterator[str]:
    """Everything that is wrong with the models, a sentence each."""
    with store.database.read() as connection:
        beyond = sa.select(_m.name, _v.version).join(models, _m.number == _v.model)
        for wrong in connection.execute(beyond.where(_v.version > _m.last_version)):
            yield f"F9 model {wrong.name} has a version {wrong.version} beyond its last"
        foreign = (
            sa.select(_m.name, _a.alias)
            .join(models, _m.number == _a.model)
            .join(model_versions, _v.number == _a.version)
            .where(_v.model != _a.model)
        )
        for strange in connection.execute(foreign):
            yield f"F9 the alias {strange.alias} of model {strange.name} points to another model"
        versions = connection.execute(
            sa.select(_v.number, _v.version, _v.digest, _v.size, _v.file_count, _m.name)
            .join(models, _m.number == _v.model)
            .order_by(_v.number)
        ).all()
        for row in versions:
            files = connection.execute(
                sa.select(_f.path, _f.digest, _f.size).where(_f.version == row.number)
            ).all()
            told = (row.digest, row.size, row.file_count)
            found = (
                model_digest((file.path, file.digest) for file in files),
                sum(file.size for file in files),
                len(files),
            )
            if found != told:
                yield f"F9 the files of model {row.name}:{row.version} are not those it was registered with"
