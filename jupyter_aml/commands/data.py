"""``aml data``: data assets, with the verbs and flags of Azure's CLI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.commands.declare import Commands, option, switch, whole_number
from jupyter_aml.commands.job_file import set_value
from jupyter_aml.commands.parameters import read_mapping, tag_pairs
from jupyter_aml.commands.session import Session
from jupyter_aml.commands.values import iso_time
from jupyter_aml.errors import InvalidError, UsageError, did_you_mean

if TYPE_CHECKING:
    from jupyter_aml.data.asset import DataAsset

commands = Commands()
NAME = option("-n", "--name", help="the data asset: name, name:3 or name@latest", required=True, bare=True)
VERSION = option("-v", "--version", help="the version (default: the newest)")
LABEL = option("-l", "--label", help="the label: latest")
_TYPES = ("uri_file", "uri_folder", "mltable")
_FIELDS = {"$schema", "name", "version", "type", "path", "description", "tags", "properties"}


def _data(asset: DataAsset) -> dict[str, Any]:
    """A data asset under Azure's names, then those only we have."""
    found = asset.data
    location = found["location"]
    path = None
    if location is not None:
        path = f"azureml://datastores/{location['datastore']}/paths/{location['path']}"
    return {
        "name": found["name"],
        "version": found["version"],
        "type": found["type"],
        "path": path,
        "description": found["description"],
        "tags": found["tags"],
        "size": found["size"],
        "file_count": found["file_count"],
        "digest": found["digest"],
        "archived": found["archived"],
        "creation_context": {"created_at": iso_time(found["created_at"]), "created_by": found["user"]},
    }


@commands.add(
    "data list",
    option("-n", "--name", help="all versions of this one"),
    option("-r", "--max-results", metavar="N", convert=whole_number, help="at most so many"),
    switch("--archived-only", help="the archived ones only"),
    switch("--include-archived", help="the archived ones too"),
)
def list_data(
    session: Session,
    *,
    name: str | None,
    max_results: int | None,
    archived_only: bool,
    include_archived: bool,
) -> list[dict[str, Any]]:
    """List the data assets in their newest versions, sizes in bytes."""
    if archived_only and include_archived:
        raise UsageError("--archived-only and --include-archived exclude each other.")
    archived = True if archived_only else None if include_archived else False
    return [_data(item) for item in session.workspace.data.list(name, archived=archived)[:max_results]]


@commands.add("data show", NAME, VERSION, LABEL)
def show(session: Session, *, name: str, version: str | None, label: str | None) -> dict[str, Any]:
    """Show a data asset: what it is, where it lies, and the runs that used it."""
    asset = session.workspace.data.get(name, version, label)
    return {**_data(asset), "used_by": [item["run_id"] for item in asset.runs()]}


@commands.add(
    "data create",
    option("-n", "--name", help="its name"),
    option("-v", "--version", help="the version (default: the next number)"),
    option("-f", "--file", values="file", help="a YAML file in Azure's v2 schema"),
    option("-p", "--path", values="file", help="a local file or folder, or azureml://datastores/NAME/paths/PATH"),
    option("-t", "--type", choices=_TYPES, help="uri_file, uri_folder or mltable (default: by the content)"),
    option("-d", "--description", help="what it is"),
    option("--tags", metavar="NAME=VALUE", arity="several", help="tags"),
    option("--datastore", help="the datastore that --path lies in"),
    option("--set", name="changes", metavar="PATH=VALUE", arity="several",
           help="change the file's content first"),
    switch("--no-wait", help="taken for Azure's scripts, of no effect"),
    switch("--skip-validation", help="taken for Azure's scripts, of no effect"),
)  # fmt: skip
def create(
    session: Session,
    *,
    name: str | None,
    version: str | None,
    file: str | None,
    path: str | None,
    type: str | None,
    description: str | None,
    tags: Sequence[str],
    datastore: str | None,
    changes: Sequence[str],
    no_wait: bool,
    skip_validation: bool,
) -> dict[str, Any]:
    """Register data. The same content again gives the version that is there.

    aml data create -n diabetes -p diabetes.csv
    aml data create -n photos -p photos/ -t uri_folder
    aml data create --file data.yml
    """
    found = {} if file is None else read_mapping(Path(file))
    for change in changes:
        set_value(found, change)
    for field in found:
        if field not in _FIELDS:
            raise InvalidError(f"{file}: Unknown field {field!r}.", hint=did_you_mean(field, _FIELDS))
    name = name or found.get("name")
    if name is None:
        raise UsageError("A data asset needs a name.", hint="Give it: --name diabetes")
    shown = version or found.get("version")
    asset = session.workspace.data.register(
        str(name),
        _place(path or found.get("path"), None if path else file, datastore),
        type=type or found.get("type"),
        version=None if shown is None else str(shown),
        description=description if description is not None else str(found.get("description") or ""),
        tags=tag_pairs(tags) or {str(k): str(v) for k, v in (found.get("tags") or {}).items()},
    )
    return _data(asset)


def _place(path: Any, file: str | None, datastore: str | None) -> str:
    """The place that is meant; what a YAML file names lies beside it."""
    if not isinstance(path, str):
        raise UsageError("A data asset needs a path.", hint="Give it: --path diabetes.csv")
    if datastore is not None:
        return f"azureml://datastores/{datastore.removeprefix('azureml:')}/paths/{path.strip('/')}"
    if file is None or "://" in path or "::" in path:
        return path
    return str(Path(file).parent / path)


@commands.add(
    "data update",
    NAME,
    VERSION,
    LABEL,
    option("--set", name="changes", metavar="PATH=VALUE", arity="several",
           help="set description or tags.NAME"),
    option("--remove", name="removals", metavar="PATH", arity="several", help="remove tags.NAME"),
)  # fmt: skip
def update(
    session: Session,
    *,
    name: str,
    version: str | None,
    label: str | None,
    changes: Sequence[str],
    removals: Sequence[str],
) -> dict[str, Any]:
    """Change a data asset's description or tags; what it consists of never changes."""
    description: str | None = None
    tags: dict[str, str | None] = {}
    for change in changes:
        path, separator, value = change.partition("=")
        if path == "description" and separator:
            description = value
        elif path.startswith("tags.") and separator:
            tags[path.removeprefix("tags.")] = value
        else:
            raise UsageError(f"--set {change!r} cannot be.", hint="Set description or tags.NAME.")
    tags |= {path.removeprefix("tags."): None for path in removals}
    asset = session.workspace.data.get(name, version, label)
    asset.update(description=description, tags=tags)
    return _data(asset)


@commands.add("data archive", NAME, VERSION, LABEL)
def archive(session: Session, *, name: str, version: str | None, label: str | None) -> None:
    """Hide a data asset, or one version of it; jobs that name it still run."""
    _set_archived(session, name, version, label, archived=True)


@commands.add("data restore", NAME, VERSION, LABEL)
def restore(session: Session, *, name: str, version: str | None, label: str | None) -> None:
    """Bring an archived data asset back, or one version of it."""
    _set_archived(session, name, version, label, archived=False)


def _set_archived(
    session: Session, name: str, version: str | None, label: str | None, *, archived: bool
) -> None:
    from jupyter_aml.data.references import parse_reference

    wanted = parse_reference(name, version, label)
    if wanted.label is not None:
        wanted = parse_reference(session.workspace.data.get(name, version, label).reference)
    collection = session.workspace.data
    (collection.archive if archived else collection.restore)(wanted.name, wanted.version)


@commands.add(
    "data download",
    NAME,
    VERSION,
    LABEL,
    option("-p", "--download-path", metavar="FOLDER", default=".", values="file",
           help="the folder (default: the current one)"),
    switch("--overwrite", help="write over files that are there"),
)  # fmt: skip
def download(
    session: Session,
    *,
    name: str,
    version: str | None,
    label: str | None,
    download_path: str,
    overwrite: bool,
) -> list[str]:
    """Write a data asset's files to a folder; where they are."""
    asset = session.workspace.data.get(name, version, label)
    return [str(path) for path in asset.download(download_path, overwrite=overwrite)]
