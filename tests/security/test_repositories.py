"""What a run notes of the git repository it was started in runs nothing of it, and keeps no password (cases D14, J11)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jupyter_aml.workspace import Workspace

COMMANDS = (
    "core.fsmonitor", "diff.external", "diff.evil.textconv", "diff.evil.command", "core.pager", "core.editor",
    "core.sshCommand", "alias.diff", "alias.status", "alias.rev-parse", "pager.diff", "interactive.diffFilter",
)  # fmt: skip


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.invalid"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one changed file."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / ".gitattributes").write_text("*.txt diff=evil\n")
    (folder / "a.txt").write_text("one\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    (folder / "a.txt").write_text("two\n")
    return folder


def test_a_repository_from_elsewhere_runs_nothing(
    repository: Path, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwned = tmp_path / "pwned"
    pwned.mkdir()
    for name in COMMANDS:
        mark = f"{'!' if name.startswith('alias') else ''}touch {pwned}/{name}; cat"
        git(repository, "config", name, mark)
    monkeypatch.chdir(repository)
    with workspace.experiments["x"].start_run() as run:
        source = run.get_details()["source"]["git"]
    assert list(pwned.iterdir()) == []
    assert source["dirty"] is True and b"-one\n+two\n" in run.read_file("source/uncommitted.diff")
    subprocess.run(["git", "-C", str(repository), "diff", "HEAD"], check=False, capture_output=True)
    assert list(pwned.iterdir()) != [], "the trap itself works"


@pytest.mark.parametrize(
    ("remote", "kept"),
    [
        ("https://me:s3cret@git.example.invalid/a/b.git", "https://git.example.invalid/a/b.git"),
        ("https://s3cret@git.example.invalid/a@b.git", "https://git.example.invalid/a@b.git"),
        ("https://me:s3@cret@git.example.invalid/a", "https://git.example.invalid/a"),
        ("git@git.example.invalid:a/b.git", "git@git.example.invalid:a/b.git"),
    ],
)
def test_a_password_in_the_remote_is_not_kept(
    remote: str, kept: str, repository: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repository, "remote", "add", "origin", remote)
    monkeypatch.chdir(repository)
    with workspace.experiments["x"].start_run() as run:
        details = run.get_details()
    assert details["source"]["git"]["repository"] == kept
    assert "s3" not in str(details)
