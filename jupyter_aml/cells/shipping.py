"""Taking along what a cell needs: the step from a notebook's namespace to the bytes that are submitted."""

from __future__ import annotations

import hashlib
import keyword
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Literal

from jupyter_aml import limits
from jupyter_aml.cells.culprits import explain, type_name
from jupyter_aml.cells.names import CellNames, needed_names
from jupyter_aml.cells.namespace import is_own, submodules, user_names, with_names_behind
from jupyter_aml.cells.payload import Header, pack
from jupyter_aml.cells.pickling import CellPickler, Sink, SizeError, refusal
from jupyter_aml.cells.sizes import human, largest, least_bytes
from jupyter_aml.errors import InvalidError, TooLargeError, did_you_mean

Kind = Literal["data", "function", "class", "import"]
_SHOWN = 6
_WORTH_SAYING = 1_000
_FILE_NAME_BYTES = 200  # of a returned name, so that it can be a file's


@dataclass(frozen=True)
class ShippedName:
    """A name that goes along.

    Attributes:
        kind: ``import`` for modules and what was imported from them, which travel by name.
        type: the type's name, or a module's own name.
        size: the bytes it adds to those before it.
        brought_by: the function or class that reads it, where the cell itself does not.
    """

    name: str
    kind: Kind
    type: str
    size: int
    brought_by: str | None = None

    def __str__(self) -> str:
        if self.kind == "function":
            return f"{self.name}()"
        return f"{self.name} {human(self.size)}" if self.size >= _WORTH_SAYING else self.name


@dataclass(frozen=True)
class CellPayload:
    """A cell's variables, ready to be submitted.

    Attributes:
        data: the bytes, and ``sha256`` their digest.
        names: what is in it, the largest data first.
        left_out: names the cell may read, or make itself, that cannot go along, each with the reason.
        returns: names to bring back when the cell has ended.
        must_return: whether the user asked for ``returns``: then a name that cannot be returned is a failure.
        summary: what goes along: ``cell (12 lines) + 4 names: df 38 MB, model 2 MB, fit(), cfg``.
    """

    data: bytes
    sha256: str
    names: tuple[ShippedName, ...]
    left_out: Mapping[str, str]
    returns: tuple[str, ...]
    must_return: bool
    summary: str


def capture(
    source: str,
    namespace: Mapping[str, Any],
    include: Sequence[str] | None = None,
    returns: Sequence[str] | None = None,
) -> CellPayload:
    """What the cell ``source`` needs of the notebook's variables, pickled.

    Args:
        namespace: the notebook's variables: the very dictionary its functions have as globals.
        include: the variables to take along; without it, those the cell reads. What its functions read
            themselves, and what was imported, goes along in any case.
        returns: names to bring back; without it, whatever the cell assigns and can be brought back.

    Raises `InvalidError` for a cell that is not Python, for unknown names and for what cannot be pickled, and
    `TooLargeError` beyond `limits.CELL_SHIP_BYTES`: all before anything is submitted, naming the variable.
    """
    names = needed_names(source, namespace)
    names.refuse_unknown(namespace)
    wanted, perhaps = _chosen(names, namespace, include)
    brought = with_names_behind(wanted, namespace)
    _refuse_large_values({name: namespace[name] for name in brought})
    kept, left_out = _trial([name for name in perhaps if name not in brought], namespace)
    brought |= with_names_behind(kept, namespace)
    shipped, pickles = _pickle(brought, namespace)
    modules = [namespace[name] for name in brought if isinstance(namespace[name], ModuleType)]
    header = Header([item.name for item in shipped], submodules(names.code, modules))
    data = pack(header, pickles)
    ordered = sorted(shipped, key=lambda item: (_RANKS[item.kind], -item.size))
    return CellPayload(
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        names=tuple(ordered),
        left_out=left_out,
        returns=_returned(names, [item.name for item in shipped], returns),
        must_return=returns is not None,
        summary=_summary(source, ordered),
    )


_RANKS: Mapping[Kind, int] = {"data": 0, "function": 1, "class": 2, "import": 3}


def _chosen(
    names: CellNames, namespace: Mapping[str, Any], include: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """The variables that must go along, and those that may."""
    if include is None:
        return list(names.needed), list(names.perhaps)
    for name in include:
        if name not in namespace or is_own(name, namespace[name]):
            raise InvalidError(
                f"--in names {name!r}, which is not a variable of the notebook.",
                hint=did_you_mean(name, user_names(namespace)),
            )
    forgotten = [
        name
        for name in names.needed
        if name not in include and _kind(namespace[name]) != "import" and name not in names.assigned
    ]
    if forgotten and not names.open:
        shown = [f"{name}()" if _kind(namespace[name]) == "function" else name for name in forgotten]
        raise InvalidError(
            f"The cell also reads {_listed(shown)}, which --in leaves out.",
            hint=f"Write --in {','.join([*include, *forgotten])}, or no --in to take along what is read.",
        )
    imports = [name for name in (*names.needed, *names.perhaps) if _kind(namespace[name]) == "import"]
    return list(dict.fromkeys([*include, *imports])), []


def _kind(value: object) -> Kind:
    if isinstance(value, ModuleType):
        return "import" if value.__name__ in sys.modules else "data"
    if isinstance(value, (FunctionType, BuiltinFunctionType, type)):
        module = sys.modules.get(str(value.__module__))
        if value.__module__ != "__main__" and getattr(module, value.__qualname__, None) is value:
            return "import"
        return "class" if isinstance(value, type) else "function"
    return "function" if callable(value) and hasattr(value, "__wrapped__") else "data"


def _refuse_large_values(values: Mapping[str, object]) -> None:
    """Refuse what is surely too large, before it is pickled."""
    total = least_bytes(values.values())
    if total > limits.CELL_SHIP_BYTES:
        raise _too_large(total, {name: least_bytes([value]) for name, value in values.items()})


def _too_large(total: int, sizes: Mapping[str, int]) -> TooLargeError:
    return TooLargeError(
        f"The cell's variables take at least {human(total)}; "
        f"at most {human(limits.CELL_SHIP_BYTES)} go along with a run.",
        f"Largest: {largest(sizes)}.",
        "Read the data in the cell itself, from a file, or take less along with --in a,b,c.",
    )


def _trial(names: Sequence[str], namespace: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Of names the cell may not need, those that can go along, and why the others cannot."""
    kept, left_out = [], {}
    for name in names:
        error = refusal(namespace[name], namespace, limits.CELL_SHIP_BYTES // 4)
        if error is None:
            kept.append(name)
        elif isinstance(error, SizeError):
            left_out[name] = "it is too large"
        else:
            left_out[name] = explain(name, namespace, error, limits.CELL_SHIP_BYTES)
    return kept, left_out


def _pickle(
    brought: Mapping[str, str | None], namespace: Mapping[str, Any]
) -> tuple[list[ShippedName], bytes]:
    """One pickle a name, from one pickler: data first, so that no function is charged for what it reads."""
    sink = Sink(limits.CELL_SHIP_BYTES, keep=True)
    pickler = CellPickler(sink, namespace, tied=True)
    shipped: list[ShippedName] = []
    kinds = {name: _kind(namespace[name]) for name in brought}
    waiting = sorted(brought, key=lambda name: _RANKS[kinds[name]])
    while waiting:
        name = waiting.pop(0)
        value, before = namespace[name], sink.size
        try:
            pickler.dump(value)
        except SizeError:
            sizes = {item.name: item.size for item in shipped} | {name: sink.size - before}
            raise _too_large(sink.size, sizes) from None
        except Exception as error:  # noqa: BLE001 - the code of any class may run here, and fail in its own way
            raise _unpicklable(brought, namespace, name, error) from None
        kind = _kind(value)
        what = value.__name__ if isinstance(value, ModuleType) else type_name(value)
        shipped.append(ShippedName(name, kind, what, sink.size - before, brought.get(name)))
        if not waiting:  # functions deeper inside may have brought more
            waiting = sorted(pickler.brought - {item.name for item in shipped})
    return shipped, sink.value()


def _unpicklable(
    names: Iterable[str], namespace: Mapping[str, Any], first: str, error: Exception
) -> InvalidError:
    """The error that names every variable which cannot be pickled, not only the first."""
    limit = limits.CELL_SHIP_BYTES
    errors = {name: refusal(namespace[name], namespace, limit) for name in names}
    errors = {name: problem for name, problem in errors.items() if problem is not None} or {first: error}
    lines = [f"  {explain(name, namespace, problem, limit)}" for name, problem in errors.items() if problem]
    what = (
        f"The variable {first}" if len(errors) == 1 else f"{len(errors)} variables ({_listed(list(errors))})"
    )
    return InvalidError(
        f"{what} cannot go along with the cell.",
        "\n".join(lines),
        "Make such things in the cell itself, or name what to take along: --in a,b,c.",
    )


def _returned(names: CellNames, shipped: Sequence[str], returns: Sequence[str] | None) -> tuple[str, ...]:
    if returns is None:
        return tuple(name for name in names.assigned if not name.startswith("_") and _fits_a_file(name))
    there = [*names.assigned, *shipped]
    for name in returns:
        if not name.isidentifier() or keyword.iskeyword(name) or not _fits_a_file(name):
            raise InvalidError(
                f"--return cannot name {ascii(name)[:80]}.", hint="Use names of variables: --return a,b."
            )
        if name not in there and not names.open:
            raise InvalidError(
                f"--return names {name!r}, which the cell does not assign.",
                hint=did_you_mean(name, there)
                or (f"It assigns {_listed(names.assigned)}." if names.assigned else None),
            )
    return tuple(dict.fromkeys(returns))


def _fits_a_file(name: str) -> bool:
    return len(name.encode()) <= _FILE_NAME_BYTES


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:_SHOWN])
    if len(names) > _SHOWN:
        return ", ".join(shown) + f" and {len(names) - _SHOWN} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def _summary(source: str, shipped: Sequence[ShippedName]) -> str:
    lines = len(source.strip().splitlines())
    cell = f"cell ({lines} line{'' if lines == 1 else 's'})"
    own = [item for item in shipped if item.kind != "import"]
    if not own:
        return f"{cell}, no variables"
    texts = [str(item) for item in own[:_SHOWN]]
    if len(own) > _SHOWN:
        rest = sum(item.size for item in own[_SHOWN:])
        texts.append(f"{len(own) - _SHOWN} more ({human(rest)})")
    return f"{cell} + {len(own)} name{'' if len(own) == 1 else 's'}: {', '.join(texts)}"
