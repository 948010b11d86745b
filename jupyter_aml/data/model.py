"""What data assets and datastores are, as the REST API and every face show them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from jupyter_aml import limits
from jupyter_aml.data.definition import TableDefinition
from jupyter_aml.tracking.model import Digest, Model, Page, Tags

Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
DataType = Literal["uri_file", "uri_folder", "mltable"]
StoreType = Literal["workspace", "local", "http", "s3", "azure_blob", "gcs", "sql"]
Mode = Literal["ro_mount", "download", "direct"]


class DataFile(Model):
    """A file of a data asset: its path in the asset; its bytes were sent before."""

    path: str
    digest: Digest
    size: int = Field(ge=0)


class Place(Model):
    """A place in a datastore; the path is relative to the datastore's root, and empty for the root."""

    datastore: str
    path: str = ""


class Fingerprint(BaseModel):
    """What tells whether data outside the workspace is still the same.

    ``digest`` is a sha256 over path, size, time and etag of each file, as far as the datastore says them.
    """

    digest: str
    size: int
    file_count: int


class Location(Place):
    """A place in a datastore, and how it looked when it was registered; None where that is unknown."""

    fingerprint: Fingerprint | None = None


class RegisterData(Model):
    """A new version of a data asset; one that has this very content already is returned instead.

    Its content is ``files``, or a ``place`` in a datastore. ``definition`` says how it is read as a table.
    """

    name: str
    version: Version | None = None
    type: DataType
    description: str = ""
    tags: Tags = {}
    files: list[DataFile] = Field([], max_length=limits.DATA_FILES)
    place: Place | None = None
    definition: TableDefinition | None = None


class UpdateData(Model):
    """Changes of a data asset; what is left out stays. Without a version, all versions are meant."""

    version: Version | None = None
    description: str | None = None
    tags: dict[str, str | None] | None = None
    archived: bool | None = None


class DataModel(BaseModel):
    """One version of a data asset.

    Attributes:
        digest: sha256 of what it consists of; equal versions have equal digests.
        size: bytes; None for a datastore that does not say.
        location: where it lies; None for data that the workspace itself keeps.
    """

    name: str
    version: str
    type: DataType
    description: str
    tags: Tags
    user: str
    created_at: int
    archived: bool
    is_latest: bool
    digest: str
    size: int | None
    file_count: int | None
    location: Location | None
    definition: TableDefinition | None


class DataAssets(Page):
    """A page of data assets."""

    items: list[DataModel]


class DataFileModel(BaseModel):
    """A file of a data asset."""

    path: str
    digest: str
    size: int


class DataFiles(Page):
    """A page of files."""

    items: list[DataFileModel]


class DataCheck(BaseModel):
    """Whether data outside the workspace is still what was registered; ``reason`` says what is different."""

    changed: bool
    reason: str | None


class DataUse(BaseModel):
    """A version of a data asset as an input of a run."""

    run_id: str
    run_name: str
    experiment: str
    input: str
    mode: Mode
    data: str
    version: str


class DataUses(BaseModel):
    """Inputs of runs."""

    items: list[DataUse]
