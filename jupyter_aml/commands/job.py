"""``aml job``: runs with the verbs, flags and outputs of Azure's CLI, for scripts written for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.commands.declare import Commands, option, switch, whole_number
from jupyter_aml.commands.session import Session
from jupyter_aml.commands.waiting import wait_for
from jupyter_aml.errors import ConflictError, UsageError

if TYPE_CHECKING:
    from jupyter_aml.tracking.experiment import RunList
    from jupyter_aml.tracking.run import Run

commands = Commands()
NAME = option("-n", "--name", help="the job: its id, the first 8 digits of it, or its display name",
              required=True, bare=True, values="run")  # fmt: skip
_CHANGEABLE = "display_name, description or tags.NAME"


@commands.add(
    "job create",
    option("-f", "--file", required=True, bare=True, values="file", help="its YAML file (Azure's v2 schema)"),
    option("-n", "--name", help="its display name"),
    option("--set", name="changes", metavar="PATH=VALUE", arity="several",
           help="change the file's content before it is used: --set inputs.lr=0.1 tags.team=blue"),
    option("-e", "--experiment", name="experiment", values="experiment", help="instead of the file's"),
    switch("-s", "--stream", help="show its log until it ends"),
)  # fmt: skip
def create(
    session: Session,
    *,
    file: str,
    name: str | None,
    changes: Sequence[str],
    experiment: str | None,
    stream: bool,
) -> Run:
    """Submit the job that a YAML file describes."""
    from jupyter_aml.commands.job_file import load

    job, compute = load(Path(file), changes, session.say)
    run = session.workspace.submit(job, compute=compute, experiment=experiment, display_name=name)
    session.last_run = run
    if stream:
        _stream(session, run)
    return run


@commands.add("job show", NAME)
def show(session: Session, *, name: str) -> Run:
    """Show a job."""
    return session.find_run(name)


@commands.add(
    "job list",
    option(
        "-r",
        "--max-results",
        metavar="N",
        convert=whole_number,
        default=50,
        help="at most so many",
    ),
    switch("--all-results", help="all of them"),
    switch("--archived-only", help="the archived ones only"),
    switch("--include-archived", help="the archived ones too"),
    option("-p", "--parent-job-name", name="parent", values="run", help="the children of this job only"),
)
def list_jobs(
    session: Session,
    *,
    max_results: int,
    all_results: bool,
    archived_only: bool,
    include_archived: bool,
    parent: str | None,
) -> RunList:
    """List jobs, newest first."""
    from jupyter_aml.tracking.experiment import RunList

    if archived_only and include_archived:
        raise UsageError("--archived-only and --include-archived exclude each other.")
    workspace = session.workspace
    if parent is not None:
        children = [child.refresh() for child in session.find_run(parent).get_children()]
        return RunList(workspace.client, children if all_results else children[:max_results], None)
    archived = True if archived_only else None if include_archived else False
    found: list[dict[str, Any]] = []
    token = None
    while True:
        page = workspace.runs.search(
            limit=1000 if all_results else max_results, archived=archived, page_token=token
        )
        found += page.to_dicts()
        token = page.next_page_token if all_results else None
        if token is None:
            return RunList(workspace.client, found, None)


@commands.add("job stream", NAME)
def stream(session: Session, *, name: str) -> None:
    """Show a job's log until it ends; fails when the job fails."""
    _stream(session, session.find_run(name))


def _stream(session: Session, run: Run) -> None:
    print(f"RunId: {run.id}\nExperiment: {run.experiment_name}\n")
    print("Streaming user_logs/std_log.txt\n===============================\n")
    wait_for(session, run, log_is_result=True)
    print(f"\nExecution Summary\n=================\nRunId: {run.id}\nStatus: {run.status}")


@commands.add("job cancel", NAME)
def cancel(session: Session, *, name: str) -> None:
    """Stop a job."""
    session.find_run(name).cancel()


@commands.add(
    "job download",
    NAME,
    option("-p", "--download-path", metavar="FOLDER", default=".", values="file",
           help="where to put its files, below artifacts/"),
    switch("--all", help="everything, which is so without it too"),
)  # fmt: skip
def download(session: Session, *, name: str, download_path: str, **_all: bool) -> None:
    """Bring the files of a job that has ended here."""
    run = session.find_run(name)
    if not run.is_final:
        raise ConflictError(
            f"Job {run.display_name} is {run.status}; its files can be downloaded when it has ended.",
            hint=f"Wait for it with: aml job stream --name {run.id}",
        )
    folder = Path(download_path) / "artifacts"
    session.say(f"{len(run.download_files('', folder))} files in {folder}.")


@commands.add(
    "job update",
    NAME,
    option("--set", name="changes", metavar="PATH=VALUE", arity="several", help=f"set {_CHANGEABLE}"),
    option("--remove", name="removals", metavar="PATH", arity="several", help="remove tags.NAME"),
)
def update(session: Session, *, name: str, changes: Sequence[str], removals: Sequence[str]) -> Run:
    """Change what may change of a job: display name, description, tags."""
    run = session.find_run(name)
    fields: dict[str, str] = {}
    tags: dict[str, str | None] = {}
    for change in changes:
        path, separator, value = change.partition("=")
        if not separator:
            raise UsageError(f"--set {change!r} has no value.", hint="Write --set display_name=better")
        if path.startswith("tags."):
            tags[path.removeprefix("tags.")] = value
        elif path in ("display_name", "description"):
            fields[path] = value
        else:
            raise UsageError(f"A job's {path!r} cannot be changed.", hint=f"Change its {_CHANGEABLE}.")
    for path in removals:
        if not path.startswith("tags."):
            raise UsageError(f"A job's {path!r} cannot be removed.", hint="Only tags can: --remove tags.NAME")
        tags[path.removeprefix("tags.")] = None
    if tags:
        run.set_tags(tags)
    if fields:
        session.workspace.client.call("update_run", run_id=run.id, **fields)
    return session.find_run(run.id)


@commands.add("job archive", NAME)
def archive(session: Session, *, name: str) -> None:
    """Hide a job from lists."""
    session.workspace.client.call("update_run", run_id=session.find_run(name).id, archived=True)


@commands.add("job restore", NAME)
def restore(session: Session, *, name: str) -> None:
    """Bring an archived job back."""
    session.workspace.client.call("update_run", run_id=session.find_run(name).id, archived=False)
