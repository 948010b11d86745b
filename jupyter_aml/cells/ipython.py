"""What IPython makes of a cell, and the code and names that hide in its magics.

``%time f(x)`` becomes a call with the text ``"f(x)"`` in it, which no compiler looks into. Here such texts
are put back as code, so that ``f`` and ``x`` count as read. What a magic or a shell command may mention
(``!echo {x}``, ``%R -i df``) is noted as *mentioned*: taken along if it is there, never missed if it is not.
"""

from __future__ import annotations

import ast
import re
import string
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

from jupyter_aml.errors import AmlError, InvalidError

_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
_LINE_CALLS = frozenset({"run_line_magic", "run_cell_magic"})
_SHELL_CALLS = frozenset({"system", "getoutput", "getoutput_list"})
# Magics that run Python code, with those of their options that have a value of their own.
_CODE_MAGICS = {"time": "", "timeit": "nrpv", "prun": "DlsT", "capture": "", "debug": "b"}
# Magics that run no code and define no name, of which only $x and {x} can be variables.
_QUIET_MAGICS = frozenset(
    "alias autoreload bash cat cd clear colors conda config cp env html javascript js latex load_ext ls "
    "magic markdown matplotlib mkdir mv perl pinfo pinfo2 pip precision psearch pwd reload_ext rm rmdir ruby "
    "script set_env sh svg sx system uv who who_ls whos writefile file !".split()
)
# Cell magics whose body is something else than Python, or Python that runs elsewhere.
_FOREIGN_BODIES = _QUIET_MAGICS | {"python", "python2", "python3", "pypy", "sql", "R", "cython"}
_WORD = re.compile(r"[^\W\d]\w*")
_DOLLAR = re.compile(r"\$([^\W\d]\w*)")


@dataclass
class Cell:
    """A cell as Python.

    Attributes:
        tree: its syntax tree, with the code of magics in it.
        mentioned: names that may be meant in magics and shell commands.
        defined: names that magics define.
        opaque: whether there is a magic that may define any name.
    """

    tree: ast.Module
    mentioned: set[str] = field(default_factory=set)
    defined: set[str] = field(default_factory=set)
    opaque: bool = False


def parse_cell(source: str) -> Cell:
    """The cell as Python. Raises `InvalidError` naming the line when it is none."""
    cell = Cell(_parse(source, 0))
    cell.tree = ast.fix_missing_locations(_Magics(cell).visit(cell.tree))
    return cell


def _parse(source: str, offset: int) -> ast.Module:
    """The tree of ``source``, whose first line is the cell's line ``offset`` + 1."""
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = TransformerManager().transform_cell(source)  # type: ignore[no-untyped-call]
            tree: ast.Module = compile(text, "<cell>", "exec", ast.PyCF_ONLY_AST | _AWAIT, dont_inherit=True)
    except SyntaxError as error:
        raise syntax_error(error, offset) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise InvalidError(
            f"The cell cannot be read as Python: {str(error) or type(error).__name__}."
        ) from None
    return tree


def syntax_error(error: SyntaxError, offset: int = 0) -> AmlError:
    """The error for the user's mistake."""
    line = (error.text or "").rstrip()
    where = f" in line {error.lineno + offset}" if error.lineno else ""
    mark = ""
    if line and error.offset:
        stripped = line.lstrip()
        column = max(0, error.offset - 1 - (len(line) - len(stripped)))
        line, mark = stripped, "\n" + " " * min(column, len(stripped)) + "^"
    return InvalidError(f"The cell has a syntax error{where}: {error.msg}.", line + mark or None)


class _Magics(ast.NodeTransformer):
    """Puts the code of magics in place of the calls IPython wrote for them."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:
        call = _ipython_call(node.value)
        if call is None:
            return self.generic_visit(node)
        return [*self._code(*call), node]

    def visit_Call(self, node: ast.Call) -> ast.AST:
        call = _ipython_call(node)
        if call is None:
            return self.generic_visit(node)
        code = self._code(*call)
        if len(code) == 1 and isinstance(code[0], ast.Expr):
            return code[0].value
        for name in (n for statement in code for n in ast.walk(statement) if isinstance(n, ast.Name)):
            (self._cell.mentioned if isinstance(name.ctx, ast.Load) else self._cell.defined).add(name.id)
        return node

    def _code(self, method: str, name: str, line: str, body: str | None) -> list[ast.stmt]:
        """The statements a call runs; what it mentions and defines is noted."""
        cell = self._cell
        if method in _SHELL_CALLS:
            cell.mentioned |= set(_expanded(name))
            return []
        if name in _CODE_MAGICS:
            return self._run(name, line, body)
        cell.mentioned |= set(_expanded(line))
        if name not in _QUIET_MAGICS:
            cell.mentioned |= set(_WORD.findall(line))
            cell.opaque = True
        if body is not None and name not in _FOREIGN_BODIES:
            return self._perhaps_python(body)
        return []

    def _run(self, name: str, line: str, body: str | None) -> list[ast.stmt]:
        rest = _without_options(line, _CODE_MAGICS[name])
        if name == "capture":
            self._cell.defined |= set(_WORD.findall(rest)[:1])
            rest = ""
        statements: list[ast.stmt] = []
        for text, offset in ((rest, 0), (body or "", 1)):
            tree = self.visit(_parse(text, offset))
            statements += tree.body
        return statements

    def _perhaps_python(self, body: str) -> list[ast.stmt]:
        try:
            tree: ast.Module = self.visit(_parse(body, 1))
        except InvalidError:
            return []
        return tree.body


def _ipython_call(node: ast.expr) -> tuple[str, str, str, str | None] | None:
    """The method, magic, line and body of ``get_ipython().run_line_magic("time", "f(x)")`` and its kin."""
    if not (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Call)
        and isinstance(node.func.value.func, ast.Name)
        and node.func.value.func.id == "get_ipython"
        and node.func.attr in _LINE_CALLS | _SHELL_CALLS
    ):
        return None
    texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if len(texts) != len(node.args) or not texts:
        return None
    name, line, body = (*texts, "", None)[:3] if len(texts) < 3 else texts[:3]
    return node.func.attr, str(name), str(line), body


def _without_options(line: str, valued: str) -> str:
    """A magic's line without the options before its code: ``-n 10 -q f(x)`` is ``f(x)``."""
    rest = line.lstrip()
    while match := re.match(r"-(-[\w-]+|\w)(\S*)\s*", rest):
        rest = rest[match.end() :]
        if match[1] in valued and not match[2]:
            rest = re.sub(r"^\S+\s*", "", rest)
    return rest


def _expanded(text: str) -> Iterator[str]:
    """The names IPython would put values for: ``$x``, ``{x}``, ``{f(x)}``."""
    yield from _DOLLAR.findall(text)
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(text) if field]
    except ValueError:
        return
    for expression in fields:
        yield from _WORD.findall(expression)
