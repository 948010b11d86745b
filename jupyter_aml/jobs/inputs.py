"""A job's data inputs, laid out where the job can read them: the runner's side.

``ro_mount`` is a folder of links to the blobs, which nobody can write through, or the place itself in a
datastore that is a folder of this machine; what is behind a network is downloaded. ``download`` is a copy of
the job's own. ``direct`` is the reference as it is. Bytes that are copied are checked against their digests.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.core.paths import WorkspaceFolder, make_private
from jupyter_aml.core.vault import Vault
from jupyter_aml.data.stores import Entry, LocalFiles, StoreFiles, open_files
from jupyter_aml.data.transfer import chunks_of, make_target, write_whole
from jupyter_aml.data.view import make_view
from jupyter_aml.errors import InvalidError, NotFoundError
from jupyter_aml.jobs.work import Assignment, copy_blob

if TYPE_CHECKING:
    from jupyter_aml.data.model import Location


def lay_inputs(assignment: Assignment, folder: Path, tell: Callable[[str], None]) -> dict[str, str]:
    """Lay out every data input below ``folder``; what each stands for in the command, by name.

    ``tell`` is told of data that changed since it was registered.
    """
    workspace = WorkspaceFolder(Path(assignment.workspace))
    found = {}
    for given in assignment.inputs:
        if given["mode"] == "direct":
            found[given["name"]] = f"azureml:{given['reference']}"
        elif given["location"] is None:
            found[given["name"]] = str(_own(workspace, given, folder / given["name"]))
        else:
            found[given["name"]] = str(_placed(workspace, given, folder / given["name"], tell))
    return found


def _own(workspace: WorkspaceFolder, given: dict[str, Any], target: Path) -> Path:
    blobs, files = BlobStore(workspace.blobs), given["files"]
    if given["mode"] == "download":
        for file in files:
            place = target / file["path"]
            make_private(place.parent)
            copy_blob(blobs, file["digest"], place)
    else:
        make_view(blobs, [(file["path"], file["digest"], file["size"]) for file in files], target)
    return target / files[0]["path"] if given["type"] == "uri_file" else target


def _placed(
    workspace: WorkspaceFolder, given: dict[str, Any], target: Path, tell: Callable[[str], None]
) -> Path:
    from jupyter_aml.data.fingerprint import difference, fingerprint_of
    from jupyter_aml.data.model import Location

    location, settings = Location.model_validate(given["location"]), given["datastore"]
    if settings["type"] == "sql":
        raise InvalidError(
            f"The input {given['name']!r} ({given['reference']}) is a query and has no files.",
            hint='Take it with mode "direct" and read it in the job: ws.data[...].to_pandas_dataframe()',
        )
    credentials = Vault(workspace.vault).get(f"datastore/{location.datastore}")
    store = open_files(workspace, location.datastore, settings, credentials)
    entries = _entries(store, location, given)
    if location.fingerprint is not None:
        changed = difference(location.fingerprint, fingerprint_of(entries))
        if changed is not None:
            tell(f"the data of {given['reference']} changed since it was registered: {changed}")
    if isinstance(store, LocalFiles) and given["mode"] == "ro_mount":
        return store.local_path(location.path)
    for entry in entries:
        with store.open(entry.path) as stream:
            place = make_target(target, _inside(entry.path, location.path))
            write_whole(place, chunks_of(stream))
    return target / _inside(location.path, location.path) if given["type"] == "uri_file" else target


def _entries(store: StoreFiles, location: Location, given: dict[str, Any]) -> list[Entry]:
    try:
        return list(store.files(location.path))
    except NotFoundError:
        raise NotFoundError(
            f"The data of the input {given['name']!r} ({given['reference']}) is no longer in the datastore "
            f"{location.datastore!r}."
        ) from None


def _inside(path: str, root: str) -> str:
    if path == root:
        return path.rsplit("/", 1)[-1]
    return path.removeprefix(f"{root}/") if root else path
