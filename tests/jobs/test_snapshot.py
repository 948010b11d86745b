"""What goes along with a job, and what stays behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_aml import limits
from jupyter_aml.errors import InvalidError, TooLargeError
from jupyter_aml.jobs.snapshot import list_snapshot


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def paths(root: Path) -> list[str]:
    return sorted(file.path for file in list_snapshot(root))


def test_everything_goes_but_what_never_should(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "sub/b.txt", ".git/config", "__pycache__/a.pyc", ".ipynb_checkpoints/x", ".env")
    assert paths(tmp_path) == [".env", "a.py", "sub/b.txt"]


def test_gitignore_files_are_honoured_in_their_folders(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "big.csv", "keep.csv", "sub/x.tmp", "sub/y.py", "other/x.tmp")
    (tmp_path / ".gitignore").write_text("*.csv\n!keep.csv\n")
    (tmp_path / "sub" / ".gitignore").write_text("*.tmp\n")
    assert paths(tmp_path) == [".gitignore", "a.py", "keep.csv", "other/x.tmp", "sub/.gitignore", "sub/y.py"]


def test_amlignore_takes_the_place_of_gitignore(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "data/big.csv", "notes.md")
    (tmp_path / ".gitignore").write_text("*.md\n")
    (tmp_path / ".amlignore").write_text("data/\n")
    assert paths(tmp_path) == [".amlignore", ".gitignore", "a.py", "notes.md"]


def test_links_are_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "folder/a.py")
    (tmp_path / "folder" / "etc").symlink_to("/etc")
    (tmp_path / "folder" / "passwd").symlink_to("/etc/passwd")
    (tmp_path / "folder" / "loop").symlink_to(".")
    assert paths(tmp_path / "folder") == ["a.py"]


def test_too_many_files_are_refused_and_the_largest_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SNAPSHOT_FILES", 3)
    make(tmp_path, *(f"data/{n}.csv" for n in range(5)), "a.py")
    with pytest.raises(TooLargeError) as caught:
        list_snapshot(tmp_path)
    assert "data" in str(caught.value) and ".amlignore" in str(caught.value)


def test_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SNAPSHOT_BYTES", 2**20)
    with (tmp_path / "model.bin").open("wb") as file:
        file.truncate(2 * 2**20)
    with pytest.raises(TooLargeError, match=r"model\.bin"):
        list_snapshot(tmp_path)


def test_a_file_whose_name_cannot_travel_is_named(tmp_path: Path) -> None:
    make(tmp_path, "what?.txt")
    with pytest.raises(InvalidError, match=r"what\?.txt"):
        list_snapshot(tmp_path)
    (tmp_path / ".amlignore").write_text("what*\n")
    assert paths(tmp_path) == [".amlignore"]
