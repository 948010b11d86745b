"""What a job prints is shown in a terminal and is not obeyed by it (case I08)."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.cards.clean import for_terminal
from jupyter_aml.commands.values import Text
from jupyter_aml.errors import RunFailedError
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.security.conftest import until

TRICKS = (
    "\x1b[32mgreen\x1b[0m\n"
    "\x1b]52;c;ZXZpbA==\x07clipboard\n"
    "\x1b]0;a title\x1b\\title\n"
    "\x1b]8;;http://attacker.invalid\x07link\x1b]8;;\x07\n"
    "\x1b[2J\x1b[1;1Hscreen\n"
    "\x1bPq#0\x1b\\picture \x9b2J \x9d52;c;eA==\x9c C1\n"
    "\x1b[5nasked \x1b[c\n"
    "\u202egnp.exe \u200b\ufeff hidden\n"
    "erased\b\b\b\b\b\b \x1b\n"
    "40%\r100%\n"
)
WORDS = ("clipboard", "title", "link", "screen", "picture", "asked", "gnp.exe", "erased", "100%")


@pytest.fixture(scope="module")
def talker(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that has printed all of it, and failed, so that its error shows the last lines."""
    folder = tmp_path_factory.mktemp("talker")
    (folder / "tricks").write_text(TRICKS, encoding="utf-8")
    run = workspace.submit(command("cat tricks; exit 3", code=folder))
    until(lambda: run.is_final)
    return run


def in_terminal(*words: str) -> str:
    """What ``aml`` writes to a terminal, its errors included."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    aml = [sys.executable, "-m", "jupyter_aml", *words]
    process = subprocess.Popen(aml, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    written = b""
    while True:
        try:
            written += (piece := os.read(ours, 65536))
        except OSError:  # nobody is at the other end any more
            break
        if not piece:
            break
    os.close(ours)
    process.wait(60)
    return written.decode()


def harmless(text: str) -> bool:
    """Whether nothing in it is obeyed but colours and what our own progress bar writes."""
    commands = (
        "\x1b]",
        "\x1bP",
        "\x1b[2J",
        "\x1b[1;1H",
        "\x1b[5n",
        "\x1b[c",
        "\b",
        "\u202e",
        "\u200b",
        "\ufeff",
    )
    return not any(trick in text for trick in commands) and not any("\x80" <= c <= "\x9f" for c in text)


@pytest.mark.parametrize(
    "words", [("logs",), ("logs", "--follow"), ("logs", "--tail", "20"), ("wait",), ("show",)], ids=" ".join
)
def test_a_terminal_does_nothing_that_a_log_says(talker: Run, words: tuple[str, ...]) -> None:
    text = in_terminal(words[0], talker.id, *words[1:])
    assert harmless(text), ascii(text)
    if words[0] != "show":
        assert all(word in text for word in WORDS) and "\x1b[32mgreen\x1b[0m" in text


def test_a_pipe_gets_the_bytes_as_they_are(talker: Run, tmp_path: Path) -> None:
    aml = [sys.executable, "-m", "jupyter_aml", "logs", talker.id]
    done = subprocess.run(aml, capture_output=True, check=True)
    stored = talker.download_file("user_logs/std_log.txt", tmp_path / "log").read_bytes()
    assert done.stdout == stored and b"\x1b]52;c;" in stored


def test_an_error_that_shows_the_last_lines_is_harmless_too(talker: Run) -> None:
    with pytest.raises(RunFailedError) as caught:
        talker.wait_for_completion(show_output=False)
    text = str(caught.value)
    assert harmless(text) and "clipboard" in text and "hidden" in text


def test_what_a_magic_returns_is_shown_the_same_way() -> None:
    from IPython.lib.pretty import pretty

    assert harmless(pretty(Text(TRICKS))) and "\x1b[32mgreen\x1b[0m" in pretty(Text(TRICKS))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_command_in_pieces_is_none_either(size: int) -> None:
    pieces = [TRICKS[start : start + size] for start in range(0, len(TRICKS), size)]
    assert harmless("".join(for_terminal(piece) for piece in pieces))
