"""Tab after ``%aml``: only what fits there, and nothing in the body of a cell."""

from __future__ import annotations

import itertools
import os
import re
import shlex
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from jupyter_aml.client.locate import DEFAULT_NAME, workspace_names
from jupyter_aml.commands.complete import Offers, complete
from jupyter_aml.commands.session import open_workspace
from jupyter_aml.commands.tree import all_commands
from jupyter_aml.magics.magic import CELL_COMMANDS, AmlMagics

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_aml.client import Client

IDENTIFIER = "jupyter_aml"
_LINE = re.compile(r"(?:^|=)\s*(?P<percent>%%?)aml\s+(?P<typed>.*)$", re.DOTALL)


def add_completion(shell: InteractiveShell, magics: AmlMagics) -> None:
    """Complete ``%aml`` lines in ``shell``."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [known for known in matchers if getattr(known, "matcher_identifier", "") != IDENTIFIER]
    matchers.append(_matcher(shell, magics))


def _matcher(shell: InteractiveShell, magics: AmlMagics) -> Any:
    @context_matcher(  # type: ignore[untyped-decorator]
        identifier=IDENTIFIER, priority=100
    )
    def match(context: CompletionContext) -> SimpleMatcherResult:
        found = _LINE.search(context.text_until_cursor)
        in_cell = found is not None and found["percent"] == "%%"
        if found is None or (in_cell and context.cursor_line > 0):
            return {"completions": []}
        words, fragment = _split(found["typed"])
        texts = [] if words is None else _texts(shell, magics, words, fragment, in_cell=in_cell)
        # Without any completion IPython would show those of other matchers: the word itself is one.
        completions = [SimpleCompletion(text, type="param") for text in texts or [fragment]]
        return {"completions": completions, "suppress": True, "matched_fragment": fragment}

    return match


def _texts(
    shell: InteractiveShell, magics: AmlMagics, words: list[str], fragment: str, *, in_cell: bool
) -> list[str]:
    variables = _variables(shell)
    if fragment.startswith("$"):
        return [f"${name}" for name in variables if name.startswith(fragment[1:])]
    offers = Offers(lambda: _client(magics, words), variables)
    return complete(words, fragment, CELL_COMMANDS if in_cell else all_commands(), offers)


def _split(typed: str) -> tuple[list[str] | None, str]:
    """The finished words and the one being typed; no words inside an open quotation."""
    fragment = "" if not typed or typed[-1].isspace() else typed.rsplit(maxsplit=1)[-1]
    try:
        return shlex.split(typed[: len(typed) - len(fragment)]), fragment
    except ValueError:
        return None, fragment


def _variables(shell: InteractiveShell) -> list[str]:
    """The names the user made."""
    hidden = shell.user_ns_hidden
    return [name for name in shell.user_ns if not name.startswith("_") and name not in hidden]


def _client(magics: AmlMagics, words: list[str]) -> Client | None:
    """The client of the workspace the line means; none where there is no such workspace yet."""
    pairs = itertools.pairwise(words)
    name = next((after for flag, after in pairs if flag in ("-w", "--workspace-name")), None)
    if name is None and not os.environ.get("AML_WORKSPACE") and DEFAULT_NAME not in workspace_names():
        return None
    return open_workspace(magics.workspaces, name).client
