"""The help texts, made from the declarations."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

from jupyter_aml.commands.declare import COMMON_OPTIONS, Command, Option

_COLUMN = 30


def root_help(commands: Sequence[Command]) -> str:
    """What there is."""
    short = [c for c in commands if len(c.words) == 1 and not c.cell]
    cells = [c for c in commands if c.cell]
    groups = list(dict.fromkeys(c.words[0] for c in commands if len(c.words) > 1))
    lines = [
        "aml COMMAND [ARGUMENT ...] [OPTION ...]",
        "",
        "Tracked runs in your own Jupyter.",
        "",
        "Commands:",
    ]
    lines += [_entry(c.words[0], c.summary) for c in short]
    if cells:
        lines += ["", "First line of a cell:"]
        lines += [_entry(c.title, c.summary) for c in cells]
    lines += ["", "Groups, with the verbs and options of Azure's CLI:"]
    for group in groups:
        verbs = ", ".join(c.words[1] for c in commands if c.words[0] == group)
        lines.append(_entry(group, verbs))
    lines += ["", "More on one of them: aml help COMMAND. In a notebook: %aml COMMAND ..."]
    return "\n".join(lines)


def group_help(name: str, group: Sequence[Command]) -> str:
    """The verbs of a group."""
    entries = [_entry(" ".join(c.words[1:]), c.summary) for c in group]
    return "\n".join(
        [f"aml {name} VERB [OPTION ...]", "", *entries, "", f"More on one: aml help {name} VERB"]
    )


def command_help(command: Command) -> str:
    """A command's usage, description and options."""
    own = [option for option in command.options if option not in COMMON_OPTIONS]
    common = [option for option in command.options if option in COMMON_OPTIONS]
    lines = [_usage(command), "", command.documentation]
    for title, options in (
        ("Arguments:", [option for option in own if not option.flags]),
        ("Options:", [option for option in own if option.flags]),
        ("As every command:", common),
    ):
        if options:
            lines += ["", title, *(_entry(_form(option), _explained(option)) for option in options)]
    lines.append(_entry("-h, --help", "show this"))
    return "\n".join(lines)


def _usage(command: Command) -> str:
    parts = [command.title]
    for option in command.options:
        if option.flags and not option.required:
            continue
        form = f"{option.flags[0]} {option.metavar}" if option.flags else option.metavar
        form += " ..." if option.arity == "several" else ""
        parts.append(form if option.required else f"[{form}]")
    if command.rest is not None:
        parts.append("[ARGUMENT ...]")
    return " ".join([*parts, "[OPTION ...]"])


def _form(option: Option) -> str:
    if not option.flags:
        return option.metavar
    value = {
        "switch": "",
        "toggle": "",
        "pairs": " NAME VALUE",
        "several": f" {option.metavar} ...",
    }.get(option.arity, f" {option.metavar}")
    return ", ".join(option.all_flags()) + value


def _explained(option: Option) -> str:
    text = option.help
    if option.choices and not any(choice in option.help for choice in option.choices):
        text += f" ({', '.join(option.choices)})"
    if option.default and isinstance(option.default, str | int) and not isinstance(option.default, bool):
        text += f" (default: {option.default})"
    if option.arity in ("repeated", "pairs"):
        text += "; can be repeated"
    return text


def _entry(name: str, text: str) -> str:
    width = min(max(shutil.get_terminal_size().columns, 60), 110)
    first = f"  {name}"
    lines = textwrap.wrap(text, width - _COLUMN) or [""]
    if len(first) >= _COLUMN:
        return "\n".join([first, *(" " * _COLUMN + line for line in lines)])
    return "\n".join(
        [first.ljust(_COLUMN) + lines[0], *(" " * _COLUMN + line for line in lines[1:])]
    ).rstrip()
