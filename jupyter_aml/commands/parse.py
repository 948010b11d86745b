"""From words to a command's arguments.

`argparse` splits the words; names, required arguments, choices and types are checked here, so that each
mistake gets one sentence and the nearest right word. A value is never looked at as an option and never
split again: in a notebook ``$name`` is replaced by the variable's value only after the words are sorted.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from jupyter_aml.commands.declare import COMMON_OPTIONS, Command, Option
from jupyter_aml.commands.variables import expanded, is_variable
from jupyter_aml.errors import InvalidError, UsageError, did_you_mean

_GUARD = "="  # before each value of a pair, so that argparse does not take "-1e3" or "--x" for an option
_BARE = "bare:"


@dataclass(frozen=True)
class Call:
    """A command with the arguments it was given; the common ones (workspace, output, ...) apart."""

    command: Command
    arguments: dict[str, Any]
    common: dict[str, Any]


class _Parser(argparse.ArgumentParser):
    title = "aml"

    def error(self, message: str) -> NoReturn:
        if message.startswith("argument "):
            flags, _, problem = message.removeprefix("argument ").partition(": ")
            message = f"{flags.split('/')[-1]}: {problem}"
        raise UsageError(f"{self.title}: {message}.", hint=f"See: {self.title} --help")


def parse(command: Command, words: Sequence[str], variables: Mapping[str, Any] | None = None) -> Call:
    """Sort ``words`` into the arguments of ``command``; `UsageError` for what does not fit.

    ``variables`` are the notebook's, for `expanded`.
    """
    words, rest = cut_rest(command, list(words))
    found, unknown = _parser(command).parse_known_intermixed_args(_guard_pairs(command, words))
    _refuse(command, unknown)
    arguments = {option.name: _value(command, option, found, variables) for option in command.options}
    if command.rest is not None:
        arguments["rest"] = [str(expanded(word, variables)) for word in rest]
    elif rest:
        _refuse(command, rest)
    for option in command.options:
        missing = option.required and arguments[option.name] in (None, ())
        if missing and not (command.rest is not None and rest):
            raise UsageError(
                f"{command.title} needs {option.shown}.",
                hint=f"{option.shown} is {option.help}. See: {command.title} --help",
            )
    common = {
        option.name: arguments.pop(option.name) for option in command.options if option in COMMON_OPTIONS
    }
    return Call(command, arguments, common)


def cut_rest(command: Command, words: list[str]) -> tuple[list[str], list[str]]:
    """The command's own words, and those that are only passed on."""
    position = 0
    while position < len(words):
        word = words[position]
        if word == "--":
            return words[:position], words[position + 1 :]
        option = command.option_of(word)
        if option is not None:
            position += 1 + option.takes
            continue
        if command.rest is not None and not word.startswith("-") and command.rest(word):
            return words[: position + 1], words[position + 1 :]
        position += 1
    return words, []


def _guard_pairs(command: Command, words: list[str]) -> list[str]:
    guarded = list(words)
    position = 0
    while position < len(words):
        option = command.option_of(words[position])
        if option is not None and option.arity == "pairs":
            for following in range(position + 1, min(position + 3, len(words))):
                guarded[following] = _GUARD + words[following]
        position += 1 + (option.takes if option else 0)
    return guarded


def _parser(command: Command) -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False, argument_default=None)
    parser.title = command.title
    for option in command.options:
        _add(parser, option)
    return parser


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    if not option.flags:
        parser.add_argument(
            option.name, nargs="*" if option.arity == "several" else "?", metavar=option.metavar
        )
        return
    settings: dict[str, Any] = {"dest": option.name}
    if option.arity == "switch":
        settings |= {"action": "store_true", "default": None}
    elif option.arity == "toggle":
        settings |= {"action": argparse.BooleanOptionalAction}
    else:
        settings["metavar"] = option.metavar
        forms: dict[str, dict[str, Any]] = {
            "one": {},
            "repeated": {"action": "append"},
            "several": {"action": "append", "nargs": "+"},
            "pairs": {"action": "append", "nargs": 2, "metavar": ("NAME", "VALUE")},
        }
        settings |= forms[option.arity]
    parser.add_argument(*option.flags, **settings)
    if option.bare:
        parser.add_argument(_BARE + option.name, nargs="?", metavar=option.metavar)


def _refuse(command: Command, unknown: Sequence[str]) -> None:
    if not unknown:
        return
    word = unknown[0]
    if word.startswith("-"):
        flags = [flag for option in command.options for flag in option.all_flags()]
        hint = did_you_mean(word.split("=")[0], flags) or f"See: {command.title} --help"
        raise UsageError(f"{command.title} has no option {word!r}.", hint=hint)
    raise UsageError(f"{command.title} does not take {word!r}.", hint=f"See: {command.title} --help")


def _value(
    command: Command, option: Option, found: argparse.Namespace, variables: Mapping[str, Any] | None
) -> Any:
    given = getattr(found, option.name)
    if given is None and option.bare:
        given = getattr(found, _BARE + option.name)
    if given is None or given == []:
        return option.default
    if option.arity in ("switch", "toggle"):
        return given
    if option.arity == "pairs":
        pairs = [(name.removeprefix(_GUARD), value.removeprefix(_GUARD)) for name, value in given]
        return tuple((name, _converted(command, option, value, variables)) for name, value in pairs)
    if option.arity == "one":
        return _converted(command, option, given, variables)
    flat = [word for part in given for word in (part if isinstance(part, list) else [part])]
    return tuple(_converted(command, option, word, variables) for word in flat)


def _converted(command: Command, option: Option, word: str, variables: Mapping[str, Any] | None) -> Any:
    value = expanded(word, variables)
    if option.arity == "pairs" and value is not word and is_variable(word):
        return value  # a parameter gets the variable's own value: a list stays a list, a text a text
    if option.values == "run":
        value = getattr(value, "id", value)
    text = str(value)
    if option.choices and text not in option.choices:
        hint = did_you_mean(text, option.choices) or f"It is one of: {', '.join(option.choices)}."
        raise UsageError(f"{command.title}: {option.shown} cannot be {text!r}.", hint=hint)
    try:
        return option.convert(text)
    except InvalidError as error:
        hint = error.hint or f"See: {command.title} --help"
        raise UsageError(f"{command.title}: {option.shown}: {error.headline}", hint=hint) from None
