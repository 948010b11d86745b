"""A workspace that Jupyter's file browser reaches is not served (security case A18)."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_aml.errors import UnavailableError
from jupyter_aml.server.exposure import check_exposure


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("aml/runs", ".local/share/jupyter/aml", "notebooks", "aml-other"):
        (tmp_path / "home" / name).mkdir(parents=True)
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("workspace", "root", "allow_hidden"),
    [
        ("aml", ".", False),  # below the root, in the open
        ("aml", "aml", False),  # the root itself
        ("aml", "aml/runs", False),  # the root lies in it
        (".local/share/jupyter/aml", ".", True),  # hidden, but hidden files are shown
        (".local/share/jupyter/aml", ".local/share/jupyter", False),  # the hidden part is above the root
    ],
)
def test_refused(home: Path, workspace: str, root: str, allow_hidden: bool) -> None:
    with pytest.raises(UnavailableError, match=str(home)) as refused:
        check_exposure(home / workspace, home / root, allow_hidden=allow_hidden)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("workspace", "root"),
    [
        (".local/share/jupyter/aml", "."),  # the default place, Jupyter started at home
        ("aml", "notebooks"),
        ("aml-other", "aml"),  # a common prefix is no containment
    ],
)
def test_served(home: Path, workspace: str, root: str) -> None:
    check_exposure(home / workspace, home / root, allow_hidden=False)


def test_a_hidden_link_to_an_open_place_does_not_hide_it(home: Path) -> None:
    (home / ".aml").symlink_to(home / "aml")
    with pytest.raises(UnavailableError):
        check_exposure(home / ".aml", home, allow_hidden=False)


def test_an_open_link_to_a_place_outside_opens_it(home: Path) -> None:
    (home / "notebooks" / "state").symlink_to(home / "aml")
    with pytest.raises(UnavailableError):
        check_exposure(home / "notebooks" / "state", home / "notebooks", allow_hidden=False)


def test_the_root_under_another_name_counts(home: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(home)
    with pytest.raises(UnavailableError):
        check_exposure(home / "aml", tmp_path / "alias", allow_hidden=False)
