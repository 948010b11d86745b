"""Bytes between a user's folder and the workspace: the user's side."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from jupyter_aml import limits
from jupyter_aml.core.blobs import file_digest, open_regular
from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.errors import AmlError, InvalidError, NotFoundError, TooLargeError

if TYPE_CHECKING:
    from jupyter_aml.client import Client

_CHUNK = 1024 * 1024
_BATCH = 1_000  # digests asked for in one call


def local_files(path: Path) -> list[tuple[str, Path]]:
    """The file ``path`` under its own name, or every file below the folder ``path`` with its path in it.

    Raises `InvalidError` for links and for what is no file: left out silently they would be missed later.
    """
    root = path.expanduser()
    if not root.exists():
        raise NotFoundError(f"There is no file or folder {str(path)!r}.", hint=f"Looked from {Path.cwd()}.")
    if root.is_file():
        return [(check_logical_path(root.name), root.resolve())]
    found = sorted(_walk(root.resolve(), ""))
    if not found:
        raise InvalidError(f"The folder {str(path)!r} holds no file.")
    if len(found) > limits.DATA_FILES:
        raise TooLargeError(
            f"The folder {str(path)!r} holds {len(found):,} files; {limits.DATA_FILES:,} can be kept.",
            hint="Pack them, or register the folder where it is: ws.datastores.create(name, path=...).",
        )
    return found


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = check_logical_path(f"{prefix}{entry.name}")
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield from _walk(Path(entry.path), f"{path}/")
            elif stat.S_ISREG(mode):
                yield path, Path(entry.path)
            else:
                what = "a symbolic link" if stat.S_ISLNK(mode) else "no regular file"
                raise InvalidError(
                    f"{path!r} is {what}, which a data asset cannot hold.",
                    hint="Put the file itself in its place, or take it out.",
                )


def send_files(client: Client, files: Iterable[tuple[str, Path]]) -> list[dict[str, Any]]:
    """Send what the workspace does not have yet; the list of files a version consists of."""
    listed = [(path, source, file_digest(source)) for path, source in files]
    digests = list({blob.digest for _, _, blob in listed})
    missing: set[str] = set()
    for start in range(0, len(digests), _BATCH):
        missing |= set(client.call("missing_blobs", digests=digests[start : start + _BATCH])["missing"])
    for path, source, blob in listed:
        if blob.digest not in missing:
            continue
        missing.discard(blob.digest)
        try:
            client.call("put_blob", digest=blob.digest, content=lambda source=source: _chunks(source))
        except InvalidError as error:
            raise InvalidError(f"{path!r} changed while it was sent: {error.headline}") from None
    return [{"path": path, "digest": blob.digest, "size": blob.size} for path, _, blob in listed]


def _chunks(source: Path) -> Iterator[bytes]:
    with open_regular(source) as stream:
        yield from chunks_of(stream)


def write_whole(target: Path, chunks: Iterable[bytes], digest: str | None = None) -> None:
    """Write a file whole or not at all; with ``digest``, only bytes that have this sha256."""
    found = hashlib.sha256()
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as stream:
            for chunk in chunks:
                found.update(chunk)
                stream.write(chunk)
        if digest is not None and found.hexdigest() != digest:
            raise AmlError(
                f"The bytes of {target.name!r} are not those that were registered.",
                hint="Run 'aml fsck' to see everything that is affected.",
            )
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def chunks_of(stream: BinaryIO) -> Iterator[bytes]:
    """The rest of a stream, in pieces that fit into memory."""
    while chunk := stream.read(_CHUNK):
        yield chunk


def make_target(folder: Path, path: str) -> Path:
    """Where the file ``path`` of a data asset or datastore goes below ``folder``; made no link's target."""
    check_logical_path(path)
    target = folder / path
    folder.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    if folder.resolve() not in (target.parent.resolve(), *target.parent.resolve().parents):
        raise InvalidError(f"{path!r} would be written outside of {str(folder)!r}, through a link in it.")
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(target.lstat().st_mode):
            raise InvalidError(f"{str(target)!r} is a folder; the file cannot be written in its place.")
    return target
