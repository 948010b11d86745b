"""The `Datastore` a user holds, and the collection of a workspace's datastores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.core.paths import WorkspaceFolder
from jupyter_aml.core.vault import Vault
from jupyter_aml.data.stores import StoreFiles, open_files
from jupyter_aml.data.stores._base import checked
from jupyter_aml.data.transfer import chunks_of, local_files, make_target, write_whole
from jupyter_aml.errors import ConflictError, InvalidError, UnavailableError

if TYPE_CHECKING:
    from jupyter_aml.client import Client


@dataclass(frozen=True)
class DatastorePath:
    """A file or folder in a datastore."""

    datastore: Datastore
    path: str

    def __repr__(self) -> str:
        return f"<DatastorePath {self.uri}>"

    @property
    def uri(self) -> str:
        """As Azure writes it: ``azureml://datastores/NAME/paths/PATH``."""
        return f"azureml://datastores/{self.datastore.name}/paths/{self.path}"


class Datastore:
    """A registered place for data. Its credentials are in the workspace's vault, and shown to nobody."""

    def __init__(self, client: Client, data: Mapping[str, Any]) -> None:
        self._client = client
        self._data = dict(data)
        self.name: str = data["name"]
        self.type: str = data["type"]

    def __repr__(self) -> str:
        return f"<Datastore {self.name} ({self.type})>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Datastore) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def data(self) -> dict[str, Any]:
        """What the service said of it, as plain data."""
        return dict(self._data)

    @property
    def description(self) -> str:
        """What it is for."""
        return str(self._data["description"])

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return dict(self._data["tags"])

    @property
    def is_default(self) -> bool:
        """Whether it is the workspace's default, asked for now."""
        return bool(self._client.call("get_datastore", name=self.name)["is_default"])

    def path(self, path: str = "") -> DatastorePath:
        """A file or folder in it, to register or to read: ``ws.data.register("d", store.path("a.csv"))``."""
        return DatastorePath(self, checked(path.strip("/")))

    def browse(self, path: str = "") -> list[dict[str, Any]]:
        """What is directly in a folder: ``path, is_folder, size`` (bytes), ``modified_at`` (ms)."""
        return list(self._client.call("browse_datastore", name=self.name, path=path.strip("/"))["items"])

    def upload(self, source: str | Path, target: str = "", *, overwrite: bool = False) -> DatastorePath:
        """Write a local file, or all files of a folder, to the folder ``target``; what was written.

        Raises `ConflictError` for a file that is there, unless ``overwrite``.
        """
        files, folder = self.files(), target.strip("/")
        listed = local_files(Path(source))
        for path, local in listed:
            with local.open("rb") as stream:
                chunks = chunks_of(stream)
                files.write(f"{folder}/{path}" if folder else path, chunks, overwrite=overwrite)
        if Path(source).expanduser().is_file():
            folder = f"{folder}/{listed[0][0]}" if folder else listed[0][0]
        return self.path(folder)

    def download(self, target: str | Path, path: str = "", *, overwrite: bool = False) -> list[Path]:
        """Bring the file ``path``, or all files below the folder ``path``, to the folder ``target``."""
        files, root = self.files(), Path(target).expanduser()
        wanted = path.strip("/")
        made = []
        for entry in files.files(wanted):
            inside = entry.path.rsplit("/", 1)[-1] if entry.path == wanted else entry.path
            if wanted and entry.path != wanted:
                inside = entry.path.removeprefix(f"{wanted}/")
            place = make_target(root, inside)
            if place.exists() and not overwrite:
                raise ConflictError(f"{place} is there already.", hint="Pass overwrite=True.")
            with files.open(entry.path) as stream:
                write_whole(place, chunks_of(stream))
            made.append(place)
        return made

    def update(
        self,
        *,
        description: str | None = None,
        tags: Mapping[str, str | None] | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        """Change description, tags (None removes one) or all its credentials."""
        self._data = self._client.call(
            "update_datastore",
            name=self.name,
            description=description,
            tags=None if tags is None else dict(tags),
            credentials=None if credentials is None else dict(credentials),
        )

    def set_default(self) -> None:
        """Make it the workspace's default."""
        self._data = self._client.call("update_datastore", name=self.name, is_default=True)

    def files(self) -> StoreFiles:
        """Its files, opened with its credentials, which the workspace's owner can read."""
        folder = self._folder()
        return open_files(folder, self.name, self._data["settings"], self.credentials())

    def credentials(self) -> dict[str, str]:
        """Its credentials out of the vault of this machine; for code that reads the data itself."""
        return Vault(self._folder().vault).get(f"datastore/{self.name}")

    def _folder(self) -> WorkspaceFolder:
        root = self._client.location.root
        if root is None:
            raise UnavailableError(
                f"The datastore {self.name!r} can be read on the workspace's own machine only.",
                hint="Register what you need as a data asset's files; those can be downloaded from anywhere.",
            )
        return WorkspaceFolder(root)


DatastoreList = list[Datastore]  # inside a class that has a method `list`


class DatastoreCollection:
    """``ws.datastores``: `create`, `get`, `list`, `get_default`, `set_default`, `delete`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getitem__(self, name: str) -> Datastore:
        return self.get(name)

    def __iter__(self) -> Iterator[Datastore]:
        return iter(self.list())

    def create(
        self,
        name: str,
        type: str | None = None,
        *,
        credentials: Mapping[str, str] | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        replace: bool = False,
        skip_validation: bool = False,
        **settings: Any,
    ) -> Datastore:
        """Register a place for data; the same again gives the one that is there.

        Args:
            type: ``local`` (``path=``), ``http`` (``endpoint=``), ``s3`` (``bucket=, prefix=, endpoint=,
                region=``), ``azure_blob`` (``account_name=, container_name=, prefix=, endpoint=``) or ``sql``
                (``url=``, as SQLAlchemy writes it, without the password); found from the settings without it.
            credentials: ``username, password, token`` (http), ``access_key_id, secret_access_key,
                session_token`` (s3), ``account_key`` or ``sas_token`` (azure_blob), ``password`` (sql).
            replace: take the place of another datastore of this name.
            skip_validation: do not try to reach it now.
        """
        kind = type or _type_of(settings)
        if kind == "local" and "path" in settings:
            settings["path"] = str(Path(settings["path"]).expanduser().absolute())
        found = self._client.call(
            "create_datastore",
            name=name,
            description=description,
            tags=dict(tags or {}),
            settings={"type": kind, **settings},
            credentials=dict(credentials or {}),
            replace=replace,
            validated=not skip_validation,
        )
        return Datastore(self._client, found)

    def get(self, name: str) -> Datastore:
        """A datastore by its name."""
        return Datastore(self._client, self._client.call("get_datastore", name=name))

    def list(self) -> DatastoreList:
        """All of them; the workspace's own first."""
        return [Datastore(self._client, item) for item in self._client.call("list_datastores")["items"]]

    def get_default(self) -> Datastore:
        """The default one."""
        return Datastore(self._client, self._client.call("get_default_datastore"))

    def set_default(self, name: str) -> None:
        """Make it the default one."""
        self.get(name).set_default()

    def delete(self, name: str) -> None:
        """Forget it and its credentials; what lies there stays."""
        self._client.call("delete_datastore", name=name)


def _type_of(settings: Mapping[str, Any]) -> str:
    signs = {"path": "local", "endpoint": "http", "url": "sql"}
    signs = {"bucket": "s3", "container_name": "azure_blob", **signs}
    for sign, kind in signs.items():
        if sign in settings:
            return kind
    raise InvalidError(
        "A datastore needs a place.", hint="Give path=, endpoint=, bucket=, container_name= or url=."
    )
