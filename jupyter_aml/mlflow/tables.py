"""What MLflow's protocol has and our tracking has not: logged models (MLflow 3), and what a run was made
with.

A logged model's files are files of a run (``home``): of the one it came from, or, for a model logged
outside any run, of an archived run that is there for nothing else. Times are milliseconds since the epoch,
UTC.
"""

from __future__ import annotations

import sqlalchemy as sa

from jupyter_aml.core.database import metadata
from jupyter_aml.tracking.tables import ExactFloat

logged_models = sa.Table(
    "logged_models",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("experiment", sa.ForeignKey("experiments.number", ondelete="CASCADE"), nullable=False),
    sa.Column("home", sa.ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    sa.Column("has_source", sa.Boolean, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False, server_default=""),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("params", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("tags", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("created_at", sa.Integer, nullable=False),
    sa.Column("updated_at", sa.Integer, nullable=False),
    sa.Index("logged_models_experiment", "experiment", "number"),
    sa.Index("logged_models_home", "home"),
)

logged_model_metrics = sa.Table(
    "logged_model_metrics",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("model", sa.ForeignKey("logged_models.number", ondelete="CASCADE"), nullable=False),
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("value", ExactFloat),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("time", sa.Integer, nullable=False),
    sa.Column("dataset_name", sa.Text, nullable=False, server_default=""),
    sa.Column("dataset_digest", sa.Text, nullable=False, server_default=""),
    sa.Index("logged_model_metrics_model", "model"),
    sa.Index("logged_model_metrics_run", "run"),
)

run_models = sa.Table(
    "run_models",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("model", sa.ForeignKey("logged_models.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("is_output", sa.Boolean, primary_key=True),
    sa.Column("step", sa.Integer, nullable=False, server_default="0"),
    sa.Index("run_models_model", "model"),
    sqlite_with_rowid=False,
)

run_datasets = sa.Table(
    "run_datasets",
    metadata,
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("source_type", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("schema", sa.Text),
    sa.Column("profile", sa.Text),
    sa.Column("tags", sa.JSON, nullable=False, server_default="{}"),
    sqlite_with_rowid=False,
)
