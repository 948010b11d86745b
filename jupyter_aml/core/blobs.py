"""Content-addressed bytes: the one place that turns a digest into a path.

A blob is named by the sha256 of its bytes. It is written to a temporary file, synced, renamed to its
name, and its folder synced, before anything refers to it; so a row never names a blob that is missing,
and equal bytes are kept once. Reading checks nothing but the size; `verify` reads and compares the digest.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from jupyter_aml import limits
from jupyter_aml.core.durable import disk_error, sync_folder
from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.core.paths import make_private
from jupyter_aml.errors import AmlError, InvalidError, NotFoundError

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CHUNK = 1024 * 1024


class BlobCorruptError(AmlError):
    """The stored bytes are not what their name says, or are gone."""

    code = "blob_corrupt"
    http_status = 500


@dataclass(frozen=True)
class Blob:
    """What is known of stored bytes: their sha256 in hex and their size in bytes."""

    digest: str
    size: int


def is_digest(text: object) -> bool:
    """Whether ``text`` has the form of a sha256 in hex."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


class BlobStore:
    """The blobs below one folder. Safe for many threads and processes at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _path(self, digest: str) -> Path:
        if not is_digest(digest):
            raise InvalidError(f"{ascii(digest)[:80]} is not a sha256 digest.")
        return self._root / digest[:2] / digest

    def has(self, digest: str) -> bool:
        """Whether the blob is stored."""
        return self._path(digest).is_file()

    def size(self, digest: str) -> int:
        """The blob's size in bytes; `NotFoundError` where it is not stored."""
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            raise NotFoundError(f"There is no blob {digest[:12]}.") from None

    def open(self, digest: str) -> BinaryIO:
        """The blob, opened for reading."""
        try:
            return self._path(digest).open("rb")
        except FileNotFoundError:
            raise BlobCorruptError(
                f"The bytes of blob {digest[:12]} are missing from the store.",
                hint="Run 'aml fsck' to see everything that is affected.",
            ) from None

    def link(self, digest: str, target: Path) -> None:
        """Make ``target`` a symbolic link to the blob, which nobody can write by accident from then on."""
        path = self._path(digest)
        self.size(digest)
        path.chmod(0o400)
        target.symlink_to(path)

    def read(self, digest: str) -> bytes:
        """The whole blob."""
        with self.open(digest) as stream:
            return stream.read()

    def put(self, chunks: Iterable[bytes] | bytes, expected: str | None = None) -> Blob:
        """Store bytes and return their name, durable on return.

        ``expected`` is the digest the sender says they have; other bytes are refused and nothing is kept.
        """
        if isinstance(chunks, bytes):
            chunks = (chunks,)
        make_private(self._root)
        temporary = self._root / f".tmp-{secrets.token_hex(8)}"
        try:
            digest, size = self._write(temporary, chunks)
            if expected is not None and digest != expected:
                raise InvalidError(
                    f"The bytes received have sha256 {digest[:12]}…, not {expected[:12]}… as announced.",
                    hint="Send them again.",
                )
            self._keep(temporary, digest)
        except OSError as error:
            raise (disk_error(error) or error) from error
        finally:
            temporary.unlink(missing_ok=True)
        return Blob(digest, size)

    def put_file(self, path: Path, expected: str | None = None) -> Blob:
        """Store the bytes of a regular file (a symbolic link is not followed)."""
        with open_regular(path) as stream:
            return self.put(_chunks(stream), expected)

    def _write(self, temporary: Path, chunks: Iterable[bytes]) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                stream.write(chunk)
            stream.flush()
            failpoint("blob.written")
            os.fsync(stream.fileno())
            failpoint("blob.synced")
        return digest.hexdigest(), size

    def _keep(self, temporary: Path, digest: str) -> None:
        path = self._path(digest)
        if path.is_file():
            os.utime(path)  # a fresh time keeps the collector away until the row is written
            return
        new_folder = not path.parent.is_dir()
        make_private(path.parent)
        if new_folder:
            sync_folder(self._root)
        os.rename(temporary, path)
        failpoint("blob.renamed")
        sync_folder(path.parent)
        failpoint("blob.kept")

    def verify(self, digest: str) -> bool:
        """Whether the stored bytes are there and have the digest they are named by."""
        found = hashlib.sha256()
        try:
            with self._path(digest).open("rb") as stream:
                for chunk in _chunks(stream):
                    found.update(chunk)
        except OSError:
            return False
        return found.hexdigest() == digest

    def digests(self) -> Iterator[str]:
        """Every stored blob's digest."""
        for folder in sorted(self._root.glob("[0-9a-f][0-9a-f]")):
            yield from (path.name for path in sorted(folder.iterdir()) if is_digest(path.name))

    def age(self, digest: str) -> float:
        """Seconds since the blob was last put."""
        return time.time() - self._path(digest).stat().st_mtime

    def delete(self, digest: str) -> None:
        """Forget a blob that nothing refers to any more (the caller has made sure)."""
        self._path(digest).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove temporary files older than the limit, left by processes that were killed; how many."""
        stale = self.temporary_files()
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def temporary_files(self) -> list[Path]:
        """Temporary files older than the limit."""
        return [path for path in self._root.glob(".tmp-*") if _older(path, limits.TEMPORARY_FILE_SECONDS)]


def open_regular(path: Path) -> BinaryIO:
    """A regular file, opened for reading; `OSError` for a link, and for a pipe instead of waiting at it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def file_digest(path: Path) -> Blob:
    """The digest and size of a file, without storing it."""
    digest, size = hashlib.sha256(), 0
    with open_regular(path) as stream:
        for chunk in _chunks(stream):
            digest.update(chunk)
            size += len(chunk)
    return Blob(digest.hexdigest(), size)


def bytes_digest(data: bytes) -> str:
    """The sha256 of ``data`` in hex: the name its blob has."""
    return hashlib.sha256(data).hexdigest()


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _older(path: Path, seconds: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime > seconds
    except FileNotFoundError:
        return False
