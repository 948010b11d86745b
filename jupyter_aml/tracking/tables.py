"""How tracking is kept. Times are integer milliseconds since the epoch, UTC.

A metric point is one row of four small columns: its rowid holds series and sequence (``series << 32 |
sequence``), ``step`` is NULL where it equals the sequence, ``time`` counts from the series' first point, and
``value`` is NULL for NaN (infinities are stored as they are). That keeps a long series under 40 bytes a
point, and a series together on the disk.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from jupyter_aml.core.database import metadata

SEQUENCE_BITS = 32


class ExactFloat(sa.Float[float]):
    """A double, bit for bit. A REAL column of SQLite loses the sign of zero, one of no affinity does not."""


@compiles(ExactFloat, "sqlite")
def _exact_float(_type: ExactFloat, _compiler: Any, **_options: Any) -> str:
    return "BLOB"


experiments = sa.Table(
    "experiments",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("created_at", sa.Integer, nullable=False),
    sa.Column("archived_at", sa.Integer),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("experiment", sa.ForeignKey("experiments.number"), nullable=False),
    sa.Column("parent", sa.ForeignKey("runs.number")),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("display_name", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("compute", sa.Text, nullable=False),
    sa.Column("created_at", sa.Integer, nullable=False),
    sa.Column("started_at", sa.Integer),
    sa.Column("ended_at", sa.Integer),
    sa.Column("archived_at", sa.Integer),
    sa.Column("cancel_requested_at", sa.Integer),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("source", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("spec", sa.JSON(none_as_null=True)),
    sa.Column("snapshot", sa.Text),
    sa.Column("key", sa.Text),
    sa.Column("request_digest", sa.Text),
    sa.UniqueConstraint("user", "key", name="runs_key"),
    sa.Index("runs_experiment", "experiment", "number"),
    sa.Index("runs_parent", "parent"),
    sa.Index("runs_status", "status", "number"),
    sa.Index("runs_created", "created_at"),
)

transitions = sa.Table(
    "transitions",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("at", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Index("transitions_run", "run", "number"),
)

metric_series = sa.Table(
    "metric_series",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("first_time", sa.Integer, nullable=False),
    sa.Column("last_step", sa.Integer, nullable=False),
    sa.Column("last_time", sa.Integer, nullable=False),
    sa.Column("last_value", ExactFloat),
    sa.Column("min_value", ExactFloat),
    sa.Column("max_value", ExactFloat),
    sa.Column("ordered", sa.Boolean, nullable=False),
    sa.UniqueConstraint("run", "name", name="metric_series_name"),
    sa.Index("metric_series_value", "name", "last_value", "run"),
)

metric_points = sa.Table(
    "metric_points",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("value", ExactFloat),
    sa.Column("step", sa.Integer),
    sa.Column("time", sa.Integer, nullable=False),
)

metric_objects = sa.Table(
    "metric_objects",
    metadata,
    sa.Column("series", sa.ForeignKey("metric_series.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("time", sa.Integer, nullable=False),
    sa.Column("value", sa.JSON, nullable=False),
    sqlite_with_rowid=False,
)

params = sa.Table(
    "params",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Index("params_value", "name", "value", "run"),
    sqlite_with_rowid=False,
)

tags = sa.Table(
    "tags",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Index("tags_value", "name", "value", "run"),
    sqlite_with_rowid=False,
)

artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Integer, nullable=False),
    sa.Index("artifacts_digest", "digest"),
    sqlite_with_rowid=False,
)

snapshot_files = sa.Table(
    "snapshot_files",
    metadata,
    sa.Column("snapshot", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("executable", sa.Boolean, nullable=False),
    sa.Index("snapshot_files_digest", "digest"),
    sqlite_with_rowid=False,
)

cells = sa.Table(
    "cells",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("started_at", sa.Integer),
    sa.Column("ended_at", sa.Integer),
    sqlite_with_rowid=False,
)

journal_positions = sa.Table(
    "journal_positions",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("file", sa.Text, primary_key=True),
    sa.Column("offset", sa.Integer, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

journal_problems = sa.Table(
    "journal_problems",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    sa.Column("at", sa.Integer, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Index("journal_problems_run", "run"),
)

run_tokens = sa.Table(
    "run_tokens",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("expires_at", sa.Integer),
    sa.Index("run_tokens_run", "run"),
)
