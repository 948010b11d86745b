"""``%%aml track``: the cell runs here, in the kernel, as a tracked run."""

from __future__ import annotations

import ast
import contextlib
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType
from typing import IO, TYPE_CHECKING, Any

from jupyter_aml.commands.declare import Commands, option
from jupyter_aml.commands.parameters import tag_pairs
from jupyter_aml.commands.session import Session
from jupyter_aml.commands.submit import WHERE
from jupyter_aml.core.paths import make_private
from jupyter_aml.errors import InvalidError, UsageError
from jupyter_aml.magics.submit_cell import AS, card, check_variable_name

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

commands = Commands()


@commands.add(
    "track",
    *WHERE[2:],
    option("--set-tag", name="tags", metavar="NAME=VALUE", arity="repeated", help="a tag of the run"),
    AS,
    cell=True,
)
def track(
    session: Session,
    *,
    cell: str,
    shell: InteractiveShell,
    experiment: str | None,
    name: str | None,
    tags: Sequence[str],
    variable: str | None,
) -> None:
    """Run this cell here, in the notebook, as a tracked run.

    %%aml track --experiment diabetes --as run
    from jupyter_aml import Run
    Run.get_context().log("rmse", 0.5)

    What it prints is shown as always and kept as the run's log. An error fails the run.
    """
    if variable is not None:
        check_variable_name(variable)
    body = _Cell(shell, cell)
    experiments = session.workspace.experiments
    run = experiments[experiment or "default"].start_run(display_name=name, tags=tag_pairs(tags))
    session.last_run = run
    if variable is not None:
        shell.user_ns[variable] = run
    logs = session.workspace.client.location.folder.run_folder(run.id).logs
    with card(run), run, _logged(logs / "user_logs" / "std_log.txt"):
        run.log_text("cell.py", cell)
        body.run()


class _Cell:
    """The source of a cell, compiled; an error in it shows the cell's own lines and none of ours."""

    def __init__(self, shell: InteractiveShell, source: str) -> None:
        self._shell = shell
        try:
            self._codes = _compiled(shell, source)
        except SyntaxError as error:  # IPython would show it below our own frames
            where = "".join(traceback.format_exception_only(error)[:-1]).rstrip()
            raise InvalidError(f"The cell was not run: {error.msg}.", where) from None

    def run(self) -> None:
        """Run it in the notebook's variables, as the shell would."""
        try:
            for code in self._codes:
                exec(code, self._shell.user_ns)  # noqa: S102 - the user's own cell
        except BaseException as error:
            trace = error.__traceback__.tb_next if error.__traceback__ else None
            if trace is not None and not hasattr(error, "_render_traceback_"):
                shown = self._shell.InteractiveTB
                lines = shown.structured_traceback(type(error), error, trace, tb_offset=0)
                error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
            raise


def _compiled(shell: InteractiveShell, source: str) -> list[CodeType]:
    """The cell's statements, and its last expression such that its value is shown."""
    transformed = shell.transform_cell(source)  # type: ignore[no-untyped-call]
    filename = shell.compile.cache(transformed, shell.execution_count, raw_code=source)
    tree = ast.parse(transformed, filename)
    if any(isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith) for node in _outside_functions(tree)):
        raise UsageError(
            "A tracked cell cannot await.",
            hint="Await in a cell of its own, or use asyncio.run in a script.",
        )
    shows = bool(tree.body) and isinstance(tree.body[-1], ast.Expr) and not _is_quiet(source)
    last = [tree.body.pop()] if shows else []
    flags = shell.compile.flags
    codes = [compile(tree, filename, "exec", flags)]
    return codes + [compile(ast.Interactive(last), filename, "single", flags) for _ in last]


def _is_quiet(source: str) -> bool:
    return source.rstrip().endswith(";")


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from _outside_functions(node)


@contextlib.contextmanager
def _logged(path: Path) -> Iterator[None]:
    """Copy what is printed to the file ``path``, which the service reads as the run's log."""
    make_private(path.parent)
    with path.open("a", encoding="utf-8", errors="backslashreplace") as log:
        shown, errors = sys.stdout, sys.stderr
        copying = _Copying(shown, log), _Copying(errors, log)
        sys.stdout, sys.stderr = copying
        try:
            yield
        finally:
            sys.stdout, sys.stderr = shown, errors
            for stream in copying:
                stream.stop()


class _Copying:
    """A stream that also writes to a log; everything else is the stream's own.

    What the cell gave it to (a logging handler, a thread) may keep it: after `stop` it is the stream alone.
    """

    def __init__(self, stream: IO[str], log: IO[str]) -> None:
        self._stream = stream
        self._log: IO[str] | None = log

    def stop(self) -> None:
        """Write to the log no more."""
        self._log = None

    def write(self, text: str) -> int:
        """Show ``text``, and keep it."""
        written = self._stream.write(text)
        if self._log is not None:
            self._log.write(text)
            self._log.flush()
        return written

    def writelines(self, lines: Sequence[str]) -> None:
        """Write each of ``lines``."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
