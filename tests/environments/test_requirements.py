"""Requirement lines are data: what pip would take for an option or an address is refused, by its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_aml.environments.requirements import check_index_url, check_lock, check_requirement
from jupyter_aml.errors import InvalidError

PAYLOADS = json.loads((Path(__file__).parents[1] / "security" / "payloads.json").read_text())
HASH = "--hash=sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("Six", "six"),
        ("scikit_learn >=1.5,<2", "scikit-learn<2,>=1.5"),
        ("ray[tune, air]==2.9", "ray[air,tune]==2.9"),
        ("tomli ; python_version < '3.11'", 'tomli ; python_version < "3.11"'),
        (f"six==1.17.0 {HASH}", f"six==1.17.0 {HASH}"),
    ],
)
def test_a_requirement_has_one_form(given: str, normal: str) -> None:
    assert check_requirement(given) == normal


@pytest.mark.parametrize(
    "line",
    [
        "-e .", "--editable ./x", "-r other.txt", "--index-url https://evil.example/", "-i https://evil.example",
        "--extra-index-url=https://evil.example", "-f /tmp", "--find-links /tmp", "--trusted-host evil", "--pre",
        "-", "--", "--config-file=/etc/passwd", "six --hash=md5:0", "six --config-settings x=y", "./folder",
        "/etc/passwd", "file:///etc/passwd", "six @ file:///etc/passwd", "git+https://evil.example/x",
        "six @ git+ssh://evil.example/x", "six @ https://evil.example/six.whl", "six @ http://evil.example/x.whl",
        "six\n--index-url https://evil.example", "six\r-e .", "six\0", "${HOME}", "six==${VERSION}", "", " ", "#",
    ],
)  # fmt: skip
def test_what_is_no_plain_requirement_is_refused(line: str) -> None:
    with pytest.raises(InvalidError):
        check_requirement(line)


@pytest.mark.parametrize("text", PAYLOADS["command_string"])
def test_no_command_is_a_requirement(text: str) -> None:
    """D01: what a shell would run is refused by the grammar of requirements."""
    with pytest.raises(InvalidError):
        check_requirement(text)


def test_an_address_passes_only_where_its_owner_says_so_and_never_with_credentials() -> None:
    line = "six @ https://files.example/six-1.17.0-py3-none-any.whl"
    with pytest.raises(InvalidError, match="instead of the package index") as caught:
        check_requirement(line, "line 2 of r.txt")
    assert "line 2 of r.txt" in caught.value.headline and "--allow-direct" in str(caught.value.hint)
    assert check_requirement(line, allow_direct=True) == line
    with pytest.raises(InvalidError, match="credentials") as caught:
        check_requirement("six @ https://me:hunter2@files.example/x.whl", allow_direct=True)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["file:///etc", "https://u:p@h/simple", "-x", "https://h/ --pre", "ftp://h", ""]
)
def test_an_index_is_a_plain_web_address(url: str) -> None:
    with pytest.raises(InvalidError) as caught:
        check_index_url(url)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("line", ["--index-url https://evil.example", "-e .", "six==1 --no-binary :all:"])
def test_a_lock_holds_nothing_but_requirements(line: str) -> None:
    sound = f"# python 3.11.7\nsix==1.17.0 \\\n    {HASH}\n"
    assert check_lock(sound) == sound
    with pytest.raises(InvalidError):
        check_lock(sound + line + "\n")
