"""What a run left: ``aml download`` and ``aml load``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_aml.commands.declare import Commands, argument, option
from jupyter_aml.commands.runs import RUN
from jupyter_aml.commands.session import Session

commands = Commands()


@commands.add(
    "download",
    RUN,
    argument("path", "a file of the run, or the beginning of several (default: all of them)", required=False),
    option("-d", "--to", name="folder", metavar="FOLDER", values="file",
           help="where to put them (default: a folder of the run's name)"),
)  # fmt: skip
def download(session: Session, *, run: str, path: str | None, folder: str | None) -> list[Path]:
    """Bring a run's files here and tell where they are."""
    found = session.find_run(run)
    target = Path(folder) if folder is not None else Path(found.display_name)
    saved = found.download_files(path or "", target)
    session.say(f"{len(saved)} file{'s' if len(saved) != 1 else ''} in {target}.")
    return saved


@commands.add("load", RUN, argument("name", "the name of a value that a cell returned with --return"))
def load(session: Session, *, run: str, name: str) -> Any:
    """Load a value that a submitted cell returned."""
    return session.find_run(run).result(name)
