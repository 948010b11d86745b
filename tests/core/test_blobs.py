"""Blobs are named by their bytes, are whole or not there, and are never given out wrong unnoticed."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_aml.core.blobs import BlobCorruptError, BlobStore
from jupyter_aml.errors import InvalidError, NotFoundError


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def test_bytes_are_kept_once_under_their_digest(blobs: BlobStore, tmp_path: Path) -> None:
    first, second = blobs.put(b"hello"), blobs.put([b"hel", b"lo"])
    assert first == second and first.digest == hashlib.sha256(b"hello").hexdigest() and first.size == 5
    assert blobs.read(first.digest) == b"hello" and blobs.verify(first.digest)
    assert len(files(tmp_path)) == 1
    assert files(tmp_path)[0].stat().st_mode & 0o777 == 0o600
    assert list(blobs.digests()) == [first.digest]


def test_other_bytes_than_announced_are_refused_and_leave_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="sha256"):
        blobs.put(b"hello", "0" * 64)
    assert files(tmp_path) == []


def test_a_sender_that_breaks_off_leaves_nothing(blobs: BlobStore, tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        blobs.put(chunks())
    assert files(tmp_path) == []


@pytest.mark.parametrize("digest", ["../../etc/passwd", "", "0" * 63, "G" * 64, "a" * 64 + "\n"])
def test_only_a_digest_becomes_a_path(blobs: BlobStore, digest: str) -> None:
    with pytest.raises(InvalidError):
        blobs.open(digest)


def test_damage_is_found_and_a_missing_blob_is_named(blobs: BlobStore, tmp_path: Path) -> None:
    blob = blobs.put(b"precious")
    files(tmp_path)[0].write_bytes(b"pretious")
    assert not blobs.verify(blob.digest)
    files(tmp_path)[0].unlink()
    assert not blobs.verify(blob.digest)
    with pytest.raises(BlobCorruptError, match="missing"):
        blobs.open(blob.digest)
    with pytest.raises(NotFoundError):
        blobs.size(blob.digest)


def test_a_link_is_not_followed(blobs: BlobStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    link = tmp_path / "link"
    link.symlink_to(secret)
    with pytest.raises(OSError):
        blobs.put_file(link)


def test_many_writers_of_the_same_bytes_agree(blobs: BlobStore, tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(blobs.put(b"x" * 100_000).digest)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1 and len(found) == 8
    assert len(files(tmp_path)) == 1


def test_old_temporary_files_are_swept_and_young_ones_left(blobs: BlobStore, tmp_path: Path) -> None:
    blobs.put(b"x")
    for name, age in ((".tmp-old", 10_000), (".tmp-new", 0)):
        path = tmp_path / "blobs" / name
        path.write_bytes(b"")
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    assert [path.name for path in blobs.temporary_files()] == [".tmp-old"]
    assert blobs.sweep() == 1
    assert (tmp_path / "blobs" / ".tmp-new").exists()
