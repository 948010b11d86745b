"""A folder of this machine. Links are followed as long as they stay below the root."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from jupyter_aml.core.blobs import open_regular
from jupyter_aml.data.stores._base import Entry, StoreFiles, checked
from jupyter_aml.errors import AmlError, ConflictError, ForbiddenError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    import pyarrow.fs


class LocalFiles(StoreFiles):
    """The files below ``root``; ``label`` is how messages name the folder."""

    def __init__(self, name: str, root: Path) -> None:
        super().__init__(name)
        self._root = Path(os.path.realpath(root))

    def entries(self, folder: str) -> Iterator[Entry]:
        """What is directly in a folder; links to elsewhere, and what is no file or folder, are left out."""
        place = self._place(folder)
        with self._clear_errors(folder):
            names = sorted(os.listdir(place))
        for name in names:
            path = f"{folder}/{name}" if folder else name
            entry = self._entry(path, place / name)
            if entry is not None:
                yield entry

    def files(self, path: str) -> Iterator[Entry]:
        """The file, or the files below."""
        place = self._place(path)
        if place.is_file():
            entry = self._entry(path, place)
            assert entry is not None
            yield entry
            return
        for entry in self.entries(path):
            if not entry.is_folder:
                yield entry
            elif not (self._root / entry.path).is_symlink():  # a loop of links would never end
                yield from self.files(entry.path)

    def open(self, path: str) -> BinaryIO:
        """A file, for reading."""
        with self._clear_errors(path):
            return open_regular(self._place(path))

    def write(self, path: str, chunks: Iterable[bytes], *, overwrite: bool) -> None:
        """Write beside, then rename."""
        target = self._root / checked(path)
        with self._clear_errors(path):
            folder = self._inside(target.parent, path)
            folder.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(target) and not overwrite:
                raise ConflictError(
                    f"{path!r} is in the datastore {self.name!r} already.", hint="Pass overwrite=True."
                )
            temporary = folder / f".{secrets.token_hex(8)}.part"
            try:
                with temporary.open("xb") as stream:
                    for chunk in chunks:
                        stream.write(chunk)
                temporary.replace(folder / target.name)
            finally:
                temporary.unlink(missing_ok=True)

    def arrow(self) -> tuple[pyarrow.fs.FileSystem, str]:
        """pyarrow's own."""
        from pyarrow.fs import LocalFileSystem

        return LocalFileSystem(), f"{self._root}/"

    def local_path(self, path: str) -> Path:
        """Where a file or folder lies on this machine."""
        return self._place(path)

    def _place(self, path: str) -> Path:
        place = self._inside(self._root / checked(path), path)
        if not place.exists():
            raise NotFoundError(
                f"The datastore {self.name!r} has no {path!r}."
                if path
                else f"The folder of the datastore {self.name!r} is not there.",
                hint=f"See what it has: aml datastore browse -n {self.name}" if path else "Is it mounted?",
            )
        return place

    def _inside(self, place: Path, path: str) -> Path:
        real = Path(os.path.realpath(place))
        if real != self._root and self._root not in real.parents:
            raise ForbiddenError(f"{path!r} leads out of the datastore {self.name!r}.")
        return real

    def _entry(self, path: str, place: Path) -> Entry | None:
        try:
            real = self._inside(place, path)
            status = real.stat()
        except (OSError, AmlError):
            return None
        if real.is_dir():
            return Entry(path, is_folder=True)
        if not real.is_file():
            return None
        return Entry(path, size=status.st_size, modified_at=status.st_mtime_ns // 1_000_000)

    @contextlib.contextmanager
    def _clear_errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError(f"The datastore {self.name!r} has no folder {path!r}.") from None
        except PermissionError:
            raise ForbiddenError(
                f"{path!r} in the datastore {self.name!r} may not be read or written by this account."
            ) from None
        except OSError as error:
            raise UnavailableError(
                f"The datastore {self.name!r} cannot be used: {error.strerror}.", hint="Is its disk there?"
            ) from error
