"""Files behind a protocol, through fsspec: HTTP(S), S3, Azure Blob."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from jupyter_aml.core.vault import masked
from jupyter_aml.data.stores._base import Entry, StoreFiles, checked
from jupyter_aml.errors import AmlError, ConflictError, ForbiddenError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    import pyarrow.fs


class RemoteFiles(StoreFiles):
    """The files below ``root`` of an fsspec file system.

    ``asks_each``: its lists say nothing of a file but the name, which an `info` of each makes good.
    """

    def __init__(
        self, name: str, fs: Any, root: str, secrets: Iterable[str], *, asks_each: bool = False
    ) -> None:
        super().__init__(name)
        self._fs = fs
        self._root = root
        self._secrets = list(secrets)
        self._asks_each = asks_each

    def entries(self, folder: str) -> Iterator[Entry]:
        """What is directly in a folder."""
        place = self._place(folder)
        with self._clear_errors(folder):
            found = self._fs.ls(f"{place}/" if self._asks_each else place, detail=True)
        yield from self._sorted(found, folder)

    def files(self, path: str) -> Iterator[Entry]:
        """The file, or the files below."""
        place = self._place(path)
        with self._clear_errors(path):
            if self._asks_each:
                names = list(self._fs.find(place if path else f"{place}/"))
                found = [{**self._fs.info(name), "name": name} for name in names]
            else:
                found = list(self._fs.find(place, detail=True).values())
        entries = [entry for entry in self._sorted(found, "") if not entry.is_folder]
        if not entries:
            raise NotFoundError(f"The datastore {self.name!r} has no {path!r}.")
        yield from entries

    def open(self, path: str) -> BinaryIO:
        """A file, for reading."""
        with self._clear_errors(path):
            return cast("BinaryIO", self._fs.open(self._place(path), "rb"))

    def write(self, path: str, chunks: Iterable[bytes], *, overwrite: bool) -> None:
        """Write; an object store shows a file when it is whole."""
        place = self._place(path)
        with self._clear_errors(path):
            if not overwrite and self._fs.exists(place):
                raise ConflictError(
                    f"{path!r} is in the datastore {self.name!r} already.", hint="Pass overwrite=True."
                )
            stream = self._fs.open(place, "wb")
            try:
                for chunk in chunks:
                    stream.write(chunk)
            except BaseException:
                with contextlib.suppress(Exception):
                    stream.discard()
                raise
            stream.close()

    def arrow(self) -> tuple[pyarrow.fs.FileSystem, str]:
        """fsspec's, wrapped."""
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        return PyFileSystem(FSSpecHandler(self._fs)), f"{self._root}/"

    def _place(self, path: str) -> str:
        return f"{self._root}/{checked(path)}" if path else self._root

    def _sorted(self, found: Iterable[dict[str, Any]], folder: str) -> list[Entry]:
        entries = (self._entry(item) for item in found)
        return sorted((entry for entry in entries if entry is not None), key=lambda entry: entry.path)

    def _entry(self, item: dict[str, Any]) -> Entry | None:
        """An entry; None for what a listing names outside the root, or the folder itself."""
        name = str(item["name"]).rstrip("/")
        if not name.startswith(f"{self._root}/"):
            return None
        is_folder = item.get("type") == "directory" or str(item["name"]).endswith("/")
        return Entry(
            name[len(self._root) + 1 :],
            is_folder=is_folder,
            size=None if is_folder or item.get("size") is None else int(item["size"]),
            modified_at=_milliseconds(
                item.get("LastModified") or item.get("last_modified") or item.get("Last-Modified")
            ),
            etag=_text(item.get("ETag") or item.get("etag")),
        )

    @contextlib.contextmanager
    def _clear_errors(self, path: str) -> Iterator[None]:
        try:
            yield
        except AmlError:
            raise
        except FileNotFoundError:
            raise NotFoundError(f"The datastore {self.name!r} has no {path!r}.") from None
        except PermissionError as error:
            raise ForbiddenError(
                f"The datastore {self.name!r} refuses to show {path!r}: {self._masked(error)}",
                hint="Have its credentials expired? ws.datastores[...].update(credentials=...)",
            ) from None
        except Exception as error:  # noqa: BLE001 - what each protocol's library raises shares no class
            status = getattr(error, "status", None)
            if status in (401, 403):
                raise ForbiddenError(
                    f"The datastore {self.name!r} refuses to show {path!r} (HTTP {status}).",
                    hint="Give its credentials: ws.datastores[...].update(credentials=...)",
                ) from None
            raise UnavailableError(
                f"The datastore {self.name!r} cannot be used: {self._masked(error)}",
                hint="Check its address and that it can be reached from here.",
            ) from None

    def _masked(self, error: Exception) -> str:
        return masked(" ".join(f"{type(error).__name__}: {error}".split())[:500], self._secrets)


def _milliseconds(when: Any) -> int | None:
    if isinstance(when, str):
        try:
            when = parsedate_to_datetime(when)
        except ValueError:
            return None
    return int(when.timestamp() * 1000) if isinstance(when, datetime) else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
