"""Which of the notebook's variables a cell needs, which names it makes, and which nobody knows."""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import CodeType
from typing import Any

from jupyter_aml.cells.flow import Reads, read_module
from jupyter_aml.cells.ipython import Cell, parse_cell, syntax_error
from jupyter_aml.cells.namespace import HISTORY, is_own, known_everywhere, made_by, user_names
from jupyter_aml.errors import InvalidError, did_you_mean

# Code that names what it needs in a way no analysis sees, or that is ready for a name to be missing.
_INDIRECT = frozenset({"exec", "eval", "globals", "locals", "vars", "NameError"})


@dataclass(frozen=True)
class CellNames:
    """The names in a cell.

    Attributes:
        needed: variables of the notebook that the cell reads.
        perhaps: variables that it reads on some paths, and assigns itself on others.
        assigned: names that it makes and that can be there when it ends, in order.
        unknown: names that neither the notebook nor the cell nor Python defines.
        open: whether it may define names that no analysis sees (``import *``, ``exec``, ``%run``).
        code: the cell, compiled.
    """

    needed: tuple[str, ...]
    perhaps: tuple[str, ...]
    assigned: tuple[str, ...]
    unknown: tuple[str, ...]
    open: bool
    code: CodeType

    def refuse_unknown(self, namespace: Mapping[str, Any]) -> None:
        """Raise `InvalidError` if the cell reads names that do not exist, with the nearest that do."""
        if not self.unknown:
            return
        known = [*user_names(namespace), *self.assigned, *(n for n in dir(builtins) if n[0].islower())]
        first, *others = self.unknown
        if not others:
            raise InvalidError(
                f"{first!r} is not defined, neither in the notebook nor in the cell.",
                hint=did_you_mean(first, known) or "Run the cell that defines it first.",
            )
        lines = [
            f"  {name}: {did_you_mean(name, known) or 'nothing has a similar name'}" for name in self.unknown
        ]
        raise InvalidError(
            f"{len(self.unknown)} names are not defined, neither in the notebook nor in the cell.",
            "\n".join(lines),
            "Run the cells that define them first.",
        )


def needed_names(source: str, namespace: Mapping[str, Any]) -> CellNames:
    """The names in the cell ``source``, given the notebook's variables.

    Raises `InvalidError` for a cell that is not Python (as IPython understands it), naming the line, and
    for one that reads IPython's history.
    """
    cell = parse_cell(source)
    code = _compiled(cell.tree)
    reads = read_module(code)
    return _sorted_out(cell, reads, code, namespace)


def _sorted_out(cell: Cell, reads: Reads, code: CodeType, namespace: Mapping[str, Any]) -> CellNames:
    _refuse_history(reads, namespace)
    theirs = {
        name: None
        for name in namespace
        if name in reads.sure or name in reads.maybe or name in cell.mentioned
        if not is_own(name, namespace[name])
    }
    may_define = cell.opaque or reads.star or not _INDIRECT.isdisjoint(reads.sure)
    missing = {
        name
        for name in reads.sure
        if name not in namespace and name not in cell.mentioned | cell.defined and not known_everywhere(name)
    }
    needed = tuple(name for name in theirs if name in reads.sure)
    if missing:
        missing -= made_by(needed, namespace)
    return CellNames(
        needed=needed,
        perhaps=tuple(name for name in theirs if name not in reads.sure),
        assigned=tuple(
            name
            for name in {**reads.assigned, **dict.fromkeys(sorted(cell.defined))}
            if name in reads.kept | cell.defined
        ),
        unknown=() if may_define else tuple(sorted(missing)),
        open=may_define,
        code=code,
    )


def _refuse_history(reads: Reads, namespace: Mapping[str, Any]) -> None:
    """IPython's memory of all that was typed and shown does not go along: it would be empty, silently."""
    for name in sorted((reads.sure | reads.maybe) & HISTORY):
        if name in namespace:
            raise InvalidError(
                f"The cell reads {name}, IPython's history, which does not go along.",
                hint="Give the value you want a name of its own, and use that.",
            )


def _compiled(tree: ast.Module) -> CodeType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code: CodeType = compile(
                tree, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
            )
    except SyntaxError as error:  # such as a return outside of a function
        raise syntax_error(error) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidError(f"The cell cannot be compiled: {str(error) or type(error).__name__}.") from None
    return code
