"""What the pool imports before its first fork, and the check that the result can be forked safely.

Beside the modules that are named, a kernel imports some 150 more while it starts and runs its first cell.
They are found by running one notebook in a forked child (the *rehearsal*) and importing, here, whatever it
came to import. Libraries such as OpenBLAS start threads when they are loaded and stop them at a fork; so
threads are counted after the rehearsal, and a process that still has more than one must not be forked.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_aml.jobs.warm.fork import flush_streams, live, thread_count

if TYPE_CHECKING:
    from nbformat import NotebookNode

BASE = (
    "cloudpickle",
    "ipykernel.kernelapp",
    "jupyter_aml.cells.runtime",
    "jupyter_aml.jobs.kernels",
    "jupyter_aml.jobs.notebook.execute",
    "papermill.execute",
)

# Read once, when an interpreter starts or a numerical library is loaded: too late in a forked process.
_START_PREFIXES = ("PYTHON", "LD_", "OMP_", "OPENBLAS_", "GOTO_", "MKL_", "BLIS_", "NUMEXPR_", "KMP_", "NPY_")
_HARMLESS = frozenset({"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "PYTHONIOENCODING"})
_MODULE_SUFFIXES = (".py", ".pyc", ".so")


@dataclass(frozen=True)
class Warmth:
    """What happened when this process was warmed up.

    Attributes:
        start_variables: the variables it started with that act only at a start.
        added_variables: what the imported libraries put into the environment (scikit-learn does).
        modules: all modules that are imported.
    """

    start_variables: Mapping[str, str]
    added_variables: Mapping[str, str]
    modules: frozenset[str]


class ThreadsLeftError(RuntimeError):
    """Importing ``module`` started threads that do not stop at a fork; it must not be preloaded."""

    def __init__(self, module: str) -> None:
        super().__init__(f"importing {module} left threads that survive a fork")
        self.module = module


_warmth: Warmth | None = None


def warmth() -> Warmth | None:
    """What this process (or the pool it was forked from) had warmed up; None in a freshly started process."""
    return _warmth


def preload(optional: Iterable[str]) -> None:
    """Import everything a run needs, and those of ``optional`` that are installed.

    Raises `ThreadsLeftError`, or whatever the rehearsal raises: a pool that cannot run a cell must not serve.
    """
    global _warmth  # noqa: PLW0603 - a process is warm or it is not
    before = dict(os.environ)
    # papermill and pandas import pyarrow where it is there, whose allocator would keep a thread for itself.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    for name in BASE:
        importlib.import_module(name)
    for name in optional:
        _import(name)
        _require_one_thread(name)
    _rehearse_here()
    for name in _rehearse():
        _import(name)
    _require_one_thread("ipykernel")
    if "JE_ARROW_MALLOC_CONF" not in before:
        del os.environ["JE_ARROW_MALLOC_CONF"]
    added = {name: value for name, value in os.environ.items() if name not in before}
    _warmth = Warmth(start_variables(before), added, frozenset(sys.modules))
    gc.collect()
    gc.freeze()


def start_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Those variables that only act when an interpreter starts or a library is loaded."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(_START_PREFIXES) and name not in _HARMLESS
    }


def why_not_forked(environment: Mapping[str, str], folder: Path) -> str | None:
    """Why a kernel for ``environment`` and ``folder`` must be started anew; None where forking is as good."""
    if _warmth is None:
        return "this process was not forked from the pool"
    if thread_count() > 1:
        return "this process has threads already"
    wanted = start_variables(environment)
    if wanted != _warmth.start_variables:
        names = sorted(set(wanted.items()) ^ set(_warmth.start_variables.items()))
        return f"the job sets {names[0][0]}, which acts only when Python starts"
    shadowed = next((name for name in _top_modules(folder) if name in _warmth.modules), None)
    if shadowed is not None:
        return f"the job's folder has a module {shadowed!r}, and another one of that name is already imported"
    return None


def _top_modules(folder: Path) -> Iterable[str]:
    for entry in os.scandir(folder):
        name, dot, _ = entry.name.partition(".")
        if (dot and entry.name.endswith(_MODULE_SUFFIXES)) or os.path.isfile(f"{entry.path}/__init__.py"):
            yield name


def _import(name: str) -> None:
    # A library that is missing or fails to import is the affair of the cell that wants it.
    with contextlib.suppress(Exception):
        importlib.import_module(name)


def _require_one_thread(module: str) -> None:
    if thread_count() > 1:
        child = os.fork()  # libraries that are prepared for forks stop their threads in the parent too
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    if thread_count() > 1:
        raise ThreadsLeftError(module)


def _rehearse_here() -> None:
    """Fill the caches that single-threaded code can fill: schema validators, translators, patterns."""
    import papermill

    papermill.execute_notebook(
        _notebook("x"), None, {"x": 2}, prepare_only=True, kernel_name="python3", language="python"
    )


def _rehearse() -> list[str]:
    """Run a small notebook in a forked child with a forked kernel; the modules both of them have then."""
    reader, writer = os.pipe()
    flush_streams()
    child = os.fork()
    if child == 0:

        def body() -> int:
            os.close(reader)
            with os.fdopen(writer, "w") as answer:
                json.dump(_perform(), answer)
            return 0

        live(body)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    if status or not text:
        raise RuntimeError(f"The pool's rehearsal failed (status {status}).")
    names: list[str] = json.loads(text)
    return names


def _perform() -> list[str]:
    from jupyter_aml.jobs.kernels import fork_kernel
    from jupyter_aml.jobs.notebook.execute import execute_notebook

    folder = Path(tempfile.mkdtemp(prefix="aml-"))
    listener = _Listener()
    try:
        outcome = execute_notebook(
            _notebook("import sys\nfor name in sorted(sys.modules): print(name)"),
            {"x": 2},
            cwd=folder,
            output=folder / "executed.ipynb",
            kernel=fork_kernel(cwd=folder, environment=dict(os.environ), stdout=2, stderr=2),
            events=listener,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not outcome.ok:
        raise RuntimeError(f"The pool's rehearsal failed: {outcome.error}")
    seen = {line for line in "".join(listener.texts).splitlines() if line.replace(".", "").isidentifier()}
    return sorted((seen | set(sys.modules)) - {"__main__", "__mp_main__"})


def _notebook(last: str) -> NotebookNode:
    """A parameters cell, a cell that fails and may, and the cell given."""
    from nbformat.v4 import new_code_cell, new_notebook

    first = new_code_cell("x = 1", metadata={"tags": ["parameters"]})
    failing = new_code_cell("raise ValueError(x)", metadata={"tags": ["raises-exception"]})
    notebook: NotebookNode = new_notebook(cells=[first, failing, new_code_cell(last)])
    return notebook


class _Listener:
    """Keeps what the rehearsal prints."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def plan(self, cells: list[dict[str, object]]) -> None:
        """The rehearsal's plan is of no interest."""

    def cell(self, index: int, state: str) -> None:
        """Neither is its progress."""

    def output(self, text: str) -> None:
        """Keep the text."""
        self.texts.append(text)
