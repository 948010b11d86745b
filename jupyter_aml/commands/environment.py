"""``aml environment``: what jobs run with, with the verbs and flags of Azure's CLI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.commands.declare import Commands, option, switch, toggle, whole_number
from jupyter_aml.commands.parameters import read_mapping, tag_pairs
from jupyter_aml.commands.session import Session
from jupyter_aml.commands.values import iso_time
from jupyter_aml.commands.waiting import wait_for
from jupyter_aml.errors import UsageError

if TYPE_CHECKING:
    from jupyter_aml.environments.environment import Environment
    from jupyter_aml.tracking.run import Run

commands = Commands()
NAME = option("-n", "--name", help="the environment: name, name:3 or name@latest",
              required=True, bare=True, values="environment")  # fmt: skip
VERSION = option("-v", "--version", help="the version (default: the newest)")
LABEL = option("-l", "--label", help="the label: latest")
_DAYS = 30
_ABOUT = ("name", "version", "description", "tags")


def _data(found: dict[str, Any]) -> dict[str, Any]:
    """An environment under Azure's names, then those only we have."""
    definition = found["definition"]
    return {
        "name": found["name"],
        "version": found["version"],
        "description": found["description"],
        "state": found["state"],
        "size": found["size"],
        "python": found["built_python"] or definition["python"],
        "curated": found["curated"],
        "archived": found["archived"],
        "tags": found["tags"],
        "requirements": definition["requirements"],
        "constraints": definition["constraints"],
        "interpreter": definition["interpreter"],
        "environment_variables": definition["environment_variables"],
        "notes": found["notes"],
        "creation_context": {"created_at": iso_time(found["created_at"]), "created_by": found["user"]},
    }


def _get(session: Session, name: str, version: str | None, label: str | None) -> Environment:
    return session.workspace.environments.get(name, version, label)


@commands.add(
    "environment list",
    option("-n", "--name", values="environment", help="all versions of this one"),
    option("-r", "--max-results", metavar="N", convert=whole_number, help="at most so many"),
    switch("--archived-only", help="the archived ones only"),
    switch("--include-archived", help="the archived ones too"),
)
def list_environments(
    session: Session,
    *,
    name: str | None,
    max_results: int | None,
    archived_only: bool,
    include_archived: bool,
) -> list[dict[str, Any]]:
    """List the environments in their newest versions, with the disk space (bytes) of those that are built."""
    if archived_only and include_archived:
        raise UsageError("--archived-only and --include-archived exclude each other.")
    archived = True if archived_only else None if include_archived else False
    found = session.workspace.environments.list(name, archived=archived)
    return [_data(item.data) for item in found[:max_results]]


@commands.add("environment show", NAME, VERSION, LABEL)
def show(session: Session, *, name: str, version: str | None, label: str | None) -> dict[str, Any]:
    """Show an environment: what it consists of, whether it is built, how many bytes it takes."""
    return _data(_get(session, name, version, label).data)


@commands.add(
    "environment create",
    option("-n", "--name", help="its name"),
    option("-v", "--version", help="the version (default: the next number)"),
    option("-f", "--file", values="file", help="a YAML file in Azure's v2 schema"),
    option("--pip", name="requirements", metavar="PACKAGE", arity="several",
           help="packages: --pip six 'numpy>=2'"),
    option("--requirements", name="requirements_file", metavar="FILE", values="file",
           help="a requirements file of pip's"),
    option("-c", "--conda-file", metavar="FILE", values="file", help="a conda YAML"),
    option("--pyproject", metavar="FILE", values="file", help="a pyproject.toml"),
    option("--uv-lock", metavar="FILE", values="file", help="a uv.lock"),
    option("--extra", name="extras", arity="repeated", help="an extra of the pyproject.toml"),
    option("--interpreter", metavar="FILE", values="file", help="an installed Python, used as it is"),
    switch("--from-kernel", help="the packages of this very Python"),
    option("--python", help="the Python: 3.12, 3.12.1 or '>=3.10' (default: that of the service)"),
    option("--extra-index-url", name="extra_index_urls", metavar="URL", arity="repeated",
           help="an index to look in beside those this machine has configured"),
    switch("--allow-direct", help="let requirements name https:// addresses"),
    option("--env", name="variables", metavar="NAME=VALUE", arity="repeated", help="a variable for its jobs"),
    option("--description", help="what it is for"),
    option("--tags", metavar="NAME=VALUE", arity="several", help="tags"),
    option("--set", name="changes", metavar="PATH=VALUE", arity="several",
           help="change the file's content first"),
    option("-i", "--image", help="Azure's container image: noted, and not used"),
    option("-b", "--build-context", name="build", metavar="FOLDER", help="not possible here"),
    option("-d", "--dockerfile-path", metavar="FILE", help="not possible here"),
    option("--os-type", help="taken for Azure's scripts, of no effect"),
    option("--datastore", help="taken for Azure's scripts, of no effect"),
    switch("--no-wait", help="taken for Azure's scripts, of no effect"),
)  # fmt: skip
def create(
    session: Session,
    *,
    name: str | None,
    version: str | None,
    file: str | None,
    description: str | None,
    tags: Sequence[str],
    variables: Sequence[str],
    changes: Sequence[str],
    **sources: Any,
) -> dict[str, Any]:
    """Create a version of an environment. The same content again gives the version that is there.

    aml environment create -n train --pip 'scikit-learn>=1.5' pandas
    aml environment create -n train --conda-file conda.yml
    aml environment create --file environment.yml
    """
    from jupyter_aml.environments.sources import definition_from_mapping

    found = _from_file(file, changes)
    for unused in ("os_type", "datastore", "no_wait", "dockerfile_path"):
        sources.pop(unused)
    given = {key: value for key, value in sources.items() if value not in (None, (), False)}
    if variables:
        given["environment_variables"] = tag_pairs(variables)
    about: dict[str, Any] = {key: found.pop(key) for key in _ABOUT if key in found}
    folder = Path(file).parent if file else Path.cwd()
    for key in ("conda_file", "requirements_file", "pyproject", "uv_lock"):
        if key in given:
            given[key] = str(Path(given[key]).absolute())
    definition = definition_from_mapping({**found, **given}, folder)
    name = name or (str(about["name"]) if about.get("name") else None)
    if name is None:
        raise UsageError("An environment needs a name.", hint="Give it: --name train")
    shown = version or about.get("version")
    made = session.workspace.environments.add(
        name,
        definition,
        version=None if shown is None else str(shown),
        description=description if description is not None else str(about.get("description", "")),
        tags=tag_pairs(tags) or {str(k): str(v) for k, v in (about.get("tags") or {}).items()},
    )
    for note in made.notes:
        session.say(note)
    return _data(made.data)


def _from_file(file: str | None, changes: Sequence[str]) -> dict[str, Any]:
    from jupyter_aml.commands.job_file import set_value

    found = {} if file is None else read_mapping(Path(file))
    for change in changes:
        set_value(found, change)
    return found


@commands.add(
    "environment update",
    NAME,
    VERSION,
    LABEL,
    option("--description", help="what it is for"),
    option("--set", name="changes", metavar="PATH=VALUE", arity="several",
           help="set description or tags.NAME"),
    option("--remove", name="removals", metavar="PATH", arity="several", help="remove tags.NAME"),
)  # fmt: skip
def update(
    session: Session,
    *,
    name: str,
    version: str | None,
    label: str | None,
    description: str | None,
    changes: Sequence[str],
    removals: Sequence[str],
) -> dict[str, Any]:
    """Change an environment's description or tags; what it consists of never changes."""
    tags: dict[str, str | None] = {}
    for change in changes:
        path, separator, value = change.partition("=")
        if path == "description" and separator:
            description = value
        elif path.startswith("tags.") and separator:
            tags[path.removeprefix("tags.")] = value
        else:
            raise UsageError(
                f"--set {change!r} cannot be.", hint="Set description or tags.NAME; for the rest: create."
            )
    tags |= {path.removeprefix("tags."): None for path in removals}
    found = _get(session, name, version, label)
    found.update(description=description, tags=tags)
    return _data(found.data)


@commands.add("environment archive", NAME, VERSION, LABEL)
def archive(session: Session, *, name: str, version: str | None, label: str | None) -> None:
    """Hide an environment, or one version of it; jobs that name it still run."""
    _set_archived(session, name, version, label, archived=True)


@commands.add("environment restore", NAME, VERSION, LABEL)
def restore(session: Session, *, name: str, version: str | None, label: str | None) -> None:
    """Bring an archived environment back, or one version of it."""
    _set_archived(session, name, version, label, archived=False)


def _set_archived(
    session: Session, name: str, version: str | None, label: str | None, *, archived: bool
) -> None:
    from jupyter_aml.environments.references import parse_reference

    wanted = parse_reference(name, version, label)
    if wanted.label is not None:
        wanted = parse_reference(_get(session, name, version, label).reference)
    collection = session.workspace.environments
    (collection.archive if archived else collection.restore)(wanted.name, wanted.version)


@commands.add(
    "environment build",
    NAME,
    VERSION,
    LABEL,
    switch("--fresh", help="resolve it anew, to the newest versions that fit"),
    toggle("--wait", help="wait for its end and show its log", default=True),
)
def build(
    session: Session, *, name: str, version: str | None, label: str | None, fresh: bool, wait: bool
) -> Run:
    """Build an environment now, so that the first job need not; the run's log is the build's."""
    run = session.workspace.environments.build(_get(session, name, version, label).reference, fresh=fresh)
    session.last_run = run
    return wait_for(session, run) if wait else run


@commands.add(
    "environment prune",
    option("--unused-days", metavar="N", convert=whole_number, default=_DAYS,
           help=f"those not used for so many days (default: {_DAYS})"),
    switch("--all", name="everything", help="all that no run uses now"),
    switch("--dry-run", help="only say what would go"),
)  # fmt: skip
def prune(session: Session, *, unused_days: int, everything: bool, dry_run: bool) -> list[dict[str, Any]]:
    """Remove built environments from the disk; they are built again when a job wants them."""
    done = session.workspace.environments.prune(0 if everything else unused_days, dry_run=dry_run)
    verb = "would be" if dry_run else "are"
    session.say(f"{len(done['removed'])} removed, {done['freed'] / 2**20:,.0f} MiB {verb} free.")
    return [
        {
            "id": item["id"],
            "environments": ", ".join(item["environments"]),
            "python": item["python"],
            "size": item["size"],
            "used_at": iso_time(item["used_at"]),
        }
        for item in done["removed"]
    ]
