"""The face of the commands in a shell: ``aml`` and ``python -m jupyter_aml``.

Results go to standard output, everything said besides to standard error. Exit codes are those of Azure's
CLI: 0, 1 for an error, 2 for a wrong call, 3 when ``show`` finds nothing; 130 after Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from jupyter_aml.commands.session import Session, WaitingStopped
from jupyter_aml.commands.tree import Found, find
from jupyter_aml.errors import AmlError, NotFoundError, UsageError

_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(words: list[str] | None = None) -> int:
    """Run one command and return the exit code."""
    try:
        code = _run(sys.argv[1:] if words is None else words)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone: `aml runs | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except WaitingStopped:
        return _INTERRUPTED
    except KeyboardInterrupt:
        _tell("Interrupted.")
        return _INTERRUPTED
    return code


def _run(words: list[str]) -> int:
    found = None
    try:
        found = find(words)
        if found.text is not None:
            print(found.text)
            return 0
        session = Session("cli", _tell)
        call = found.parse()
        session.configure(call.common)
        _show(call.command.function(session, **call.arguments), found, call.common)
    except AmlError as error:
        _tell(f"aml: {error}")
        return _exit_code(error, found)
    return 0


def _exit_code(error: AmlError, found: Found | None) -> int:
    if isinstance(error, UsageError):
        return 2
    shows = found is not None and found.command is not None and found.command.words[-1] == "show"
    return 3 if shows and isinstance(error, NotFoundError) else 1


def _show(value: Any, found: Found, common: dict[str, Any]) -> None:
    from jupyter_aml.commands.output import formatted, query

    output = common.get("output")
    if common.get("query"):
        value = query(value, common["query"])
        output = output or "json"
    if output is None and found.for_scripts and value is not None and not sys.stdout.isatty():
        output = "json"
    if output in (None, "table"):
        from jupyter_aml.commands.show import show

        show(value)
    else:
        sys.stdout.write(formatted(value, output))


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        from jupyter_aml.cards.clean import for_terminal

        text = for_terminal(text)
    print(text, file=sys.stderr, flush=True)
