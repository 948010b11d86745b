"""What the hidden cells call in the run's kernel: it brings the variables and takes the results.

Only the standard library and cloudpickle are imported, because every run of a cell waits for it.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from jupyter_aml import limits
from jupyter_aml.cells.loading import Loader
from jupyter_aml.cells.payload import cloudpickle_version, python_version, unpack
from jupyter_aml.errors import AmlError, InvalidError, TooLargeError, did_you_mean

RETURNS = "outputs/returns"
MANIFEST = "returns.json"
# What nobody asked for comes back only where it is small beside what may be asked for.
_UNASKED_SHARE = 16


class _Cell:
    """The cell of this kernel."""

    folder = Path()  # where it began; it may go elsewhere


def begin(path: str, sha256: str) -> None:
    """The first cell: bring the variables at ``path`` into the kernel's namespace."""
    _Cell.folder = Path.cwd()
    load(path, sha256, sys.modules["__main__"].__dict__)


def end(names: Sequence[str], *, must: bool) -> None:
    """The last cell: keep what the cell returns."""
    save_returns(sys.modules["__main__"].__dict__, names, _Cell.folder / RETURNS, must=must)


def load(path: str | os.PathLike[str], sha256: str, namespace: dict[str, Any]) -> None:
    """Bring the variables in the file at ``path`` into ``namespace``.

    Functions and methods of the notebook get ``namespace`` as their globals. Raises `AmlError` if the bytes
    are not those that were submitted, and `InvalidError` if this Python cannot load them.
    """
    header, pickles = unpack(Path(path).read_bytes(), sha256)
    header.check()
    for module in header.modules:
        _import(module)
    loader = Loader(io.BytesIO(pickles), namespace)
    builtins = namespace.get("__builtins__")
    for name in header.names:
        try:
            namespace[name] = loader.load()
        except Exception as error:
            raise _not_loaded(name, error) from error
    if builtins is not None:
        namespace["__builtins__"] = builtins  # cloudpickle puts a dictionary in its place


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except ImportError as error:
        raise _not_loaded(module, error) from error


def _not_loaded(name: str, error: Exception) -> InvalidError:
    hint = "Make it in the cell itself, instead of in the notebook."
    if isinstance(error, ImportError):
        hint = "A run has the packages that are installed, and the .py files in the notebook's folder."
    return InvalidError(
        f"The variable {name!r} of the notebook could not be loaded: {type(error).__name__}: {error}",
        hint=hint,
    )


def save_returns(namespace: dict[str, Any], names: Sequence[str], folder: Path, *, must: bool) -> None:
    """Write each of ``names`` as ``NAME.pkl`` into ``folder``, and `MANIFEST` last.

    The manifest is ``{name: {file, sha256, size, type, python, cloudpickle}}``; a name that cannot be kept
    is an error with ``must``, and ``{name: {"left_out": reason}}`` without.
    """
    if must:
        _refuse_missing(namespace, names)
    folder.mkdir(parents=True, exist_ok=True)
    left = limits.CELL_RETURN_BYTES if must else limits.CELL_RETURN_BYTES // _UNASKED_SHARE
    manifest: dict[str, Any] = {}
    for name in names:
        if name not in namespace or (not must and _is_imported(namespace[name])):
            continue
        entry = _save(name, namespace, folder, left, must=must)
        manifest[name] = entry
        left -= entry.get("size", 0)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _refuse_missing(namespace: dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if name not in namespace:
            hint = did_you_mean(name, [other for other in namespace if not other.startswith("_")])
            raise InvalidError(
                f"The cell has ended without assigning {name!r}, which it was to return.", hint=hint
            )


def _is_imported(value: object) -> bool:
    if isinstance(value, ModuleType):
        return True
    return isinstance(value, (FunctionType, BuiltinFunctionType, type)) and value.__module__ != "__main__"


def _save(name: str, namespace: dict[str, Any], folder: Path, limit: int, *, must: bool) -> dict[str, Any]:
    from jupyter_aml.cells.culprits import explain, type_name
    from jupyter_aml.cells.pickling import CellPickler, Sink, SizeError

    sink = Sink(limit, keep=True)
    try:
        CellPickler(sink, namespace, tied=False).dump(namespace[name])
    except SizeError:
        reason: AmlError = TooLargeError(
            f"{name!r} is too large to be returned: its pickle takes more than the {limit:,} bytes left.",
            hint="Write it to a file in outputs/, which becomes a file of the run.",
        )
    except Exception as error:  # noqa: BLE001 - the code of any class may run here, and fail in its own way
        why = explain(name, namespace, error, limit)
        reason = InvalidError(
            f"{name!r} cannot be returned.", f"  {why}", "Write it to a file in outputs/ instead."
        )
    else:
        data = sink.value()
        (folder / f"{name}.pkl").write_bytes(data)
        return {
            "file": f"{name}.pkl",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "type": type_name(namespace[name]),
            "python": python_version(),
            "cloudpickle": cloudpickle_version(),
        }
    if must:
        raise reason from None
    return {"left_out": " ".join(str(reason).split())}
