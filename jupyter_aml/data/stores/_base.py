"""What a place for files can do; every implementation keeps to this.

Paths are relative to the datastore's root, in the grammar of `check_logical_path`, and ``""`` is the root. No
call reaches outside the root, whatever links or names are found there. What goes wrong is an `AmlError`
that names the datastore, says what to do, and holds no credential. Nothing is cached.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from jupyter_aml.core.paths import check_logical_path

if TYPE_CHECKING:
    import pyarrow.fs


@dataclass(frozen=True)
class Entry:
    """A file or a folder; what the datastore does not say is None. ``modified_at`` is ms since the epoch."""

    path: str
    is_folder: bool = False
    size: int | None = None
    modified_at: int | None = None
    etag: str | None = None


class StoreFiles(abc.ABC):
    """The files of a datastore."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abc.abstractmethod
    def entries(self, folder: str) -> Iterator[Entry]:
        """What is directly in a folder, by name; `NotFoundError` where there is none."""

    @abc.abstractmethod
    def files(self, path: str) -> Iterator[Entry]:
        """The file ``path``, or all files below the folder ``path``, by path."""

    @abc.abstractmethod
    def open(self, path: str) -> BinaryIO:
        """A file for reading, from its beginning, seekable."""

    @abc.abstractmethod
    def write(self, path: str, chunks: Iterable[bytes], *, overwrite: bool) -> None:
        """Write a file whole or not at all; `ConflictError` for one that is there, unless ``overwrite``."""

    @abc.abstractmethod
    def arrow(self) -> tuple[pyarrow.fs.FileSystem, str]:
        """The file system for pyarrow, and what its paths have before ours."""

    def check(self) -> None:
        """Raise where it cannot be reached."""
        next(self.entries(""), None)


def checked(path: str) -> str:
    """``path`` if it may name something in a datastore; the root is empty."""
    return path if path == "" else check_logical_path(path)
