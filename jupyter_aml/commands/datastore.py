"""``aml datastore``: places for data, with the verbs and flags of Azure's CLI."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.commands.declare import Commands, option, switch, whole_number
from jupyter_aml.commands.job_file import set_value
from jupyter_aml.commands.parameters import read_mapping
from jupyter_aml.commands.session import Session
from jupyter_aml.errors import InvalidError, UsageError, did_you_mean

if TYPE_CHECKING:
    from jupyter_aml.data.datastore import Datastore

commands = Commands()
NAME = option("-n", "--name", help="the datastore", required=True, bare=True)
_SETTINGS = ("path", "endpoint", "bucket", "prefix", "region", "account_name", "container_name", "url")
_ABOUT = ("name", "type", "description", "tags", "credentials", "$schema", "protocol")


def _data(store: Datastore) -> dict[str, Any]:
    """A datastore under Azure's names; its credentials are not among this."""
    found = store.data
    place = {key: value for key, value in found["settings"].items() if key != "type"}
    return {
        "name": found["name"],
        "type": found["type"],
        **place,
        "description": found["description"],
        "tags": found["tags"],
        "is_default": found["is_default"],
        "has_credentials": found["has_credentials"],
    }


@commands.add(
    "datastore list",
    option("-r", "--max-results", metavar="N", convert=whole_number, help="at most so many"),
)
def list_datastores(session: Session, *, max_results: int | None) -> list[dict[str, Any]]:
    """List the datastores."""
    return [_data(store) for store in session.workspace.datastores.list()[:max_results]]


@commands.add("datastore show", NAME)
def show(session: Session, *, name: str) -> dict[str, Any]:
    """Show a datastore; its credentials are never shown."""
    return _data(session.workspace.datastores.get(name))


@commands.add(
    "datastore create",
    option("-n", "--name", help="its name"),
    option("-f", "--file", values="file", help="a YAML file: name, type, its place, credentials"),
    option("--set", name="changes", metavar="PATH=VALUE", arity="several",
           help="change the file's content first"),
    option("--path", values="file", help="a folder of the service's machine"),
    option("--endpoint", metavar="URL", help="an http(s) address files lie below; S3's, where not Amazon's"),
    option("--bucket", help="an S3 bucket"),
    option("--url", help="a database as SQLAlchemy writes it, without the password"),
    option("--credential", name="credentials", metavar="NAME=VARIABLE", arity="repeated",
           help="a credential, and the environment variable that holds it: password=DB_PASSWORD"),
    option("--description", help="what it is for"),
    switch("--replace", help="take the place of another of this name"),
    switch("--skip-validation", help="do not try to reach it now"),
)  # fmt: skip
def create(
    session: Session,
    *,
    name: str | None,
    file: str | None,
    changes: Sequence[str],
    credentials: Sequence[str],
    description: str | None,
    replace: bool,
    skip_validation: bool,
    **settings: str | None,
) -> dict[str, Any]:
    """Register a place for data: a folder, an address, a bucket, a container, a database.

    aml datastore create -n lake --path /mnt/lake
    aml datastore create --file datastore.yml
    """
    found = {} if file is None else read_mapping(Path(file))
    for change in changes:
        set_value(found, change)
    known = (*_ABOUT, *_SETTINGS)
    for field in found:
        if field not in known:
            raise InvalidError(f"{file}: Unknown field {field!r}.", hint=did_you_mean(field, known))
    name = name or found.get("name")
    if name is None:
        raise UsageError("A datastore needs a name.", hint="Give it: --name lake")
    place = {key: found[key] for key in _SETTINGS if found.get(key) is not None}
    place |= {key: value for key, value in settings.items() if value is not None}
    made = session.workspace.datastores.create(
        str(name),
        found.get("type"),
        credentials={**_given(found), **_from_environment(credentials)},
        description=description if description is not None else str(found.get("description") or ""),
        tags={str(key): str(value) for key, value in (found.get("tags") or {}).items()},
        replace=replace,
        skip_validation=skip_validation,
        **place,
    )
    return _data(made)


def _given(found: dict[str, Any]) -> dict[str, str]:
    given = found.get("credentials") or {}
    if not isinstance(given, dict):
        raise InvalidError("The credentials of a datastore are names and values.")
    return {str(name): str(value) for name, value in given.items()}


def _from_environment(pairs: Sequence[str]) -> dict[str, str]:
    """Credentials out of variables: what stands on a command line is seen by every user of the machine."""
    found = {}
    for pair in pairs:
        name, _, variable = pair.partition("=")
        if variable not in os.environ:
            raise UsageError(
                f"There is no environment variable {ascii(variable)[:80]}.",
                hint="Name the variable that holds the credential: --credential password=DB_PASSWORD",
            )
        found[name] = os.environ[variable]
    return found


@commands.add("datastore set-default", NAME)
def set_default(session: Session, *, name: str) -> dict[str, Any]:
    """Make a datastore the workspace's default."""
    session.workspace.datastores.set_default(name)
    return _data(session.workspace.datastores.get(name))


@commands.add("datastore delete", NAME, switch("-y", "--yes", help="taken for Azure's scripts, of no effect"))
def delete(session: Session, *, name: str, yes: bool) -> None:
    """Forget a datastore and its credentials; what lies there stays."""
    session.workspace.datastores.delete(name)


@commands.add(
    "datastore browse",
    NAME,
    option("-p", "--path", default="", help="the folder (default: the root)"),
)
def browse(session: Session, *, name: str, path: str) -> list[dict[str, Any]]:
    """List what is directly in a folder of a datastore, or the tables of a database."""
    return session.workspace.datastores.get(name).browse(path)


@commands.add(
    "datastore upload",
    NAME,
    option("-s", "--source", values="file", help="a local file or folder", required=True),
    option("-p", "--path", default="", help="the folder to write to (default: the root)"),
    switch("--overwrite", help="write over files that are there"),
)
def upload(session: Session, *, name: str, source: str, path: str, overwrite: bool) -> dict[str, str]:
    """Write a local file or folder to a datastore."""
    made = session.workspace.datastores.get(name).upload(source, path, overwrite=overwrite)
    return {"path": made.uri}


@commands.add(
    "datastore download",
    NAME,
    option("-p", "--path", default="", help="the file or folder (default: everything)"),
    option("-d", "--download-path", metavar="FOLDER", default=".", values="file",
           help="where to (default: the current folder)"),
    switch("--overwrite", help="write over files that are there"),
)  # fmt: skip
def download(session: Session, *, name: str, path: str, download_path: str, overwrite: bool) -> list[str]:
    """Bring a file or folder of a datastore here."""
    store = session.workspace.datastores.get(name)
    return [str(made) for made in store.download(download_path, path, overwrite=overwrite)]
