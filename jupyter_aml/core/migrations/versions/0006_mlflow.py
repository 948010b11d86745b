"""MLflow's protocol: logged models, and the data and models a run was made with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "logged_models",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("experiment", sa.Integer(), nullable=False),
        sa.Column("home", sa.Integer(), nullable=False),
        sa.Column("has_source", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("params", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("tags", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["experiment"], ["experiments.number"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["home"], ["runs.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("logged_models_experiment", "logged_models", ["experiment", "number"], unique=False)
    op.create_index("logged_models_home", "logged_models", ["home"], unique=False)
    op.create_table(
        "logged_model_metrics",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BLOB(), nullable=True),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("time", sa.Integer(), nullable=False),
        sa.Column("dataset_name", sa.Text(), server_default="", nullable=False),
        sa.Column("dataset_digest", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["model"], ["logged_models.number"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("logged_model_metrics_model", "logged_model_metrics", ["model"], unique=False)
    op.create_index("logged_model_metrics_run", "logged_model_metrics", ["run"], unique=False)
    op.create_table(
        "run_models",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("model", sa.Integer(), nullable=False),
        sa.Column("is_output", sa.Boolean(), nullable=False),
        sa.Column("step", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["model"], ["logged_models.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "model", "is_output"),
        sqlite_with_rowid=False,
    )
    op.create_index("run_models_model", "run_models", ["model"], unique=False)
    op.create_table(
        "run_datasets",
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("source_type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("schema", sa.Text(), nullable=True),
        sa.Column("profile", sa.Text(), nullable=True),
        sa.Column("tags", sa.JSON(), server_default="{}", nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "name", "digest"),
        sqlite_with_rowid=False,
    )
