"""A notebook's variables, apart from what IPython keeps among them."""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

from jupyter_aml.cells.flow import all_names, global_names, stored_globals

# Every kernel has its own of these.
_OWN = frozenset(
    "In Out get_ipython _ih _oh _dh _i _ii _iii __builtin__ __builtins__ __name__ __doc__ __package__ "
    "__loader__ __spec__ __file__ __annotations__ __session__ __vsc_ipynb_file__".split()
)
_OWN_UNLESS_REDEFINED = frozenset({"open", "exit", "quit", "display"})
_INPUTS = re.compile(r"_i\d+", re.ASCII)
_DECORATORS = 100
_PARTS_OF_MEMBERS = ("__func__", "fget", "fset", "fdel", "func")
HISTORY = frozenset({"In", "Out", "_ih", "_oh"})


def is_own(name: str, value: object) -> bool:
    """Whether ``name`` is IPython's, so that the run's kernel has one too."""
    if name not in _OWN_UNLESS_REDEFINED:
        return name in _OWN or _INPUTS.fullmatch(name) is not None
    home = getattr(value, "__module__", None) or type(value).__module__
    return str(home).partition(".")[0] in ("IPython", "ipykernel")


def known_everywhere(name: str) -> bool:
    """Whether a cell may read ``name`` without anybody having defined it."""
    dunder = name.startswith("__") and name.endswith("__")
    return dunder or hasattr(builtins, name) or name in _OWN | _OWN_UNLESS_REDEFINED


def user_names(namespace: Mapping[str, Any]) -> list[str]:
    """The names a user would say are theirs: for suggestions."""
    return [name for name in namespace if not name.startswith("_") and not is_own(name, namespace[name])]


def names_behind(value: object, namespace: Mapping[str, Any]) -> set[str]:
    """The variables that a notebook's function, or the methods of its class, read as globals."""
    found: set[str] = set()
    for function in (*_functions(value, namespace), *_methods(value), *_methods(type(value))):
        if function.__globals__ is namespace:
            found |= global_names(function.__code__)
    return {name for name in found if name in namespace and not is_own(name, namespace[name])}


def made_by(names: Iterable[str], namespace: Mapping[str, Any]) -> set[str]:
    """The globals that the functions of these names, and the functions they call, may assign."""
    return {
        made
        for name in with_names_behind(names, namespace)
        for function in _functions(namespace[name], namespace)
        for made in stored_globals(function.__code__)
    }


def _functions(value: object, namespace: Mapping[str, Any]) -> Iterator[FunctionType]:
    """The function that ``value`` is, and those it wraps as decorators do."""
    seen = 0
    while value is not None and seen < _DECORATORS:
        if isinstance(value, FunctionType):
            yield value
        attributes = getattr(value, "__dict__", None)
        value = attributes.get("__wrapped__") if type(attributes) is dict else None
        seen += 1


def _methods(value: object) -> Iterator[FunctionType]:
    """The functions in a notebook's class: methods, static and class methods, properties."""
    if not isinstance(value, type) or value.__module__ != "__main__":
        return
    for member in vars(value).values():
        parts = (member, *(getattr(member, name, None) for name in _PARTS_OF_MEMBERS))
        yield from (part for part in parts if isinstance(part, FunctionType))


def with_names_behind(names: Iterable[str], namespace: Mapping[str, Any]) -> dict[str, str | None]:
    """``names`` and, of functions and classes among them, the names behind; each with who brought it."""
    brought: dict[str, str | None] = dict.fromkeys(names)
    waiting = list(brought)
    while waiting:
        name = waiting.pop()
        for other in sorted(names_behind(namespace[name], namespace) - brought.keys()):
            brought[other] = name
            waiting.append(other)
    return brought


def submodules(code: CodeType, modules: Iterable[ModuleType]) -> list[str]:
    """The submodules that ``code`` reaches by attributes of ``modules``, as in ``xml.dom.minidom.parse``.

    A module travels by its name, and importing that does not import what somebody imported below it.
    """
    words = all_names(code)
    found = []
    for module in modules:
        prefix = module.__name__ + "."
        below = [name for name in list(sys.modules) if name.startswith(prefix)]
        found += [name for name in below if words.issuperset(name[len(prefix) :].split("."))]
    return sorted(found)
