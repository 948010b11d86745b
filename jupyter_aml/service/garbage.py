"""Removing blobs that nothing refers to.

A blob is live while an artifact, a snapshot, a model or a data asset names it. One that was put within the
grace time is left, because its row may be about to be written; the reference is looked up again right before
the removal.
"""

from __future__ import annotations

import sqlalchemy as sa

from jupyter_aml.core.operation import Store
from jupyter_aml.data.tables import data_files
from jupyter_aml.models.tables import model_files
from jupyter_aml.tracking.tables import artifacts, runs, snapshot_files

GRACE_SECONDS = 24 * 3600.0


def is_referenced(connection: sa.Connection, digest: str) -> bool:
    """Whether an artifact, a snapshot, a model or a data asset names the blob."""
    for table in (artifacts, snapshot_files, model_files, data_files):
        found = connection.execute(sa.select(sa.literal(1)).where(table.c.digest == digest).limit(1))
        if found.scalar_one_or_none():
            return True
    return False


def unreferenced(store: Store, grace: float = GRACE_SECONDS) -> list[str]:
    """The blobs older than ``grace`` seconds that nothing refers to."""
    old = [digest for digest in store.blobs.digests() if store.blobs.age(digest) > grace]
    with store.database.read() as connection:
        return [digest for digest in old if not is_referenced(connection, digest)]


def collect_garbage(store: Store, grace: float = GRACE_SECONDS) -> int:
    """Remove unreferenced blobs, stale temporary files, and snapshots no run has any more; blobs removed."""
    store.blobs.sweep()

    def drop_snapshots(connection: sa.Connection) -> None:
        used = sa.select(runs.c.snapshot).where(runs.c.snapshot.is_not(None))
        connection.execute(sa.delete(snapshot_files).where(snapshot_files.c.snapshot.not_in(used)))

    store.database.write(drop_snapshots)
    found = unreferenced(store, grace)
    for digest in found:

        def remove(connection: sa.Connection, digest: str = digest) -> None:
            if not is_referenced(connection, digest) and store.blobs.age(digest) > grace:
                store.blobs.delete(digest)

        store.database.write(remove)  # in the writer, so that no row can name it meanwhile
    return len(found)
