"""How models are kept: a row a name, a version, a file. Times are milliseconds since the epoch, UTC.

The bytes are blobs, shared with the run they came from. What a version tells of its run is copied when it is
registered, so that it stays when the run is deleted.
"""

from __future__ import annotations

import sqlalchemy as sa

from jupyter_aml.core.database import metadata

models = sa.Table(
    "models",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("last_version", sa.Integer, nullable=False, server_default="0"),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("created_at", sa.Integer, nullable=False),
    sa.Column("updated_at", sa.Integer, nullable=False),
)

model_versions = sa.Table(
    "model_versions",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("model", sa.ForeignKey("models.number", ondelete="CASCADE"), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("properties", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("stage", sa.Text, nullable=False, server_default="None"),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("flavor", sa.JSON, nullable=False),
    sa.Column("signature", sa.JSON(none_as_null=True)),
    sa.Column("root", sa.Text, nullable=False),
    sa.Column("is_folder", sa.Boolean, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("file_count", sa.Integer, nullable=False),
    sa.Column("run", sa.Text),
    sa.Column("lineage", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("created_at", sa.Integer, nullable=False),
    sa.Column("updated_at", sa.Integer, nullable=False),
    sa.Column("archived_at", sa.Integer),
    sa.Column("key", sa.Text),
    sa.Column("request_digest", sa.Text),
    sa.UniqueConstraint("model", "version", name="model_versions_version"),
    sa.UniqueConstraint("user", "key", name="model_versions_key"),
    sa.Index("model_versions_run", "run"),
)

model_files = sa.Table(
    "model_files",
    metadata,
    sa.Column("version", sa.ForeignKey("model_versions.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Index("model_files_digest", "digest"),
    sqlite_with_rowid=False,
)

model_aliases = sa.Table(
    "model_aliases",
    metadata,
    sa.Column("model", sa.ForeignKey("models.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("alias", sa.Text, primary_key=True),
    sa.Column("version", sa.ForeignKey("model_versions.number", ondelete="CASCADE"), nullable=False),
    sa.Index("model_aliases_version", "version"),
    sqlite_with_rowid=False,
)
