"""How data is kept: a row a version, a row a file, a row a datastore, and which run used which version.

Times are milliseconds since the epoch, UTC. The bytes of files are blobs. Credentials are in no table.
"""

from __future__ import annotations

import sqlalchemy as sa

from jupyter_aml.core.database import metadata

data_versions = sa.Table(
    "data_versions",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size", sa.Integer),
    sa.Column("file_count", sa.Integer),
    sa.Column("location", sa.JSON(none_as_null=True)),
    sa.Column("definition", sa.JSON(none_as_null=True)),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("created_at", sa.Integer, nullable=False),
    sa.Column("archived_at", sa.Integer),
    sa.UniqueConstraint("name", "version", name="data_versions_version"),
    sa.Index("data_versions_digest", "name", "digest"),
)

data_files = sa.Table(
    "data_files",
    metadata,
    sa.Column("version", sa.ForeignKey("data_versions.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Index("data_files_digest", "digest"),
    sqlite_with_rowid=False,
)

datastores = sa.Table(
    "datastores",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("settings", sa.JSON, nullable=False),
    sa.Column("is_default", sa.Boolean, nullable=False, server_default="0"),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("created_at", sa.Integer, nullable=False),
)

run_data = sa.Table(
    "run_data",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.ForeignKey("data_versions.number"), nullable=False),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Index("run_data_version", "version"),
    sqlite_with_rowid=False,
)
