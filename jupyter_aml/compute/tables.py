"""How compute is kept. Times are integer milliseconds since the epoch, UTC.

``usage`` has a row for each time something was on; ``ended_at`` is moved forward while it is on, so that
what a crash cuts off is measured up to the last time somebody looked.
"""

from __future__ import annotations

import sqlalchemy as sa

from jupyter_aml.core.database import metadata

computes = sa.Table(
    "computes",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("folded", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("state_since", sa.Integer, nullable=False),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("created_at", sa.Integer, nullable=False),
    sa.Column("last_used_at", sa.Integer),
)

nodes = sa.Table(
    "nodes",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("compute", sa.ForeignKey("computes.number", ondelete="CASCADE"), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("state_since", sa.Integer, nullable=False),
    sa.Column("run", sa.Integer),
    sa.Column("gpus", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("created_at", sa.Integer, nullable=False),
    sa.Index("nodes_compute", "compute"),
    sa.Index("nodes_run", "run"),
)

usage = sa.Table(
    "usage",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("compute", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("size", sa.Text, nullable=False),
    sa.Column("price", sa.Float, nullable=False),
    sa.Column("node", sa.Text, nullable=False),
    sa.Column("started_at", sa.Integer, nullable=False),
    sa.Column("ended_at", sa.Integer, nullable=False),
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Index("usage_open", "open", "node"),
)

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("family", sa.Text, primary_key=True),
    sa.Column("cores", sa.Float, nullable=False),
)
