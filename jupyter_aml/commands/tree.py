"""All commands, found by what was typed; what is not there is answered with the nearest that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from jupyter_aml.commands.declare import Command
from jupyter_aml.commands.help import command_help, group_help, root_help
from jupyter_aml.commands.parse import Call, parse
from jupyter_aml.commands.values import Text
from jupyter_aml.errors import UsageError, did_you_mean

# The rooms of commands, in the order help lists them.
_ROOMS = tuple(
    "submit runs follow files job compute compute_attach compute_connect environment data datastore model "
    "experiment workspace service".split()
)
_FOR_SCRIPTS = ("job", "compute", "environment", "data", "datastore", "model", "experiment", "workspace")
_HELP = ("-h", "--help")


@cache
def all_commands() -> tuple[Command, ...]:
    """Every command of the shell and of ``%aml``."""
    rooms = (import_module(f"jupyter_aml.commands.{room}") for room in _ROOMS)
    return tuple(command for room in rooms for command in room.commands)


@dataclass(frozen=True)
class Found:
    """What the typed words mean: a command with its words, or a text to show (help, the version)."""

    command: Command | None
    words: tuple[str, ...] = ()
    text: Text | None = None

    @property
    def for_scripts(self) -> bool:
        """Whether this is one of Azure's commands, whose output scripts read."""
        return self.command is not None and self.command.words[0] in _FOR_SCRIPTS

    def parse(self, variables: Mapping[str, Any] | None = None) -> Call:
        """The command's arguments, see `jupyter_aml.commands.parse.parse`."""
        assert self.command is not None
        return parse(self.command, self.words, variables)


def find(words: Sequence[str], commands: Sequence[Command] | None = None) -> Found:
    """What ``words`` mean; `UsageError` where they mean nothing."""
    known = all_commands() if commands is None else commands
    if not words or words[0] in _HELP:
        return Found(None, text=Text(root_help(known)))
    if words[0] == "--version":
        import jupyter_aml

        return Found(None, text=Text(f"jupyter_aml {jupyter_aml.__version__}"))
    if words[0] == "help":
        return Found(None, text=Text(help_for(words[1:], known)))
    command = longest_match(words, known)
    if command is None:
        return Found(None, text=Text(help_for([word for word in words if word not in _HELP], known)))
    rest = tuple(words[len(command.words) :])
    if _asks_for_help(command, rest):
        return Found(None, text=Text(command_help(command)))
    return Found(command, rest)


def longest_match(words: Sequence[str], commands: Sequence[Command]) -> Command | None:
    """The command the first words name."""
    return next((c for c in commands if tuple(words[: len(c.words)]) == c.words), None)


def _asks_for_help(command: Command, words: Sequence[str]) -> bool:
    """Whether ``--help`` stands among the command's own words (a script's ``--help`` is the script's)."""
    from jupyter_aml.commands.parse import cut_rest

    own, _ = cut_rest(command, list(words))
    return any(word in _HELP for word in own)


def help_for(words: Sequence[str], commands: Sequence[Command]) -> str:
    """The help of a command or a group; `UsageError` naming the nearest where there is no such thing."""
    if not words:
        return root_help(commands)
    same = [c for c in commands if tuple(words[: len(c.words)]) == c.words]
    if same:
        return "\n\n\n".join(command_help(command) for command in same)
    group = [c for c in commands if c.words[0] == words[0]]
    if not group:
        names = list(dict.fromkeys(c.words[0] for c in commands))
        raise UsageError(
            f"There is no command {words[0]!r}.",
            hint=did_you_mean(words[0], names) or "See all of them: aml --help",
        )
    if len(words) == 1:
        return group_help(words[0], group)
    verbs = [c.words[1] for c in group]
    hint = did_you_mean(words[1], verbs) or f"It has: {', '.join(verbs)}."
    raise UsageError(f"aml {words[0]} has no {words[1]!r}.", hint=hint)
