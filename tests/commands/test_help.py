"""Every command explains itself, and every declaration fits its function."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from jupyter_aml.commands.declare import COMMON_OPTIONS, Command
from jupyter_aml.commands.help import command_help
from jupyter_aml.commands.tree import all_commands, find
from jupyter_aml.magics.magic import CELL_COMMANDS

COMMANDS = (*all_commands(), *CELL_COMMANDS)
HEAVY = {"httpx", "pydantic", "rich", "yaml", "IPython", "sqlalchemy", "nbformat", "jmespath", "asyncio"}


def title(command: Command) -> str:
    return command.title


@pytest.mark.parametrize("command", COMMANDS, ids=title)
def test_a_commands_help_names_everything_it_takes(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = command_help(command)
    assert text.startswith(command.title)
    assert command.summary, "a command has a docstring"
    assert command.summary in command.documentation.replace("\n", " ")
    for option in command.options:
        assert option.help
        assert not option.help.endswith("."), option.name
        for flag in option.all_flags():
            assert flag in text
        assert option.help.split()[0] in text
    assert all(len(line) <= 110 for line in text.splitlines())


@pytest.mark.parametrize("command", COMMANDS, ids=title)
def test_a_commands_function_takes_what_is_declared(command: Command) -> None:
    parameters = inspect.signature(command.function).parameters
    own = {option.name for option in command.options if option not in COMMON_OPTIONS}
    own |= {"rest"} if command.rest else set()
    own |= {"cell", "shell"} if command.cell else set()
    named = {name for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
    takes_more = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    assert named <= own
    assert named == own or takes_more


def test_flags_are_unique_within_a_command() -> None:
    for command in COMMANDS:
        flags = [flag for option in command.options for flag in option.all_flags()]
        assert len(flags) == len(set(flags)), command.title


def test_help_is_found_in_every_way_it_is_asked_for() -> None:
    assert find(["help", "job", "show"]).text == find(["job", "show", "--help"]).text
    assert find(["-h"]).text == find([]).text == find(["help"]).text
    assert find(["job"]).text == find(["job", "--help"]).text == find(["help", "job"]).text
    for command in all_commands():
        assert command.words[0] in str(find([]).text)


def test_the_helps_start_imports_nothing_heavy() -> None:
    code = (
        "import sys; from jupyter_aml.commands import main; main(['--help']); main(['submit', '-h']);"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
