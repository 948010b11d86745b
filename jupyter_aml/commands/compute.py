"""``aml compute``: instances, clusters and attached machines, with Azure's verbs and flags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.commands.declare import Commands, option, switch, whole_number
from jupyter_aml.commands.parameters import read_mapping, read_text, tag_pairs
from jupyter_aml.commands.session import Session
from jupyter_aml.commands.values import iso_time
from jupyter_aml.compute.sizes import show_memory
from jupyter_aml.errors import InvalidError, UsageError

if TYPE_CHECKING:
    from jupyter_aml.compute.compute import Compute, ComputeInstance

commands = Commands()
NAME = option("-n", "--name", help="the compute", required=True, bare=True, values="compute")
NO_WAIT = switch("--no-wait", help="return at once, while it is still on its way")
YES = switch("-y", "--yes", help="do not ask")
_TYPES = {"computeinstance": "instance", "amlcompute": "cluster", "virtualmachine": "ssh"}
_AZURE_TYPES = {kind: name for name, kind in _TYPES.items()}


def number(text: str) -> float:
    """The conversion of options that measure something."""
    try:
        return float(text)
    except ValueError:
        raise InvalidError(f"{text!r} is no number.") from None


def described(found: dict[str, Any]) -> dict[str, Any]:
    """A compute with Azure's keys first."""
    size = found["size"] or {}
    shown = {
        "name": found["name"],
        "type": _AZURE_TYPES.get(found["kind"], found["kind"]),
        "state": found["state"],
        "size": size.get("name"),
        "cores": size.get("cpus"),
        "memory": show_memory(size["memory"]) if size else None,
        "created_at": iso_time(found["created_at"]),
        "description": found["description"],
        "tags": found["tags"],
        "active_runs": found["active_runs"],
        "queued_runs": found["queued_runs"],
        "details": found["details"],
        "error": found["error"],
    }
    if found["kind"] == "cluster":
        shown |= {
            "min_instances": found["min_nodes"],
            "max_instances": found["max_nodes"],
            "idle_time_before_scale_down": found["idle_seconds"],
            "tier": found["priority"],
            "allocation_state": found["allocation_state"],
            "current_nodes": found["current_nodes"],
            "target_nodes": found["target_nodes"],
            "node_counts": found["node_counts"],
        }
    if found["kind"] == "instance":
        shown |= {"idle_seconds": found["idle_seconds"], "next_actions": found["next_actions"]}
    return shown


def _row(found: dict[str, Any]) -> dict[str, Any]:
    data = described(found)
    names = ("name", "type", "state", "size", "cores", "memory")
    return {name: data[name] for name in names} | {"runs": len(found["active_runs"])}


@commands.add(
    "compute list",
    option("-t", "--type", help="of this type only", choices=tuple(_TYPES)),
)
def list_computes(session: Session, *, type: str | None) -> list[dict[str, Any]]:
    """List the workspace's machines: name, type, state, size."""
    kind = None if type is None else _TYPES[type]
    return [_row(compute.get_status()) for compute in session.workspace.compute.list(kind)]


@commands.add("compute show", NAME)
def show(session: Session, *, name: str) -> dict[str, Any]:
    """Show a compute: its state, size, limits, and what is on it."""
    return described(session.workspace.compute[name].get_status())


@commands.add(
    "compute create",
    option("-n", "--name", help="its name: 3 to 24 letters, digits and dashes", bare=True),
    option("-t", "--type", help="what to make", choices=("computeinstance", "amlcompute")),
    option("-f", "--file", values="file", help="a YAML file (Azure's v2 schema) with the settings"),
    option("--size", help="one of 'aml compute list-sizes' (default: STANDARD_DS1_V2)"),
    option("--cpus", convert=number, help="cores, in the place of a size; 0.5 is half a core"),
    option("--memory", help="memory, in the place of a size, such as 4GiB"),
    option("--min-instances", convert=whole_number, help="nodes a cluster always has (default: 0)"),
    option("--max-instances", convert=whole_number, help="nodes a cluster has at most (default: 1)"),
    option(
        "-d", "--idle-time-before-scale-down", name="idle", metavar="SECONDS",
        help="how long a node may be idle before it goes (default: 120)",
    ),
    option("--idle-shutdown", metavar="TIME", help="stop an instance idle for so long, such as 30m"),
    option("--tier", choices=("dedicated", "low_priority"), help="low-priority nodes make room for others"),
    option("--disk", help="scratch space of an instance, such as 10GiB (default: what the disk has)"),
    option("--setup-script", metavar="FILE", values="file", help="a script run on a new instance"),
    option("--description", default="", help="what it is for"),
    option("--tags", metavar="NAME=VALUE", arity="several", help="tags"),
    NO_WAIT,
)  # fmt: skip
def create(session: Session, *, no_wait: bool, tags: Sequence[str], **given: Any) -> dict[str, Any]:
    """Create a compute instance or cluster; one that exists gets the new settings.

    aml compute create -n cpu-cluster --type amlcompute --size STANDARD_DS2_V2 --max-instances 4
    aml compute create -n ci-ada --type computeinstance --cpus 1 --memory 2GiB --idle-shutdown 30m
    """
    settings = _from_file(given.pop("file")) | {
        name: value for name, value in given.items() if value not in (None, "")
    }
    kind = settings.pop("type", None)
    if "name" not in settings or kind not in ("computeinstance", "amlcompute"):
        raise UsageError(
            "A compute needs a name and a type.",
            hint="aml compute create -n cpu-cluster --type amlcompute --max-instances 2",
        )
    make = _create_cluster if kind == "amlcompute" else _create_instance
    made = make(session, settings, {**settings.pop("tags", {}), **tag_pairs(tags)})
    if not no_wait:
        made.wait_for_completion()
    return described(made.get_status())


def _create_cluster(session: Session, settings: dict[str, Any], tags: dict[str, str]) -> Compute:
    from jupyter_aml.core.durations import duration

    _refuse(settings, {"idle_shutdown", "setup_script", "disk"}, "a cluster")
    idle = duration(settings.get("idle"))
    return session.workspace.compute.create_cluster(
        settings["name"],
        settings.get("size"),
        cpus=settings.get("cpus"),
        memory=settings.get("memory"),
        min_nodes=settings.get("min_instances", 0),
        max_nodes=settings.get("max_instances", 1),
        idle_seconds_before_scaledown=idle,
        priority=settings.get("tier", "dedicated"),
        description=settings.get("description", ""),
        tags=tags,
        exist_ok=True,
    )


def _create_instance(session: Session, settings: dict[str, Any], tags: dict[str, str]) -> Compute:
    _refuse(settings, {"min_instances", "max_instances", "idle", "tier"}, "an instance")
    script = settings.get("setup_script")
    return session.workspace.compute.create_instance(
        settings["name"],
        settings.get("size"),
        cpus=settings.get("cpus"),
        memory=settings.get("memory"),
        disk=settings.get("disk"),
        idle_shutdown=settings.get("idle_shutdown"),
        setup_script=None if script is None else read_text(Path(script)),
        description=settings.get("description", ""),
        tags=tags,
        exist_ok=True,
        wait=False,
    )


def _refuse(settings: dict[str, Any], names: set[str], what: str) -> None:
    for name in sorted(names & set(settings)):
        raise UsageError(f"--{name.replace('_', '-')} does not go with {what}.")


def _from_file(path: str | None) -> dict[str, Any]:
    """The settings of a compute's YAML file, under the names of this command's options."""
    if path is None:
        return {}
    found = read_mapping(Path(path))
    known = {
        "name": "name", "type": "type", "size": "size", "description": "description", "tags": "tags",
        "min_instances": "min_instances", "max_instances": "max_instances", "tier": "tier",
        "idle_time_before_scale_down": "idle", "idle_time_before_shutdown_minutes": "idle_shutdown",
    }  # fmt: skip
    settings = {known[name]: value for name, value in found.items() if name in known}
    if "idle_shutdown" in settings:
        settings["idle_shutdown"] = f"{settings['idle_shutdown']}m"
    return settings


@commands.add(
    "compute update",
    NAME,
    option("--min-instances", name="min_nodes", convert=whole_number, help="nodes it always has"),
    option("--max-instances", name="max_nodes", convert=whole_number, help="nodes it has at most"),
    option("-d", "--idle-time-before-scale-down", name="idle_shutdown", metavar="SECONDS",
           help="how long a node, or an instance, may be idle"),
    option("--description", help="what it is for"),
    option("--tags", metavar="NAME=VALUE", arity="several", help="tags, instead of those it has"),
)  # fmt: skip
def update(session: Session, *, name: str, tags: Sequence[str], **settings: Any) -> dict[str, Any]:
    """Change a compute's settings."""
    found = session.workspace.compute[name]
    found.update(**settings, tags=tag_pairs(tags) if tags else None)
    return described(found.get_status())


@commands.add(
    "compute delete",
    NAME,
    YES,
    NO_WAIT,
    switch("--force", help="cancel the runs that are on it or wait for it"),
)
def delete(session: Session, *, name: str, yes: bool, no_wait: bool, force: bool) -> None:
    """Delete a compute. With runs on it, it asks for --force."""
    if not yes:
        raise UsageError(f"Deleting {name!r} cannot be undone.", hint="Say so with --yes.")
    session.workspace.compute[name].delete(force=force, wait=not no_wait)


@commands.add("compute start", NAME, NO_WAIT)
def start(session: Session, *, name: str, no_wait: bool) -> dict[str, Any]:
    """Start an instance."""
    found = _instance(session, name)
    found.start(wait=not no_wait)
    return described(found.get_status())


@commands.add("compute stop", NAME, NO_WAIT)
def stop(session: Session, *, name: str, no_wait: bool) -> dict[str, Any]:
    """Stop an instance: everything on it ends, and it costs nothing any more."""
    found = _instance(session, name)
    found.stop(wait=not no_wait)
    return described(found.get_status())


@commands.add("compute restart", NAME, NO_WAIT)
def restart(session: Session, *, name: str, no_wait: bool) -> dict[str, Any]:
    """Stop and start an instance."""
    found = _instance(session, name)
    found.restart(wait=not no_wait)
    return described(found.get_status())


@commands.add(
    "compute resize",
    NAME,
    option("--size", help="one of 'aml compute list-sizes'"),
    option("--cpus", convert=number, help="cores, in the place of a size"),
    option("--memory", help="memory, in the place of a size, such as 4GiB"),
)
def resize(
    session: Session, *, name: str, size: str | None, cpus: float | None, memory: str | None
) -> dict[str, Any]:
    """Give a stopped instance another size."""
    found = _instance(session, name)
    found.resize(size, cpus=cpus, memory=memory)
    return described(found.get_status())


@commands.add("compute list-nodes", NAME)
def list_nodes(session: Session, *, name: str) -> list[dict[str, Any]]:
    """List the nodes of a cluster: id, state, the run on it."""
    found = session.workspace.client.call("list_nodes", name=name)["items"]
    return [{**node, "state_since": iso_time(node["state_since"])} for node in found]


@commands.add("compute list-sizes")
def list_sizes(session: Session) -> list[dict[str, Any]]:
    """List the sizes machines come in, and whether this machine could give one."""
    return [
        {**size, "memory": show_memory(size["memory"])} for size in session.workspace.compute.list_sizes()
    ]


@commands.add(
    "compute list-usage",
)
def list_usage(session: Session) -> list[dict[str, Any]]:
    """List the cores of each size family: how many are used, and how many may be."""
    return list(session.workspace.compute.quotas())


@commands.add(
    "compute set-quota",
    option("--family", help="a size family, see 'aml compute list-sizes'", required=True, bare=True),
    option("--limit", metavar="CORES", convert=number, help="cores that may be in use (default: no limit)"),
)
def set_quota(session: Session, *, family: str, limit: float | None) -> None:
    """Limit the cores of a size family that may be in use at once."""
    session.workspace.compute.set_quota(family, limit)


@commands.add(
    "compute usage",
    option("-n", "--name", help="this compute only", bare=True, values="compute"),
    option("--month", metavar="YYYY-MM", help="this month only"),
)
def usage(session: Session, *, name: str | None, month: str | None) -> list[dict[str, Any]]:
    """Show how long machines were on and what they would have cost, by compute, user and month."""
    return list(session.workspace.compute.usage(name, month))


def _instance(session: Session, name: str) -> ComputeInstance:
    from jupyter_aml.compute.compute import ComputeInstance

    found = session.workspace.compute[name]
    if not isinstance(found, ComputeInstance):
        raise UsageError(
            f"{found.name} is a {found.kind}; only an instance is started and stopped.",
            hint="Nodes of a cluster come with the jobs and go by themselves.",
        )
    return found
