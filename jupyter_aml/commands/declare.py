"""How a command is declared: once, for the command line, the magic, its help and its completion alike.

A command is a function that takes the `Session` and one keyword argument for each of its options, and
returns a value. What shows that value (text, JSON, a card in a notebook) is the business of the face.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from jupyter_aml.errors import InvalidError

F = TypeVar("F", bound=Callable[..., Any])
# switch: no value; toggle: --x and --no-x; one: a value; repeated: a value each time it is given;
# several: one or more values each time; pairs: a name and a value each time.
Arity = Literal["switch", "toggle", "one", "repeated", "several", "pairs"]
# Where the values come from that completion offers.
Values = Literal[
    "",
    "run",
    "experiment",
    "compute",
    "environment",
    "model",
    "workspace",
    "file",
    "job",
    "command",
    "variable",
]


def same_text(text: str) -> str:
    """The conversion of options that want the text as it is."""
    return text


def whole_number(text: str) -> int:
    """The conversion of options that count something."""
    if not text.isascii() or not text.isdecimal():
        raise InvalidError(f"{text!r} is no whole number.")
    return int(text)


@dataclass(frozen=True)
class Option:
    """One option or positional argument of a command.

    Attributes:
        name: the function's parameter it becomes.
        flags: ``("-n", "--name")``; none for a positional argument.
        metavar: how help names the value.
        convert: turns the text into the value; an `InvalidError` of it is the user's mistake.
        bare: the value may also be given without the flag.
        values: what completion offers.
    """

    name: str
    flags: tuple[str, ...]
    help: str
    arity: Arity = "one"
    metavar: str = ""
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    convert: Callable[[str], Any] = same_text
    bare: bool = False
    values: Values = ""

    @property
    def shown(self) -> str:
        """The option as messages name it: ``--name``, or ``RUN`` for a positional argument."""
        return self.flags[-1] if self.flags else self.metavar

    @property
    def takes(self) -> int:
        """How many of the following words belong to the flag."""
        return {"switch": 0, "toggle": 0, "pairs": 2}.get(self.arity, 1)

    def all_flags(self) -> tuple[str, ...]:
        """The flags, the negative form of a toggle included."""
        if self.arity != "toggle":
            return self.flags
        return (*self.flags, *(f"--no-{flag[2:]}" for flag in self.flags if flag.startswith("--")))


def _name(flags: tuple[str, ...]) -> str:
    return flags[-1].lstrip("-").replace("-", "_")


def option(*flags: str, help: str, name: str = "", metavar: str = "", **more: Any) -> Option:
    """An option with a value: ``-n, --name NAME``. The last flag gives the parameter's name."""
    name = name or _name(flags)
    arity: Arity = more.get("arity", "one")
    more.setdefault("default", () if arity in ("repeated", "several", "pairs") else None)
    return Option(name, flags, help, metavar=metavar or name.upper().replace("_", "-"), **more)


def switch(*flags: str, help: str, name: str = "") -> Option:
    """An option without a value."""
    return Option(name or _name(flags), flags, help, "switch", default=False)


def toggle(*flags: str, help: str, default: bool = False) -> Option:
    """An option with a ``--no-`` form."""
    return Option(_name(flags), flags, help, "toggle", default=default)


def argument(name: str, help: str, *, many: bool = False, required: bool = True, **more: Any) -> Option:
    """A positional argument; with ``many`` one or more of them, as a tuple."""
    more.setdefault("metavar", name.upper())
    return Option(
        name, (), help, "several" if many else "one", required=required, default=() if many else None, **more
    )


@dataclass(frozen=True)
class Command:
    """A declared command.

    Attributes:
        words: what is typed, ``("job", "show")``.
        cell: it is the first line of a notebook cell (``%%aml submit``) and also gets the cell's source.
        rest: words after the first positional argument that ``rest`` accepts, or after ``--``, are passed
            on as they are, as the parameter ``rest``.
    """

    words: tuple[str, ...]
    function: Callable[..., Any]
    options: tuple[Option, ...]
    cell: bool = False
    rest: Callable[[str], bool] | None = None

    @property
    def title(self) -> str:
        """The command as it is typed in its face."""
        return " ".join(("%%aml" if self.cell else "aml", *self.words))

    @property
    def documentation(self) -> str:
        """The text of its help: the function's docstring."""
        from inspect import cleandoc

        return cleandoc(self.function.__doc__ or "")

    @property
    def summary(self) -> str:
        """The first sentence of its help."""
        return self.documentation.split("\n\n", 1)[0].replace("\n", " ").split(". ", 1)[0].rstrip(".")

    def option_of(self, flag: str) -> Option | None:
        """The option with this flag."""
        return next((option for option in self.options if flag in option.all_flags()), None)

    def positionals(self) -> list[Option]:
        """The options that are given without a flag, in order."""
        return [option for option in self.options if not option.flags or option.bare]


class Commands:
    """The commands of one room."""

    def __init__(self) -> None:
        self._commands: list[Command] = []

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands)

    def add(
        self, words: str, *options: Option, cell: bool = False, rest: Callable[[str], bool] | None = None
    ) -> Callable[[F], F]:
        """Register the decorated function as the command ``words``."""

        def register(function: F) -> F:
            everywhere = COMMON_OPTIONS[:2] if cell else COMMON_OPTIONS
            own = {flag for option in options for flag in option.all_flags()}
            common = tuple(option for option in everywhere if not own & set(option.flags))
            self._commands.append(Command(tuple(words.split()), function, options + common, cell, rest))
            return function

        return register


OUTPUTS = ("json", "table", "yaml", "tsv", "none")

COMMON_OPTIONS = (
    option("-w", "--workspace-name", name="workspace", metavar="WORKSPACE", values="workspace",
           help="the workspace: a name, a folder or a URL (default: $AML_WORKSPACE, else 'default')"),
    switch("-q", "--quiet", help="say nothing but the result"),
    option("-o", "--output", choices=OUTPUTS, metavar="FORMAT",
           help="json, table, yaml, tsv or none; without it a text for people "
                "(aml job, workspace and experiment write json into a pipe or file)"),
    option("--query", metavar="JMESPATH", help="show this part of the result only, as in Azure's CLI"),
    option("-g", "--resource-group", name="resource_group", help="taken for Azure's scripts, of no effect"),
    option("--subscription", help="taken for Azure's scripts, of no effect"),
)  # fmt: skip
