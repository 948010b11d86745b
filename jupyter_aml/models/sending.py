"""Registering from the user's process: out of a run, or with files of this machine, sent once."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml import limits
from jupyter_aml.core.blobs import file_digest, open_regular
from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.errors import InvalidError, NotFoundError, TooLargeError

if TYPE_CHECKING:
    from jupyter_aml.client import Client
    from jupyter_aml.tracking.run_files import RunFiles

_RUN_PATH = re.compile(
    r"(?:runs:/(?P<run>[^/]+)|azureml://jobs/(?P<job>[^/]+)/outputs/artifacts(?:/paths)?)/(?P<path>.+)"
)
_CHUNK = 1024 * 1024
_SENDERS = 8  # many small files wait for the disk one by one otherwise


def run_path(text: str) -> tuple[str, str] | None:
    """The run and its path that ``runs:/RUN/PATH`` or ``azureml://jobs/RUN/outputs/artifacts/PATH`` means.

    None for a path on this machine.
    """
    match = _RUN_PATH.fullmatch(text)
    if match is not None:
        return match["run"] or match["job"], match["path"]
    if re.match(r"[a-z]{2,}:/", text):
        raise InvalidError(
            f"A model cannot be registered from {text!r}.",
            hint="Give a path on this machine, runs:/RUN/PATH or azureml://jobs/RUN/outputs/artifacts/PATH.",
        )
    return None


def register_from_run(run: RunFiles, name: str, path: str, about: dict[str, Any]) -> dict[str, Any]:
    """Register what ``run`` has at ``path``. Inside the job itself what lies there now is kept first."""
    if _own_job(run._client) == run.id:
        _keep(run, check_logical_path(path.rstrip("/")), Path(path))
    return _register(run, name, path, about)


def _register(run: RunFiles, name: str, path: str, about: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = run._client.call(
        "register_run_model", run_id=run.id, name=name, path=path, **about
    )
    return found


def _own_job(client: Client) -> str | None:
    """The id of the run this process is the job of, in the workspace of ``client``."""
    if "AML_RUN_DIR" not in os.environ or os.environ.get("AML_WORKSPACE") != str(client.location.root):
        return None
    return os.environ.get("AML_RUN_ID")


def _keep(run: RunFiles, logical: str, local: Path) -> None:
    if local.is_dir():
        run.upload_folder(logical, local)
    elif local.is_file():
        run.upload_file(logical, local)


def register_local(client: Client, name: str, path: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Send the file or the files of the folder ``path`` that are not stored yet, and register them.

    Inside a job they become files of its run, which may register its own files and no others.
    """
    from jupyter_aml.tracking.source import git_of

    path = path.expanduser().absolute()
    if _own_job(client) is not None:
        return _register_in_job(name, path, about)
    files = [
        {"path": logical, "digest": blob.digest, "size": blob.size, "source": source}
        for logical, source in _local_files(path)
        for blob in [file_digest(source)]
    ]
    _send(client, files)
    listed = [{key: file[key] for key in ("path", "digest", "size")} for file in files]
    git = git_of(Path.cwd())
    found: dict[str, Any] = client.call(
        "create_model_version", name=name, files=listed, root=path.name, git=git, **about
    )
    return found


def _register_in_job(name: str, path: Path, about: dict[str, Any]) -> dict[str, Any]:
    from jupyter_aml.tracking.run import Run

    _local_files(path)  # that it is there, and has no links
    run = Run.get_context()
    logical = path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else path.name
    _keep(run, check_logical_path(logical), path)
    return _register(run, name, logical, about)


def _local_files(path: Path) -> list[tuple[str, Path]]:
    """Logical paths and files; a link or a pipe is refused, for it is no part of what is registered."""
    if path.is_file() and not path.is_symlink():
        return [(check_logical_path(path.name), path)]
    if not path.is_dir():
        raise NotFoundError(
            f"There is no file and no folder {str(path)!r}.", hint=f"Looked from {Path.cwd()}."
        )
    found = []
    for source in sorted(path.rglob("*")):
        mode = source.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise InvalidError(f"{source} is a link or no regular file.", hint="Put the file itself there.")
        found.append((check_logical_path(source.relative_to(path).as_posix()), source))
    if not found:
        raise InvalidError(f"The folder {path} has no files.")
    if len(found) > limits.MODEL_FILES:
        raise TooLargeError(f"The folder {path} has more than {limits.MODEL_FILES:,} files.")
    return found


def _send(client: Client, files: list[dict[str, Any]]) -> None:
    digests = list({file["digest"] for file in files})
    missing: set[str] = set()
    for first in range(0, len(digests), 1000):
        missing |= set(client.call("missing_blobs", digests=digests[first : first + 1000])["missing"])
    wanted = {file["digest"]: file["source"] for file in files if file["digest"] in missing}
    with ThreadPoolExecutor(_SENDERS) as pool:
        for _ in pool.map(lambda item: _put(client, *item), wanted.items()):
            pass


def _put(client: Client, digest: str, source: Path) -> None:
    client.call("put_blob", digest=digest, content=lambda: _chunks(source))


def _chunks(source: Path) -> Iterator[bytes]:
    with open_regular(source) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk
