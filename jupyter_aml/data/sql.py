"""Databases as datastores: one engine for each use, read-only where the database knows such a thing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jupyter_aml.core.vault import masked
from jupyter_aml.errors import AmlError, InvalidError, UnavailableError

_CONNECT_SECONDS = 15
# How each kind of database is told how long to wait for a connection.
_PATIENCE = {"postgresql": "connect_timeout", "mysql": "connect_timeout", "mariadb": "connect_timeout"}


@contextlib.contextmanager
def connected(
    name: str, settings: Mapping[str, Any], credentials: Mapping[str, str]
) -> Iterator[sa.Connection]:
    """A connection to the database of the datastore ``name``; what fails is told without the password."""
    try:
        engine = _engine(name, sa.make_url(settings["url"]), credentials)
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError) as error:
        raise InvalidError(f"The URL of the datastore {name!r} cannot be used: {error}.") from None
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"The datastore {name!r} needs {error.name}, which is not installed here.",
            hint=f"Install it: pip install {error.name}",
        ) from None
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.SQLAlchemyError as error:
        raise _clear(name, error, credentials) from None
    finally:
        engine.dispose()


def _engine(name: str, url: sa.URL, credentials: Mapping[str, str]) -> sa.Engine:
    kind = url.get_backend_name()
    if kind == "sqlite":
        if not url.database or not Path(url.database).is_file():
            raise UnavailableError(
                f"The file of the datastore {name!r} is not there.",
                hint="Was it moved, or is it not mounted?",
            )
        url = url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
        return sa.create_engine(url, poolclass=sa.pool.NullPool)
    if credentials.get("password"):
        url = url.set(password=credentials["password"])
    patience = _PATIENCE.get(kind)
    options = {patience: _CONNECT_SECONDS} if patience else {}
    return sa.create_engine(url, poolclass=sa.pool.NullPool, connect_args=options)


def _clear(name: str, error: sa.exc.SQLAlchemyError, credentials: Mapping[str, str]) -> AmlError:
    reason = masked(" ".join(str(getattr(error, "orig", error)).split())[:500], credentials.values())
    if isinstance(error, sa.exc.ProgrammingError) or "no such" in reason or "syntax error" in reason:
        return InvalidError(f"The datastore {name!r} cannot answer the query: {reason}")
    return UnavailableError(
        f"The database of the datastore {name!r} cannot be used: {reason}",
        hint="Is it running, and are its credentials valid?",
    )
