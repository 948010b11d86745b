"""``%aml`` and ``%%aml``: words to a command of the tree, its value to the notebook."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand

from jupyter_aml.commands.output import formatted, query
from jupyter_aml.commands.session import Session
from jupyter_aml.commands.tree import all_commands, find, help_for
from jupyter_aml.commands.values import Text
from jupyter_aml.errors import UsageError, did_you_mean
from jupyter_aml.magics import submit_cell, track_cell

CELL_COMMANDS = (*submit_cell.commands, *track_cell.commands)


@magics_class
class AmlMagics(Magics):
    """The ``%aml`` magic, and what it keeps between calls: open workspaces and the last submitted run."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._shell = shell
        self.workspaces: dict[Any, Any] = {}
        self._last_run: Any = None

    @line_cell_magic
    @no_var_expand
    @needs_local_scope
    def aml(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        """Set by `register` from the commands' declarations."""
        variables = self._shell.user_ns if local_ns is None else {**self._shell.user_ns, **local_ns}
        words = split(line)
        found = (
            find_cell_command(words) if cell is not None else find(words, (*all_commands(), *CELL_COMMANDS))
        )
        if found.text is not None:
            return found.text
        call = found.parse(variables)
        session = Session("magic", _tell, workspaces=self.workspaces, variables=variables)
        session.last_run = self._last_run
        session.configure(call.common)
        more = {} if cell is None else {"cell": cell, "shell": self._shell}
        try:
            value = call.command.function(session, **call.arguments, **more)
        finally:
            self._last_run = session.last_run
        return _shown(value, call.common)

    # `%aml?` shows the same overview as `%aml --help`.
    aml.__doc__ = help_for((), (*all_commands(), *CELL_COMMANDS))


def split(line: str) -> list[str]:
    """The words of a magic's line, quoted as in a shell; nothing in them is expanded."""
    try:
        return shlex.split(line, posix=True)
    except ValueError as error:
        problem = "a quotation mark is not closed" if "quotation" in str(error) else str(error).lower()
        raise UsageError(
            f"%aml {line.strip()[:60]}: {problem}.", hint="A quote inside a word is written \\'."
        ) from None


def find_cell_command(words: list[str]) -> Any:
    """The command of a ``%%aml`` cell."""
    names = [command.words[0] for command in CELL_COMMANDS]
    asks = not words or words[0] in ("-h", "--help", "help")
    if not asks and words[0] not in names:
        hint = (
            did_you_mean(words[0], names)
            or "A cell can be submitted (%%aml submit) or tracked (%%aml track)."
        )
        if any(command.words[0] == words[0] for command in all_commands()):
            hint = f"{words[0]!r} takes no cell: write it on a line as %aml {words[0]} ..."
        raise UsageError(f"There is no cell command {words[0]!r}.", hint=hint)
    return find(words, CELL_COMMANDS)


def _shown(value: Any, common: dict[str, Any]) -> Any:
    """The value a magic returns; with ``--output`` it is printed in that format instead."""
    if common.get("query"):
        value = query(value, common["query"])
    output = common.get("output")
    if output is None:
        return Text(value) if type(value) is str else value
    if output == "table":
        from jupyter_aml.commands.show import show

        show(value)
    else:
        sys.stdout.write(formatted(value, output))
    return None


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
