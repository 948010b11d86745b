"""The snapshot: what of a folder goes along with a job, and what stays.

``.amlignore`` says what stays, in the form of ``.gitignore``; where there is none, ``.gitignore`` files do
(in subfolders too). Links are never followed. A folder over the limits is refused with its largest
entries named, before anything is read.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pathspec

from jupyter_aml import limits
from jupyter_aml.core.paths import WorkspaceFolder, aml_home, check_logical_path
from jupyter_aml.errors import InvalidError, TooLargeError

_NEVER = (".git/", ".ipynb_checkpoints/", "__pycache__/", ".DS_Store", ".venv/", ".aml/", ".azureml/")


@dataclass(frozen=True)
class LocalFile:
    """A file that goes along: its path in the snapshot, where it is, its size in bytes, its x bit."""

    path: str
    source: Path
    size: int
    executable: bool


def list_snapshot(folder: Path, *, modules_only: bool = False) -> list[LocalFile]:
    """The files of ``folder`` that go along.

    ``modules_only`` takes what Python would import from there and nothing else: its ``.py`` files and those
    of the packages in it. A notebook may well lie in a home folder, which nobody wants to send.
    """
    if _holds_workspaces(folder):
        raise InvalidError(
            f"The folder {folder} is where a workspace is kept, and nothing of that goes with a run.",
            hint="Keep your own files in a folder of their own.",
        )
    files = list(_walk(folder, folder, [], modules_only=modules_only))
    total = sum(file.size for file in files)
    if len(files) > limits.SNAPSHOT_FILES or total > limits.SNAPSHOT_BYTES:
        raise _too_large(folder, files, total)
    return files


def _walk(
    root: Path, folder: Path, inherited: list[tuple[str, pathspec.GitIgnoreSpec]], *, modules_only: bool
) -> Iterator[LocalFile]:
    here = folder.relative_to(root).as_posix()
    rules = [*inherited, *_rules(root, folder, "" if here == "." else here + "/")]
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = entry.name if here == "." else f"{here}/{entry.name}"
        if entry.is_symlink() or _ignored(path, entry.is_dir(follow_symlinks=False), rules):
            continue
        if entry.is_dir(follow_symlinks=False):
            if _holds_workspaces(Path(entry.path)):
                continue
            if not modules_only or Path(entry.path, "__init__.py").is_file():
                yield from _walk(root, Path(entry.path), rules, modules_only=modules_only)
        elif entry.is_file(follow_symlinks=False) and (not modules_only or entry.name.endswith(".py")):
            status = entry.stat(follow_symlinks=False)
            yield LocalFile(_checked(path), Path(entry.path), status.st_size, bool(status.st_mode & 0o100))


def _checked(path: str) -> str:
    try:
        return check_logical_path(path)
    except InvalidError as error:
        raise InvalidError(
            f"The file {path!r} cannot go along: {error.headline}",
            hint="Rename it, or name it in .amlignore.",
        ) from None


def _rules(root: Path, folder: Path, prefix: str) -> list[tuple[str, pathspec.GitIgnoreSpec]]:
    if folder == root:
        rules = [("", pathspec.GitIgnoreSpec.from_lines(_NEVER))]
        own = root / ".amlignore"
        if own.is_file():
            return [*rules, ("", _read_rules(own))]
    else:
        if (root / ".amlignore").is_file():
            return []
        rules = []
    git = folder / ".gitignore"
    return [*rules, (prefix, _read_rules(git))] if git.is_file() else rules


def _read_rules(path: Path) -> pathspec.GitIgnoreSpec:
    return pathspec.GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8", errors="replace").splitlines())


def _holds_workspaces(path: Path) -> bool:
    """Whether ``path`` is a workspace or where they all are: they, and the tokens in them, never go along."""
    folder = WorkspaceFolder(path)
    if folder.description.is_file() and folder.run.is_dir():
        return True
    return os.path.realpath(path) == os.path.realpath(aml_home())


def _ignored(path: str, is_folder: bool, rules: list[tuple[str, pathspec.GitIgnoreSpec]]) -> bool:
    """Whether the last rule that speaks of ``path`` leaves it out."""
    verdict = False
    for prefix, spec in rules:
        found = spec.check_file(path[len(prefix) :] + ("/" if is_folder else "")).include
        if found is not None:
            verdict = found
    return verdict


def _too_large(folder: Path, files: list[LocalFile], total: int) -> TooLargeError:
    sizes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for file in files:
        top = file.path.split("/", 1)[0]
        sizes[top] += file.size
        counts[top] += 1
    largest = ", ".join(
        f"{name} ({size / 2**20:,.0f} MiB, {counts[name]:,} files)" for name, size in sizes.most_common(3)
    )
    return TooLargeError(
        f"The folder {folder} has {len(files):,} files and {total / 2**20:,.0f} MiB to take along; at most "
        f"{limits.SNAPSHOT_FILES:,} files and {limits.SNAPSHOT_BYTES / 2**20:,.0f} MiB go with a run.",
        f"Largest: {largest}",
        "Name what is not needed in a file .amlignore there (it reads like .gitignore).",
    )
