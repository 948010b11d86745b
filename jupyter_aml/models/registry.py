"""The `Model` a user holds, which is one version of a model, and the collection of a workspace's models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.errors import InvalidError, NotFoundError
from jupyter_aml.models.references import check_version, parse_reference
from jupyter_aml.models.signature import signature_from

if TYPE_CHECKING:
    from jupyter_aml.client import Client
    from jupyter_aml.models.comparison import ModelComparison
    from jupyter_aml.tracking.run import Run
    from jupyter_aml.tracking.run_files import RunFiles


class Model:
    """One version of a model. Its files never change; what is said of it may."""

    def __init__(self, client: Client, data: Mapping[str, Any]) -> None:
        self._client = client
        self._data = dict(data)
        self.name: str = data["name"]
        self.version: int = data["version"]

    def __repr__(self) -> str:
        return f"<Model {self.id} ({self._data['flavor']['name']}, {self.size:,} bytes)>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and (other.id, other.digest) == (self.id, self.digest)

    def __hash__(self) -> int:
        return hash((self.id, self.digest))

    @classmethod
    def from_run(cls, run: RunFiles, name: str, path: str, **about: Any) -> Model:
        """Register a run's file or folder; ``about`` as for `ModelCollection.register`."""
        from jupyter_aml.models.sending import register_from_run

        return cls(run._client, register_from_run(run, name, path, _request(**about)))

    @property
    def id(self) -> str:
        """``name:version``."""
        return f"{self.name}:{self.version}"

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
    def properties(self) -> dict[str, str]:
        """Its properties."""
        return dict(self._data["properties"])

    @property
    def stage(self) -> str:
        """``None``, ``Development``, ``Staging``, ``Production`` or ``Archived``."""
        return str(self._data["stage"])

    @property
    def aliases(self) -> list[str]:
        """The aliases that mean this version."""
        return list(self._data["aliases"])

    @property
    def flavor(self) -> dict[str, Any]:
        """What kind of model it is: ``name``, ``format``, ``file``, and the libraries it was made with."""
        return dict(self._data["flavor"])

    @property
    def signature(self) -> dict[str, Any] | None:
        """``inputs`` and ``outputs``, lists of ``name``, ``type`` and ``shape``; None where not known."""
        found: dict[str, Any] | None = self._data["signature"]
        return found

    @property
    def digest(self) -> str:
        """The sha256 of its list of files."""
        return str(self._data["digest"])

    @property
    def size(self) -> int:
        """The size of all its files, in bytes."""
        return int(self._data["size"])

    @property
    def lineage(self) -> dict[str, Any]:
        """Where it comes from: run, experiment, snapshot, git commit, environment and its lock, data."""
        return dict(self._data["lineage"])

    @property
    def archived(self) -> bool:
        """Whether it is hidden."""
        return bool(self._data["archived"])

    @property
    def run(self) -> Run | None:
        """The run it comes from; None for one registered from files, or whose run was deleted."""
        from jupyter_aml.tracking.run import Run

        run_id = self._data["lineage"]["run_id"]
        if run_id is None:
            return None
        try:
            return Run(self._client, self._client.call("get_run", run_id=run_id))
        except NotFoundError:
            return None

    def get_details(self) -> dict[str, Any]:
        """The version as the service has it now."""
        return dict(self._call("get_model_version"))

    def get_file_names(self) -> list[str]:
        """The paths of its files, within the model."""
        from jupyter_aml.models.fetch import list_files

        return [file["path"] for file in list_files(self._client, self._data)]

    def download(self, target_dir: str | Path = ".", *, overwrite: bool = False) -> Path:
        """Put its file or folder into ``target_dir`` and return where it is.

        Every byte is compared with what was registered, and nothing is left behind when something is wrong.
        """
        from jupyter_aml.models.fetch import fetch

        return fetch(self._client, self._data, Path(target_dir), overwrite=overwrite)

    def load(self, *, trust: bool = False) -> Any:
        """The model as an object of this process, by the library that made it.

        Loading a pickle runs code. One that a run of your own made here is loaded; any other needs
        ``trust=True``. Every byte is checked before.
        """
        from jupyter_aml.models.loading import load

        return load(self._client, self._data, trust=trust)

    def convert(self, to: str, *, sample_input: Any = None, trust: bool = False) -> Model:
        """Register it anew as ``onnx`` or ``skops``, which run no code when they are loaded; the new version.

        Only scikit-learn models are converted. The new one must predict on ``sample_input`` (numbers at
        random without it) what this one does. ``trust`` as for `load`.
        """
        from jupyter_aml.models.convert import convert

        made = convert(self._client, self._data, to, sample_input=sample_input, trust=trust)
        return Model(self._client, made)

    def update(
        self,
        *,
        description: str | None = None,
        tags: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """Change its description, tags or properties; what is left out stays, a tag of None is removed."""
        self._call(
            "update_model_version",
            description=description,
            tags=_texts(tags),
            properties=_texts(properties),
        )

    def set_stage(self, stage: str, *, archive_existing: bool = False) -> None:
        """Move it to a stage; with ``archive_existing`` the versions there before become Archived at once."""
        self._call("set_model_stage", stage=stage_name(stage), archive_existing=archive_existing)

    def set_alias(self, alias: str) -> None:
        """Let ``name@alias`` mean this version from now on."""
        self._client.call("set_model_alias", name=self.name, alias=alias, version=self.version)
        self._data = self.get_details()

    def archive(self) -> None:
        """Hide it; what names it by its number still finds it."""
        self._call("update_model_version", archived=True)

    def restore(self) -> None:
        """Bring it back."""
        self._call("update_model_version", archived=False)

    def delete(self) -> None:
        """Delete it, unless something uses it; its number is not given again."""
        self._client.call("delete_model_version", name=self.name, version=self.version)

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        self._data = self._client.call(operation, name=self.name, version=self.version, **arguments)
        return self._data


ModelList = list[Model]  # inside a class that has a method `list`


class ModelCollection:
    """``ws.models``: ``ws.models["diabetes:3"]``, `register`, `list`, `compare`, `archive`, `delete`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getitem__(self, name: str) -> Model:
        return self.get(name)

    def __iter__(self) -> Iterator[Model]:
        return iter(self.list())

    def register(self, name: str, path: str | Path, **about: Any) -> Model:
        """Register a file or folder as the next version of the model ``name``.

        Args:
            path: on this machine (it is sent), or of a run: ``runs:/RUN/PATH``,
                ``azureml://jobs/RUN/outputs/artifacts/PATH`` (nothing is copied).
            about: ``description``, ``tags``, ``properties``; ``sample_input``, from which the signature is
                seen; ``datasets``, references such as ``"diabetes:3"`` or pairs of purpose and reference;
                ``version``, the next number without it; ``type``, found from the files; ``stage``.
        """
        from jupyter_aml.models.sending import register_local, run_path
        from jupyter_aml.tracking.experiment import RunCollection

        place = run_path(path) if isinstance(path, str) else None
        if place is None:
            return Model(self._client, register_local(self._client, name, Path(path), _request(**about)))
        run, inside = place
        return Model.from_run(RunCollection(self._client).get(run), name, inside, **about)

    def get(self, name: str, version: int | str | None = None, label: str | None = None) -> Model:
        """The version meant: ``"diabetes"`` is the newest; ``"diabetes:3"``, ``"diabetes@champion"``.

        ``version`` or ``label`` (an alias, or ``latest``) may be given apart.
        """
        text = name
        if version is not None or label is not None:
            if (version is not None and label is not None) or parse_reference(name).name != name:
                raise InvalidError("A model is named by its version or by a label, not by both.")
            text = f"{name}:{check_version(version)}" if label is None else f"{name}@{label}"
        return Model(self._client, self._client.call("resolve_model", text=text))

    def list(
        self,
        name: str | None = None,
        filter: str = "",
        *,
        archived: bool | None = False,
        limit: int | None = None,
    ) -> ModelList:
        """The newest version of each model, or all versions of ``name``; newest first.

        Args:
            filter: such as ``"tags.team = 'blue' AND run_id = '...'"``; also name, stage, flavor, type,
                version and properties. Without ``name`` the newest version of each that fits.
            archived: True for the archived ones only, None for those too.
        """
        found: ModelList = []
        token = None
        while limit is None or len(found) < limit:
            page = self._client.call(
                "list_model_versions",
                name=name,
                filter=filter,
                which="all" if archived is None else "archived" if archived else "active",
                latest=name is None,
                page_token=token,
                limit=min(limit or 1000, 1000),
            )
            found += [Model(self._client, item) for item in page["items"]]
            token = page["next_page_token"]
            if token is None:
                break
        return found[:limit]

    def compare(self, name: str, versions: Sequence[int | str] | None = None) -> ModelComparison:
        """Versions side by side: their kind, digest and size, and the params and metrics of their runs.

        ``versions`` are numbers or aliases of ``name``, or references of their own; without it all are meant.
        """
        from jupyter_aml.models.comparison import ModelComparison

        if versions is None:
            models = self.list(name, limit=100)
        else:
            models = [self.get(self._reference(name, version)) for version in versions]
        return ModelComparison([model.data for model in models], [model.run for model in models])

    def _reference(self, name: str, version: int | str) -> str:
        text = str(version)
        if text.isdecimal():
            return f"{name}:{text}"
        return text if ":" in text or "@" in text else f"{name}@{text}"

    def details(self, name: str) -> dict[str, Any]:
        """What belongs to all versions of a model: description, tags, aliases, stages."""
        return dict(self._client.call("get_model", name=name))

    def update(
        self,
        name: str,
        *,
        new_name: str | None = None,
        description: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Rename a model, or change what is said of all its versions."""
        self._client.call(
            "update_model", name=name, new_name=new_name, description=description, tags=_texts(tags)
        )

    def delete_alias(self, name: str, alias: str) -> None:
        """Forget an alias."""
        self._client.call("delete_model_alias", name=name, alias=alias)

    def archive(self, name: str) -> None:
        """Hide all versions of a model."""
        self._client.call("update_model", name=name, archived=True)

    def restore(self, name: str) -> None:
        """Bring all versions of a model back."""
        self._client.call("update_model", name=name, archived=False)

    def delete(self, name: str, version: int | str | None = None) -> None:
        """Delete a version, or the model with all of them, unless something uses one."""
        if version is None:
            self._client.call("delete_model", name=name)
        else:
            self._client.call("delete_model_version", name=name, version=check_version(version))


def stage_name(text: str) -> str:
    """A stage as it is written, whatever case it is given in."""
    return text.strip().capitalize()


def _texts(pairs: Mapping[str, Any] | None) -> dict[str, str | None] | None:
    if pairs is None:
        return None
    return {str(name): None if value is None else str(value) for name, value in pairs.items()}


def _request(
    *,
    description: str = "",
    tags: Mapping[str, Any] | None = None,
    properties: Mapping[str, Any] | None = None,
    sample_input: Any = None,
    datasets: Sequence[Any] = (),
    version: int | str | None = None,
    type: str | None = None,
    stage: str | None = None,
) -> dict[str, Any]:
    """What is said of a new version, in the form the service takes."""
    return {
        "description": description,
        "tags": _texts(tags) or {},
        "properties": _texts(properties) or {},
        "signature": None if sample_input is None else signature_from(sample_input),
        "datasets": [_dataset(item) for item in datasets],
        "version": None if version is None else check_version(version),
        "type": type,
        "stage": None if stage is None else stage_name(stage),
    }


def _dataset(item: Any) -> dict[str, str]:
    """``"diabetes:3"``, a data asset, or the pair of a purpose and one of these."""
    purpose, asset = item if isinstance(item, tuple) else ("training", item)
    return {"purpose": str(purpose), "reference": str(getattr(asset, "id", asset))}
