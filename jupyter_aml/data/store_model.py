"""What datastores are, as the REST API shows them. No answer has a field for a credential."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from jupyter_aml import limits
from jupyter_aml.core.paths import check_logical_path, check_text
from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking.model import Model, Page, Tags

StoreType = Literal["workspace", "local", "http", "s3", "azure_blob", "sql"]
BUILT_IN = ("workspaceblobstore", "workspacefilestore")
DEFAULT = BUILT_IN[0]
# Which credentials each type takes.
CREDENTIALS: dict[str, tuple[str, ...]] = {
    "workspace": (),
    "local": (),
    "http": ("username", "password", "token"),
    "s3": ("access_key_id", "secret_access_key", "session_token"),
    "azure_blob": ("account_key", "sas_token"),
    "sql": ("password",),
}
_WORD = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$"
Word = Annotated[str, Field(pattern=_WORD)]
_SQL = re.compile(r"(sqlite|postgresql|mysql|mariadb|mssql)(\+[a-z0-9]+)?", re.ASCII)


def check_address(url: str, what: str) -> str:
    """``url`` if it is a plain http(s) address: no credentials, query or fragment, no chain of protocols."""
    check_text(url, what, limits.PATH_LENGTH)
    try:
        parts = urlsplit(url)
        bad = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        raise InvalidError(f"The {what} is no address.") from None
    if bad or "::" in parts.path or "\\" in url or ".." in parts.path.split("/"):
        raise InvalidError(f"The {what} must be an http:// or https:// address.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidError(
            f"The {what} holds credentials, a query or a fragment.", hint="Give credentials apart, by name."
        )
    return url.rstrip("/")


class WorkspaceStore(Model):
    """A folder of the workspace itself."""

    type: Literal["workspace"] = "workspace"


class LocalStore(Model):
    """A folder of the service's machine, an NFS mount for instance."""

    type: Literal["local"] = "local"
    path: str

    @field_validator("path")
    @classmethod
    def _path(cls, path: str) -> str:
        check_text(path, "folder", limits.PATH_LENGTH)
        if not path.startswith("/") or ".." in path.split("/"):
            raise InvalidError(f"{ascii(path)[:80]} is no absolute path of a folder.")
        return path.rstrip("/") or "/"


class HttpStore(Model):
    """Files below an address; ``endpoint`` ends where their paths begin."""

    type: Literal["http"] = "http"
    endpoint: str

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, url: str) -> str:
        return check_address(url, "endpoint")


class _Bucket(Model):
    prefix: str = ""
    endpoint: str | None = None

    @field_validator("prefix")
    @classmethod
    def _prefix(cls, prefix: str) -> str:
        return check_logical_path(prefix.strip("/")) if prefix.strip("/") else ""

    @field_validator("endpoint")
    @classmethod
    def _endpoint(cls, url: str | None) -> str | None:
        return None if url is None else check_address(url, "endpoint")


class S3Store(_Bucket):
    """A bucket, or what is below ``prefix`` in it; ``endpoint`` for those that are not Amazon's."""

    type: Literal["s3"] = "s3"
    bucket: Word
    region: Word | None = None


class AzureBlobStore(_Bucket):
    """A container of an Azure storage account."""

    type: Literal["azure_blob"] = "azure_blob"
    account_name: Word
    container_name: Word


class SqlStore(Model):
    """A database, by a URL as SQLAlchemy writes it; the password is a credential and no part of it."""

    type: Literal["sql"] = "sql"
    url: str

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        check_text(url, "URL", limits.PATH_LENGTH)
        scheme, separator, rest = url.partition("://")
        if not separator or not _SQL.fullmatch(scheme):
            raise InvalidError(
                "That is no URL of a SQL database.",
                hint="Write postgresql+psycopg://user@host/database, mysql+pymysql://..., sqlite:////file.db",
            )
        if "::" in rest or "?" in rest or "#" in rest or ".." in rest.split("/"):
            raise InvalidError("The URL of a SQL database takes no options here.")
        if "@" in rest and ":" in rest.rsplit("@", 1)[0]:
            raise InvalidError("The URL holds a password.", hint="Give it apart: password=...")
        return url


StoreSettings = Annotated[
    WorkspaceStore | LocalStore | HttpStore | S3Store | AzureBlobStore | SqlStore, Field(discriminator="type")
]
Credentials = dict[str, SecretStr]


class CreateDatastore(Model):
    """A datastore to register; with ``replace`` in the place of one of that name."""

    name: str
    description: str = ""
    tags: Tags = {}
    settings: StoreSettings
    credentials: Credentials = {}
    replace: bool = False
    validated: bool = Field(True, description="try to reach it first")


class UpdateDatastore(Model):
    """Changes of a datastore; what is left out stays. ``credentials`` take the place of all there were."""

    description: str | None = None
    tags: dict[str, str | None] | None = None
    is_default: Literal[True] | None = None
    credentials: Credentials | None = None


class DatastoreModel(BaseModel):
    """A datastore; ``has_credentials`` is all that is ever said of its secrets."""

    name: str
    type: StoreType
    description: str
    tags: Tags
    settings: dict[str, Any]
    is_default: bool
    has_credentials: bool
    user: str
    created_at: int | None


class Datastores(Page):
    """All datastores."""

    items: list[DatastoreModel]


class EntryModel(BaseModel):
    """A file or folder in a datastore; ``modified_at`` is ms since the epoch, where it is known."""

    path: str
    is_folder: bool
    size: int | None
    modified_at: int | None


class Entries(BaseModel):
    """What is directly in a folder of a datastore; ``more`` where there is more than is shown."""

    items: list[EntryModel]
    more: bool
