"""What a registered model is, as the REST API and every face show it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from jupyter_aml import limits
from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking.model import Digest, Key, Model, Page, RunId, Tags

Stage = Literal["None", "Development", "Staging", "Production", "Archived"]
ModelType = Literal["custom_model", "mlflow_model", "triton_model"]
FlavorName = Literal["mlflow", "sklearn", "pickle", "skops", "onnx", "xgboost", "lightgbm", "custom"]
VersionNumber = Annotated[int, Field(ge=1, le=limits.MODEL_VERSION_MAX)]
_Text = Annotated[str, StringConstraints(max_length=limits.DESCRIPTION_LENGTH)]
_Word = Annotated[str, StringConstraints(max_length=limits.NAME_LENGTH)]


class Column(Model):
    """One input or output: its name (None where the data has none), its type, the shape of a tensor."""

    name: Annotated[str, StringConstraints(max_length=limits.TAG_NAME_LENGTH)] | None = None
    type: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    shape: Annotated[list[int], Field(max_length=32)] | None = None


class Signature(Model):
    """What a model takes and gives, and where that is known from."""

    inputs: list[Column] = Field([], max_length=limits.SIGNATURE_COLUMNS)
    outputs: list[Column] = Field([], max_length=limits.SIGNATURE_COLUMNS)
    source: Literal["sample", "mlflow"] = "sample"


class DatasetUse(Model):
    """Data a model was made with: what for (``training``), and which, such as ``diabetes:3``."""

    purpose: _Word = "training"
    reference: Annotated[str, StringConstraints(min_length=1, max_length=400)]


class ModelFile(Model):
    """A file of a model: its path within it, its sha256, its size in bytes."""

    path: str
    digest: Digest
    size: int = Field(ge=0, le=2**60)


class CreateModel(Model):
    """A new name without a version."""

    name: str
    description: _Text = ""
    tags: Tags = {}


class _NewVersion(Model):
    """What a new version may say of itself, wherever its files come from.

    ``version`` is the next number where it is left out; ``type`` is found from the files.
    """

    version: VersionNumber | None = None
    description: _Text = ""
    tags: Tags = {}
    properties: Tags = {}
    type: ModelType | None = None
    stage: Stage = "None"
    signature: Signature | None = None
    datasets: list[DatasetUse] = Field([], max_length=100)
    key: Key | None = None


class RegisterRunModel(_NewVersion):
    """A file, or the folder, of a run as a model's next version."""

    name: str
    path: str


class CreateModelVersion(_NewVersion):
    """A model's next version: out of a run's files, of files sent before, or of another version.

    Attributes:
        run_id, path: the run, and its file or folder.
        files, root: files stored as blobs, and the name of the one file or of the folder they are in.
        model: a version such as ``diabetes:3``, whose files and lineage are taken over.
        git: the commit the files come from, for those that come from no run.
    """

    run_id: RunId | None = None
    path: str | None = None
    files: list[ModelFile] | None = Field(None, max_length=limits.MODEL_FILES)
    root: str | None = None
    model: Annotated[str, StringConstraints(max_length=400)] | None = None
    git: dict[str, Annotated[str, StringConstraints(max_length=2_000)] | bool | None] | None = Field(
        None, max_length=20
    )

    @model_validator(mode="after")
    def _one_origin(self) -> CreateModelVersion:
        given = [self.run_id is not None, self.files is not None, self.model is not None]
        fits = (self.run_id is None) == (self.path is None) and (self.files is None) == (self.root is None)
        if sum(given) != 1 or not fits:
            raise InvalidError(
                "A model's version comes from one place.",
                hint="Give run_id and path, or files and root, or model.",
            )
        return self


class UpdateModel(Model):
    """Changes of a model; what is left out stays. ``archived`` is for all its versions."""

    new_name: str | None = None
    description: _Text | None = None
    tags: dict[str, str | None] | None = None
    archived: bool | None = None


class UpdateModelVersion(Model):
    """Changes of a version; what is left out stays, null removes a tag or a property."""

    description: _Text | None = None
    tags: dict[str, str | None] | None = None
    properties: dict[str, str | None] | None = None
    archived: bool | None = None


class SetModelStage(Model):
    """The stage of a version; ``archive_existing`` moves those that had it to Archived at the same moment."""

    stage: Stage
    archive_existing: bool = False


class SetModelAlias(Model):
    """Which version an alias means from now on."""

    alias: str
    version: VersionNumber


class Flavor(BaseModel):
    """What kind of model the files hold, found by names and first bytes; nothing was loaded to tell.

    Attributes:
        format: how it is written: ``pickle``, ``joblib``, ``skops``, ``onnx``, ``json``, ``ubj``, ``text``,
            ``mlflow``; empty for a custom model.
        file: the one file to load, None where that is the whole folder.
        flavors: MLflow's names of what can load it.
        requires: versions of the libraries it was made with, where the files say so.
    """

    name: FlavorName = "custom"
    format: str = ""
    file: str | None = None
    flavors: list[str] = []
    requires: dict[str, str] = {}


class Lineage(BaseModel):
    """Where a version comes from, as it was when the version was registered.

    Attributes:
        path: the file or folder of the run.
        snapshot: the digest of what was submitted.
        environment, environment_lock: ``name:version``, and the digest of the file of exact packages.
        model: the version it was copied from.
    """

    run_id: str | None = None
    run_name: str | None = None
    run_kind: str | None = None
    run_user: str | None = None
    experiment: str | None = None
    path: str | None = None
    snapshot: str | None = None
    notebook: str | None = None
    git: dict[str, Any] | None = None
    environment: str | None = None
    environment_lock: str | None = None
    datasets: list[DatasetUse] = []
    model: str | None = None


class ModelVersion(BaseModel):
    """One version of a model.

    Attributes:
        root, is_folder: the name of its file, or of the folder its files are in.
        digest: the sha256 of its list of files, see `jupyter_aml.models.digests`.
        size: of all its files, in bytes.
    """

    name: str
    version: int
    description: str
    tags: Tags
    properties: Tags
    type: ModelType
    stage: Stage
    aliases: list[str]
    flavor: Flavor
    signature: Signature | None
    root: str
    is_folder: bool
    digest: str
    size: int
    file_count: int
    lineage: Lineage
    user: str
    created_at: int
    updated_at: int
    archived: bool
    is_latest: bool


class RegisteredModel(BaseModel):
    """A model's name with what belongs to all its versions.

    Attributes:
        latest_version: the newest that is not archived.
        stages: the newest version of each stage but ``None``.
    """

    name: str
    description: str
    tags: Tags
    user: str
    created_at: int
    updated_at: int
    archived: bool
    version_count: int
    latest_version: int | None
    aliases: dict[str, int]
    stages: dict[str, int]


class Models(Page):
    """A page of models."""

    items: list[RegisteredModel]


class ModelVersions(Page):
    """A page of versions."""

    items: list[ModelVersion]


class ModelFiles(Page):
    """A page of a version's files, by path."""

    items: list[ModelFile]
