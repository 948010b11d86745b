"""One grammar for names and paths, which refuses and never repairs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aml.core.paths import check_logical_path, check_name, check_text, make_private
from jupyter_aml.errors import InvalidError

ESCAPES = [
    "../x", "..", "/etc/passwd", "a/../b", "a/./b", "./a", "a//b", "a/", "", " ", "..\\x", "a\\b", "C:x",
    "file:///etc/passwd", "%2e%2e/x", "..%2fx", "%252e%252e", "a#b", "a?b", "a\0b", "a\nb", "\ufeffa",
    "\u2025/x", "\u2024\u2024/x", " a", "a /b", "x" * 1001, "/".join("d" * 65), "a/" + "b" * 256, "a\u202eb",
]  # fmt: skip


@pytest.mark.parametrize("path", ESCAPES)
def test_no_escape_is_a_logical_path(path: str) -> None:
    with pytest.raises(InvalidError):
        check_logical_path(path)


@pytest.mark.parametrize(
    "path", ["model.pkl", "plots/roc curve.png", "a/b/c", "[a-z]", "ü.txt", "-rf", "100%.txt"]
)
def test_an_ordinary_path_is_returned_as_it_is(path: str) -> None:
    assert check_logical_path(path) == path


@given(st.text(max_size=60))
def test_whatever_passes_stays_below_its_root(text: str) -> None:
    try:
        path = check_logical_path(text)
    except InvalidError:
        return
    root = Path("/root-of-a-run")
    joined = Path(os.path.normpath(root / path))
    assert joined != root and joined.is_relative_to(root)


@pytest.mark.parametrize("name", ["", " a", "a ", "a.", ".a", "a/b", "é", "a\n", "x" * 129, "a\0", None, 3])
def test_a_bad_name_is_refused_with_the_grammar(name: object) -> None:
    with pytest.raises(InvalidError) as caught:
        check_name(name, "experiment")
    assert "letters, digits" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["", "  ", "a\x1b[2J", "a\u202eb", "e\u0301", "\ud800", "x" * 11])
def test_a_key_that_could_mislead_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        check_text(text, "key", 10)


def test_a_private_folder_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = make_private(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.parent.stat().st_mode & 0o777 == 0o700


def test_an_error_names_the_value_in_ascii_only() -> None:
    with pytest.raises(InvalidError) as caught:
        check_logical_path("../\u202e<script>")
    assert json.dumps(caught.value.headline).isascii() and "\u202e" not in caught.value.headline
