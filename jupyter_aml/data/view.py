"""A folder that shows a data asset's files under their own names, without copying a byte.

Each file is a symbolic link to its blob. Blobs that are linked lose their write permission, so that what is
registered stays as it is, whatever a program does with what it is given.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path

from jupyter_aml.core.blobs import BlobCorruptError, BlobStore
from jupyter_aml.core.paths import check_logical_path, make_private


def make_view(blobs: BlobStore, files: Iterable[tuple[str, str, int]], target: Path) -> Path:
    """Make ``target`` a folder of links to the files ``(path, digest, size)``; one that is whole is kept.

    Raises `BlobCorruptError` for bytes that are missing or have another size.
    """
    wanted = list(files)
    if target.is_dir() and all((target / path).is_file() for path, _, _ in wanted):
        return target
    make_private(target.parent)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        make_private(beside)
        for path, digest, size in wanted:
            place = beside / check_logical_path(path)
            make_private(place.parent)
            if not blobs.has(digest) or blobs.size(digest) != size:
                raise BlobCorruptError(
                    f"The bytes of {path!r} are missing from the store, or are not whole.",
                    hint="Run 'aml fsck' to see everything that is affected.",
                )
            blobs.link(digest, place)
        if target.exists():
            shutil.rmtree(target)
        beside.rename(target)
    except OSError:
        if not target.is_dir():  # somebody else made the same at the same time
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target
