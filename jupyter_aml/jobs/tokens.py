"""A run's own token: it lets the job's code call the service for this attempt, until the run ends."""

from __future__ import annotations

import sqlalchemy as sa

from jupyter_aml.core.operation import Store
from jupyter_aml.core.tokens import new_token, token_digest
from jupyter_aml.tracking.model import FINAL
from jupyter_aml.tracking.tables import run_tokens, runs


def issue_token(connection: sa.Connection, number: int, attempt: int) -> str:
    """A token for an attempt; those of earlier attempts end with it."""
    connection.execute(sa.delete(run_tokens).where(run_tokens.c.run == number))
    token = new_token()
    connection.execute(sa.insert(run_tokens).values(digest=token_digest(token), run=number, attempt=attempt))
    return token


def run_of_token(store: Store, token: str) -> str | None:
    """The id of the run whose current attempt has this token; None for any other text."""
    with store.database.read() as connection:
        return connection.execute(
            sa.select(runs.c.id)
            .join(run_tokens, run_tokens.c.run == runs.c.number)
            .where(run_tokens.c.digest == token_digest(token), run_tokens.c.attempt == runs.c.attempt)
            .where(runs.c.status.not_in([status.value for status in FINAL]))
        ).scalar_one_or_none()
