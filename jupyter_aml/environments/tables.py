"""How environments are kept: one row a version. Times are milliseconds since the epoch, UTC."""

from __future__ import annotations

import sqlalchemy as sa

from jupyter_aml.core.database import metadata

environments = sa.Table(
    "environments",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("definition", sa.JSON, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("created_at", sa.Integer, nullable=False),
    sa.Column("archived_at", sa.Integer),
    sa.UniqueConstraint("name", "version", name="environments_version"),
    sa.Index("environments_digest", "name", "digest"),
)
