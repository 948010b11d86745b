"""The `DataAsset` a user holds, and the collection of a workspace's data assets."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.core.paths import WorkspaceFolder
from jupyter_aml.data.datastore import Datastore, DatastorePath
from jupyter_aml.data.sources import Content, content_of
from jupyter_aml.data.stores import LocalFiles
from jupyter_aml.data.transfer import make_target, send_files, write_whole
from jupyter_aml.data.view import make_view
from jupyter_aml.errors import AmlError, ConflictError, InvalidError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas

    from jupyter_aml.client import Client
    from jupyter_aml.data.tabular import TabularDataset


class DataChangedWarning(UserWarning):
    """Data in a datastore is no longer what it was when the version was registered."""


class DataAsset:
    """One version of a data asset. It never changes; other content is a new version."""

    def __init__(self, client: Client, data: Mapping[str, Any]) -> None:
        self._client = client
        self._data = dict(data)
        self.name: str = data["name"]
        self.version: str = data["version"]
        self.type: str = data["type"]

    def __repr__(self) -> str:
        return f"<DataAsset {self.reference} ({self.type})>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataAsset) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    @property
    def reference(self) -> str:
        """``name:version``, as jobs keep it."""
        return f"{self.name}:{self.version}"

    @property
    def data(self) -> dict[str, Any]:
        """What the service said of it, as plain data."""
        return dict(self._data)

    @property
    def description(self) -> str:
        """What it is."""
        return str(self._data["description"])

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return dict(self._data["tags"])

    @property
    def digest(self) -> str:
        """The sha256 of what it consists of; equal versions have equal digests."""
        return str(self._data["digest"])

    @property
    def size(self) -> int | None:
        """Its size in bytes; None where its datastore does not say."""
        size: int | None = self._data["size"]
        return size

    @property
    def location(self) -> DatastorePath | None:
        """Where it lies in a datastore; None for data that the workspace itself keeps."""
        found = self._data["location"]
        if found is None:
            return None
        store = Datastore(self._client, self._client.call("get_datastore", name=found["datastore"]))
        return DatastorePath(store, found["path"])

    def get_file_names(self) -> list[str]:
        """The paths of its files in it."""
        location = self.location
        if location is None:
            return [file["path"] for file in self._files()]
        return [inside for inside, _ in _located(location)]

    def _files(self) -> Iterator[dict[str, Any]]:
        token = None
        while True:
            page = self._client.call(
                "list_data_files", name=self.name, version=self.version, limit=1000, page_token=token
            )
            yield from page["items"]
            token = page["next_page_token"]
            if token is None:
                return

    def check(self) -> str | None:
        """Warn (`DataChangedWarning`) where data in a datastore changed since it was registered; how."""
        if self._data["location"] is None:
            return None
        reason: str | None = self._client.call("check_data", name=self.name, version=self.version)["reason"]
        if reason is not None:
            message = f"The data of {self.reference} changed since it was registered: {reason}."
            warnings.warn(message, DataChangedWarning, stacklevel=3)
        return reason

    def path(self) -> Path:
        """Its file, or the folder of its files, on this machine: to read only, and without copying.

        Raises `UnavailableError` for data that is not on this machine; `download` brings that.
        """
        location, root = self.location, self._client.location.root
        if location is not None:
            files = location.datastore.files()
            if not isinstance(files, LocalFiles):
                raise UnavailableError(
                    f"The data of {self.reference} lies in {location.uri}, not on this machine.",
                    hint="Bring it here: .download(folder)",
                )
            self.check()
            return files.local_path(location.path)
        if root is None:
            raise UnavailableError(
                f"The data of {self.reference} is on the workspace's machine.",
                hint="Bring it here: .download(folder)",
            )
        folder, files_of = WorkspaceFolder(root), list(self._files())
        view = make_view(
            BlobStore(folder.blobs),
            [(file["path"], file["digest"], file["size"]) for file in files_of],
            folder.data / "views" / self.digest,
        )
        return view / files_of[0]["path"] if self.type == "uri_file" else view

    def download(self, target: str | Path = ".", *, overwrite: bool = False) -> list[Path]:
        """Write its files to the folder ``target``, each checked against its digest; where they are."""
        folder, made = Path(target).expanduser(), []
        location = self.location
        if location is not None:
            self.check()
            return location.datastore.download(folder, location.path, overwrite=overwrite)
        for file in self._files():
            place = make_target(folder, file["path"])
            if place.exists() and not overwrite:
                raise ConflictError(f"{place} is there already.", hint="Pass overwrite=True.")

            def save(chunks: Iterable[bytes], place: Path = place, digest: str = file["digest"]) -> None:
                write_whole(place, chunks, digest)

            self._client.stream(
                "download_data_file", save, name=self.name, version=self.version, path=file["path"]
            )
            made.append(place)
        return made

    def to_tabular(self) -> TabularDataset:
        """It as a lazy table; nothing is read yet."""
        from jupyter_aml.data.tabular.open import open_asset

        self.check()
        return open_asset(self)

    def to_pandas_dataframe(self) -> pandas.DataFrame:
        """It as a pandas data frame, read whole."""
        return self.to_tabular().to_pandas_dataframe()

    def as_input(self, mode: str = "ro_mount") -> dict[str, str]:
        """It as an input of a job: ``command(..., inputs={"data": asset.as_input("download")})``.

        Modes: ``ro_mount`` (to read, not copied where that can be), ``download`` (a copy of the job's own),
        ``direct`` (the reference itself).
        """
        return {"type": self.type, "path": f"azureml:{self.reference}", "mode": mode}

    def runs(self) -> list[dict[str, Any]]:
        """The runs that took this version as an input, newest first: ``run_id, run_name, input, mode``."""
        return list(self._client.call("list_data_runs", name=self.name, version=self.version)["items"])

    def update(self, *, description: str | None = None, tags: Mapping[str, str | None] | None = None) -> None:
        """Change its description or its tags; a tag of None is removed."""
        self._change(description=description, tags=None if tags is None else dict(tags))

    def archive(self) -> None:
        """Hide this version; jobs that name it still run."""
        self._change(archived=True)

    def restore(self) -> None:
        """Bring this version back."""
        self._change(archived=False)

    def _change(self, **changes: Any) -> None:
        self._data = self._client.call("update_data", name=self.name, version=self.version, **changes)


Uses = list[dict[str, Any]]
DataList = list[DataAsset]  # inside a class that has a method `list`


class DataCollection:
    """``ws.data``: `register`, `get`, `list`, `archive`, `restore`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getitem__(self, name: str) -> DataAsset:
        return self.get(name)

    def __iter__(self) -> Iterator[DataAsset]:
        return iter(self.list())

    def register(
        self,
        name: str,
        path: str | Path | DatastorePath | TabularDataset | None = None,
        *,
        frame: Any = None,
        type: str | None = None,
        version: str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> DataAsset:
        """Register a version; the same content again gives the version that is there.

        Args:
            path: a local file or folder, whose bytes the workspace keeps (without links in it); a place in a
                datastore (``store.path("a/b.csv")``, ``azureml://datastores/NAME/paths/a/b.csv``), where they
                stay; or a tabular dataset over either.
            frame: a pandas or polars data frame or a pyarrow table instead, kept as parquet.
            type: ``uri_file``, ``uri_folder`` or ``mltable`` (a table); found from the content without it.
            version: the next number without it.
        """
        if (path is None) == (frame is None):
            raise InvalidError("A data asset has a path or a frame.", hint="Give path=... or frame=...")
        with tempfile.TemporaryDirectory(prefix="aml-") as folder:
            content = content_of(self._client, path, frame, type, Path(folder))
            return self._register(
                content, name=name, version=version, description=description, tags=dict(tags or {})
            )

    def _register(self, content: Content, **about: Any) -> DataAsset:
        try:
            found = self._client.call(
                "register_data",
                type=content.type,
                files=send_files(self._client, content.files),
                place=content.place,
                definition=content.definition,
                **about,
            )
        except OSError as error:
            raise AmlError(f"{error.filename} cannot be read: {error.strerror}.") from None
        return DataAsset(self._client, found)

    def get(self, name: str, version: str | None = None, label: str | None = None) -> DataAsset:
        """The version meant: ``get("d")`` is the newest; ``get("d", "3")``, ``get("d:3")``."""
        if version is None and label is None:
            return DataAsset(self._client, self._client.call("resolve_data", text=name))
        found = self._client.call("get_data", name=name, version=version, label=label)
        return DataAsset(self._client, found)

    def list(self, name: str | None = None, *, archived: bool | None = False) -> DataList:
        """The newest version of each data asset, or all versions of ``name``; newest first.

        ``archived``: True for the archived ones only, None for those too.
        """
        found: DataList = []
        token = None
        while True:
            page = self._client.call(
                "list_data",
                name=name,
                which="all" if archived is None else "archived" if archived else "active",
                page_token=token,
                limit=1000,
            )
            found += [DataAsset(self._client, item) for item in page["items"]]
            token = page["next_page_token"]
            if token is None:
                return found

    def archive(self, name: str, version: str | None = None) -> None:
        """Hide a version, or all of them; jobs that name one still run."""
        self._client.call("update_data", name=name, version=version, archived=True)

    def restore(self, name: str, version: str | None = None) -> None:
        """Bring an archived version back, or all of them."""
        self._client.call("update_data", name=name, version=version, archived=False)

    def inputs_of(self, run_id: str) -> Uses:
        """The data a run took as inputs: ``input, data, version, mode``."""
        return [dict(item) for item in self._client.call("list_run_data", run_id=run_id)["items"]]


def _located(location: DatastorePath) -> Iterator[tuple[str, str]]:
    """The files of a place in a datastore: their paths in the asset, and in the datastore."""
    for entry in location.datastore.files().files(location.path):
        inside = entry.path.rsplit("/", 1)[-1] if entry.path == location.path else entry.path
        yield inside.removeprefix(f"{location.path}/") if location.path else inside, entry.path
