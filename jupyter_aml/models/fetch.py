"""Bringing a model's files here: every byte checked, nothing outside the folder, all of them or none."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.errors import AmlError, ConflictError, InvalidError
from jupyter_aml.models.digests import model_digest

if TYPE_CHECKING:
    from jupyter_aml.client import Client


class ModelCorruptError(AmlError):
    """What came is not what was registered."""

    code = "model_corrupt"
    http_status = 500


def list_files(client: Client, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files of a version (as the service shows it): ``path``, ``digest``, ``size`` in bytes."""
    return list(_files(client, data))


def _files(client: Client, data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    token = None
    while True:
        page = client.call("list_model_files", name=data["name"], version=data["version"], page_token=token)
        yield from page["items"]
        token = page["next_page_token"]
        if token is None:
            return


def fetch(client: Client, data: Mapping[str, Any], folder: Path, *, overwrite: bool = False) -> Path:
    """Put a version's file or folder into ``folder`` and return where it is.

    It is gathered beside its place and takes it when it is whole and its digest is the registered one.
    """
    files = _checked(client, data)
    target = folder / str(data["root"])
    if os.path.lexists(target) and not overwrite:
        raise ConflictError(f"{target} is there already.", hint="Choose another folder, or overwrite it.")
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{secrets.token_hex(8)}.part"
    try:
        for file in files:
            _bring(client, data, file, partial)
        _take_place(partial, target)
    finally:
        _remove(partial)
    return target


def _checked(client: Client, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The list of files, lawfully named, with the digest the version was registered with."""
    files = list_files(client, data)
    paths = [check_logical_path(file["path"]) for file in files]
    if "/" in check_logical_path(data["root"]) or (not data["is_folder"] and paths != [data["root"]]):
        raise InvalidError(f"The model {data['name']}:{data['version']} has no lawful list of files.")
    if model_digest(zip(paths, (file["digest"] for file in files), strict=True)) != data["digest"]:
        raise _corrupt(data, "Its list of files")
    return files


def _bring(client: Client, data: Mapping[str, Any], file: Mapping[str, Any], partial: Path) -> None:
    place = partial / file["path"] if data["is_folder"] else partial
    place.parent.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()

    def save(chunks: Iterable[bytes]) -> None:
        size = 0
        with place.open("xb") as stream:
            for chunk in chunks:
                size += len(chunk)
                if size > file["size"]:
                    break
                found.update(chunk)
                stream.write(chunk)

    client.stream("download_model_file", save, name=data["name"], version=data["version"], path=file["path"])
    if found.hexdigest() != file["digest"]:
        raise _corrupt(data, f"The file {file['path']!r}")


def _corrupt(data: Mapping[str, Any], what: str) -> ModelCorruptError:
    return ModelCorruptError(
        f"{what} of the model {data['name']}:{data['version']} is not what was registered; nothing was kept.",
        hint="See what else is damaged: aml fsck",
    )


def _take_place(partial: Path, target: Path) -> None:
    """Give what is gathered its name; a folder that is in the way moves aside first, and back on failure."""
    aside = None
    if os.path.lexists(target) and (partial.is_dir() or target.is_dir()):
        aside = target.with_name(f".{secrets.token_hex(8)}.old")
        target.rename(aside)
    try:
        partial.replace(target)
    except OSError:
        if aside is not None:
            aside.rename(target)
        raise
    if aside is not None:
        _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
