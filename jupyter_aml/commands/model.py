"""``aml model``: the registry, with the verbs and flags of Azure's CLI; ``aml register`` for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.commands.declare import Commands, argument, option, switch, whole_number
from jupyter_aml.commands.parameters import read_mapping, tag_pairs
from jupyter_aml.commands.runs import RUN
from jupyter_aml.commands.session import Session
from jupyter_aml.commands.values import iso_time
from jupyter_aml.errors import UsageError

if TYPE_CHECKING:
    from jupyter_aml.models.registry import Model

commands = Commands()
NAME = option("-n", "--name", help="the model: name, name:3 or name@alias",
              required=True, bare=True, values="model")  # fmt: skip
VERSION = option("-v", "--version", help="the version (default: the newest)")
LABEL = option("-l", "--label", help="an alias, or latest")
REGISTRY = option("--registry-name", help="taken for Azure's scripts, of no effect")
STAGE = option("-s", "--stage", help="None, Development, Staging, Production or Archived")
TAGS = option("--tags", metavar="NAME=VALUE", arity="several", help="tags")
_TYPES = ("custom_model", "mlflow_model", "triton_model")
_FILE_KEYS = (
    "name", "version", "path", "type", "description", "tags", "properties", "stage", "flavors", "$schema"
)  # fmt: skip


def _data(found: dict[str, Any]) -> dict[str, Any]:
    """A version under Azure's names, then those only we have."""
    lineage = found["lineage"]
    return {
        "name": found["name"],
        "version": str(found["version"]),
        "id": f"azureml:{found['name']}:{found['version']}",
        "stage": found["stage"],
        "type": found["type"],
        "flavor": found["flavor"]["name"],
        "size": found["size"],
        "aliases": ", ".join(found["aliases"]) or None,
        "description": found["description"],
        "job_name": lineage["run_id"],
        "path": lineage["path"] or found["root"],
        "digest": found["digest"],
        "archived": found["archived"],
        "tags": found["tags"],
        "properties": found["properties"],
        "flavors": {found["flavor"]["name"]: found["flavor"]},
        "signature": found["signature"],
        "lineage": lineage,
        "creation_context": {"created_at": iso_time(found["created_at"]), "created_by": found["user"]},
    }


def _get(session: Session, name: str, version: str | None, label: str | None) -> Model:
    return session.workspace.models.get(name, version, label)


@commands.add(
    "register",
    RUN,
    argument("path", "a file of the run, or a folder: outputs/model.pkl"),
    option("-n", "--name", required=True, values="model", help="the model's name"),
    option("--description", help="what it is for"),
    TAGS,
)
def register(
    session: Session, *, run: str, path: str, name: str, description: str | None, tags: Sequence[str]
) -> dict[str, Any]:
    """Register what a run left as the next version of a model. No bytes are copied."""
    found = session.find_run(run).register_model(
        name, path, description=description or "", tags=tag_pairs(tags)
    )
    return _data(found.data)


@commands.add(
    "model list",
    option("-n", "--name", values="model", help="all versions of this one"),
    option("-s", "--stage", help="only those in this stage"),
    option("--filter", metavar="FILTER", help="such as \"tags.team = 'blue' and flavor = 'sklearn'\""),
    option("-r", "--max-results", metavar="N", convert=whole_number, help="at most so many"),
    switch("--archived-only", help="the archived ones only"),
    switch("--include-archived", help="the archived ones too"),
    REGISTRY,
)
def list_models(
    session: Session,
    *,
    name: str | None,
    stage: str | None,
    filter: str | None,
    max_results: int | None,
    archived_only: bool,
    include_archived: bool,
    registry_name: str | None,
) -> list[dict[str, Any]]:
    """List the models in their newest versions, or all versions of one."""
    from jupyter_aml.models.registry import stage_name

    if archived_only and include_archived:
        raise UsageError("--archived-only and --include-archived exclude each other.")
    clauses = [filter] if filter else []
    if stage is not None:
        clauses.append(f"stage = '{stage_name(stage).replace(chr(39), chr(39) * 2)}'")
    found = session.workspace.models.list(
        name,
        " AND ".join(clauses),
        archived=True if archived_only else None if include_archived else False,
        limit=max_results,
    )
    return [_data(item.data) for item in found]


@commands.add("model show", NAME, VERSION, LABEL, REGISTRY)
def show(
    session: Session, *, name: str, version: str | None, label: str | None, registry_name: str | None
) -> dict[str, Any]:
    """Show a version of a model: what it is, where it comes from, its digest and size in bytes."""
    return _data(_get(session, name, version, label).data)


@commands.add(
    "model create",
    option("-n", "--name", values="model", help="its name"),
    option("-v", "--version", help="the version, a number (default: the next)"),
    option("-f", "--file", values="file", help="a YAML file in Azure's v2 schema"),
    option("-p", "--path", values="file",
           help="a file or folder here, runs:/RUN/PATH or azureml://jobs/RUN/outputs/artifacts/PATH"),
    option("-t", "--type", choices=_TYPES, metavar="TYPE", help="what it is (default: seen from its files)"),
    STAGE,
    option("--description", help="what it is for"),
    TAGS,
    option("--set", name="changes", metavar="PATH=VALUE", arity="several",
           help="change the file's content first"),
    option("--datastore", help="taken for Azure's scripts, of no effect"),
    switch("--no-wait", help="taken for Azure's scripts, of no effect"),
    REGISTRY,
)  # fmt: skip
def create(
    session: Session,
    *,
    name: str | None,
    version: str | None,
    file: str | None,
    path: str | None,
    type: str | None,
    stage: str | None,
    description: str | None,
    tags: Sequence[str],
    changes: Sequence[str],
    datastore: str | None,
    no_wait: bool,
    registry_name: str | None,
) -> dict[str, Any]:
    """Register a model's next version.

    aml model create -n diabetes --path outputs/model.pkl
    aml model create -n diabetes --path azureml://jobs/quiet-fox-12/outputs/artifacts/outputs/model
    aml model create --file model.yml
    """
    found = _from_file(file, changes)
    name = name or found.get("name")
    path = path or found.get("path")
    if name is None or path is None:
        raise UsageError("A model needs a name and a path.", hint="Give --name diabetes --path model.pkl")
    shown = version or found.get("version")
    made = session.workspace.models.register(
        str(name),
        str(path),
        version=None if shown is None else str(shown),
        type=type or found.get("type"),
        stage=stage or found.get("stage"),
        description=str(found.get("description", "")) if description is None else description,
        tags={**(found.get("tags") or {}), **tag_pairs(tags)},
        properties=found.get("properties"),
    )
    return _data(made.data)


def _from_file(file: str | None, changes: Sequence[str]) -> dict[str, Any]:
    """What a model's YAML says, with a path in it as seen from the YAML's folder."""
    from jupyter_aml.commands.job_file import set_value
    from jupyter_aml.models.sending import run_path

    found = {} if file is None else read_mapping(Path(file))
    for change in changes:
        set_value(found, change)
    unknown = [key for key in found if key not in _FILE_KEYS]
    if unknown:
        raise UsageError(
            f"A model's YAML has no {unknown[0]!r}.", hint=f"It may have: {', '.join(_FILE_KEYS)}."
        )
    if file is not None and found.get("path") and run_path(str(found["path"])) is None:
        found["path"] = str(Path(file).parent / str(found["path"]))
    return found


@commands.add(
    "model download",
    NAME,
    VERSION,
    LABEL,
    option("-p", "--download-path", metavar="FOLDER", values="file", default=".",
           help="where to put a folder of the model's name (default: here)"),
    REGISTRY,
)  # fmt: skip
def download(
    session: Session,
    *,
    name: str,
    version: str | None,
    label: str | None,
    download_path: str,
    registry_name: str | None,
) -> Path:
    """Bring a version's files here, checked byte by byte, and tell where they are."""
    model = _get(session, name, version, label)
    return model.download(Path(download_path) / model.name)


@commands.add(
    "model update",
    NAME,
    VERSION,
    LABEL,
    STAGE,
    option("--description", help="what it is for"),
    option("--alias", arity="repeated", name="aliases", help="let this alias mean the version"),
    option("--set", name="changes", metavar="PATH=VALUE", arity="several",
           help="set description, stage, tags.NAME or properties.NAME"),
    option("--add", name="additions", metavar="PATH=VALUE", arity="several",
           help="add tags.NAME or properties.NAME"),
    option("--remove", name="removals", metavar="PATH", arity="several",
           help="remove tags.NAME, properties.NAME or aliases.NAME"),
    switch("--force-string", help="taken for Azure's scripts: all values are texts"),
    REGISTRY,
)  # fmt: skip
def update(
    session: Session,
    *,
    name: str,
    version: str | None,
    label: str | None,
    stage: str | None,
    description: str | None,
    aliases: Sequence[str],
    changes: Sequence[str],
    additions: Sequence[str],
    removals: Sequence[str],
    force_string: bool,
    registry_name: str | None,
) -> dict[str, Any]:
    """Change a version's description, stage, aliases, tags or properties; its files never change."""
    pairs: dict[str, dict[str, str | None]] = {"tags": {}, "properties": {}}
    for change in (*changes, *additions):
        path, separator, value = change.partition("=")
        group, _, key = path.partition(".")
        if separator and path == "description":
            description = value
        elif separator and path == "stage":
            stage = value
        elif separator and group in pairs and key:
            pairs[group][key] = value
        else:
            raise UsageError(
                f"{change!r} cannot be set.", hint="Set description, stage, tags.NAME or properties.NAME."
            )
    forgotten = []
    for path in removals:
        group, _, key = path.partition(".")
        if group not in (*pairs, "aliases") or not key:
            raise UsageError(
                f"{path!r} cannot be removed.", hint="Remove tags.NAME, properties.NAME or aliases.NAME."
            )
        if group == "aliases":
            forgotten.append(key)
        else:
            pairs[group][key] = None
    model = _get(session, name, version, label)
    model.update(description=description, **pairs)
    if stage is not None:
        model.set_stage(stage)
    for alias in aliases:
        model.set_alias(alias)
    for alias in forgotten:
        session.workspace.models.delete_alias(model.name, alias)
    return _data(model.get_details())


@commands.add("model archive", NAME, VERSION, LABEL, REGISTRY)
def archive(
    session: Session, *, name: str, version: str | None, label: str | None, registry_name: str | None
) -> None:
    """Hide a model, or one version of it; what names it still finds it."""
    _set_archived(session, name, version, label, archived=True)


@commands.add("model restore", NAME, VERSION, LABEL, REGISTRY)
def restore(
    session: Session, *, name: str, version: str | None, label: str | None, registry_name: str | None
) -> None:
    """Bring an archived model back, or one version of it."""
    _set_archived(session, name, version, label, archived=False)


def _set_archived(
    session: Session, name: str, version: str | None, label: str | None, *, archived: bool
) -> None:
    models = session.workspace.models
    if version is None and label is None and ":" not in name and "@" not in name:
        (models.archive if archived else models.restore)(name)
        return
    model = models.get(name, version, label)
    (model.archive if archived else model.restore)()


@commands.add(
    "model convert",
    NAME,
    VERSION,
    LABEL,
    option("--to", required=True, choices=("onnx", "skops"), metavar="FORMAT", help="onnx or skops"),
    option("--sample", metavar="FILE", values="file",
           help="a CSV of input rows on which both must predict the same (default: numbers at random)"),
    switch("--trust", help="load it though it is a pickle that may run any code"),
)  # fmt: skip
def convert(
    session: Session,
    *,
    name: str,
    version: str | None,
    label: str | None,
    to: str,
    sample: str | None,
    trust: bool,
) -> dict[str, Any]:
    """Register a scikit-learn model anew in a form that runs no code, once it predicts the same."""
    rows = None
    if sample is not None:
        import pandas as pd

        rows = pd.read_csv(sample)
    return _data(_get(session, name, version, label).convert(to, sample_input=rows, trust=trust).data)


@commands.add(
    "model compare",
    option("-n", "--name", required=True, bare=True, values="model", help="the model"),
    option("-v", "--version", name="versions", arity="repeated",
           help="a version or an alias, several times (default: all)"),
)  # fmt: skip
def compare(session: Session, *, name: str, versions: Sequence[str]) -> list[dict[str, Any]]:
    """Put versions side by side: kind, size, digest, and the params and metrics of their runs."""
    return session.workspace.models.compare(name, list(versions) or None).rows


@commands.add(
    "model delete",
    option("-n", "--name", required=True, bare=True, values="model", help="the model"),
    option("-v", "--version", help="only this version (default: all of them)"),
    switch("-y", "--yes", help="taken for Azure's scripts: nobody is asked"),
)
def delete(session: Session, *, name: str, version: str | None, yes: bool) -> None:
    """Delete a version of a model, or all of it, unless something uses it."""
    session.workspace.models.delete(name, version)
