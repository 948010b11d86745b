"""What a cell's run returned, loaded on the user's side."""

from __future__ import annotations

import getpass
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.cells.loading import Loader
from jupyter_aml.cells.payload import check_digest, check_versions
from jupyter_aml.cells.runtime import MANIFEST, RETURNS
from jupyter_aml.errors import AmlError, ForbiddenError, InvalidError, NotFoundError, did_you_mean

if TYPE_CHECKING:
    from jupyter_aml.tracking.run import Run


def load_return(path: str | Path, sha256: str) -> Any:
    """The value in the file at ``path``, after checking its digest."""
    return loads_return(Path(path).read_bytes(), sha256, Path(path).name)


def loads_return(data: bytes, sha256: str, what: str) -> Any:
    """The value in ``data``, after checking its digest.

    Classes of the notebook are the notebook's own, unchanged. Functions bring a private copy of the globals
    they read in the run: what a run returned must not change a variable here, nor depend on one.
    """
    check_digest(data, sha256, f"The bytes of {what}")
    try:
        return Loader(io.BytesIO(data), None).load()
    except Exception as error:
        raise InvalidError(f"{what} could not be loaded: {type(error).__name__}: {error}") from error


def load_result(run: Run, name: str) -> Any:
    """The value ``name`` that the cell of ``run`` returned.

    Loading a pickle runs code, so only the user's own runs are loaded, and only bytes with the digest the
    service recorded when the run ended.
    """
    if run.refresh()["user"] != getpass.getuser():
        raise ForbiddenError(
            f"The run {run.display_name} is somebody else's, and loading its values would run their code.",
            hint="Its files can be downloaded: run.download_files('outputs/').",
        )
    digests = {file["path"]: file["digest"] for file in run._files(RETURNS + "/")}
    entry = _entry(run, name, digests)
    path = f"{RETURNS}/{entry['file']}"
    check_versions(f"The run {run.display_name}", entry["python"], entry["cloudpickle"])
    return loads_return(run.read_file(path), digests[path], f"The value {name!r} of {run.display_name}")


def _entry(run: Run, name: str, digests: dict[str, str]) -> dict[str, Any]:
    path = f"{RETURNS}/{MANIFEST}"
    if path not in digests:
        status = run.status
        raise NotFoundError(
            f"The run {run.display_name} has returned nothing; it is {status}.",
            hint=None if run.is_final else "Wait for its end: run.wait_for_completion().",
        )
    data = run.read_file(path)
    check_digest(data, digests[path], "The list of returned values")
    manifest: dict[str, dict[str, Any]] = json.loads(data)
    entry = manifest.get(name)
    if entry is None:
        known = [other for other, found in manifest.items() if "file" in found]
        hint = did_you_mean(name, known) or (f"It returned {', '.join(known)}." if known else None)
        raise NotFoundError(f"The run {run.display_name} has returned no {name!r}.", hint=hint)
    if "left_out" in entry:
        raise AmlError(f"The run {run.display_name} did not keep {name!r}.", str(entry["left_out"]))
    return entry
