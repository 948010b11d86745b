"""A limit on how long reading may take, so that one costly search does not hold the others up."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator

import sqlalchemy as sa

from jupyter_aml.errors import UnavailableError

_STEPS = 20_000  # of SQLite's machine between two looks at the clock: about a millisecond


@contextlib.contextmanager
def deadline(connection: sa.Connection, seconds: float) -> Iterator[None]:
    """Give up what is run on ``connection`` once ``seconds`` have passed, with `UnavailableError`."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError(f"no deadline for {type(driver).__name__}")
    end = time.monotonic() + seconds
    driver.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        yield
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_INTERRUPT:
            raise
        raise UnavailableError(
            f"The search was given up after {seconds:g} seconds.",
            hint="Name an experiment, or filter on a metric, param or tag by '=' first.",
        ) from error
    finally:
        driver.set_progress_handler(None, 0)
