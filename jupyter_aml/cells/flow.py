"""Which global names a piece of code reads before it has assigned them itself.

The compiler has already resolved every scope, so its bytecode is asked instead of the syntax tree: two
bits a name are carried along every path through the code (*no path leads here without the name having been
assigned or deleted*; *some path has assigned it*). That way loops, ``try``, ``match``, ``del`` and whatever
syntax comes next need no rule of their own.

The body of a function counts where the function's name is first read, because it may be called from there
on, and at the end, because somebody else may call it; a lambda, a comprehension and a decorated function
count where they stand.
"""

from __future__ import annotations

import dis
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from types import CodeType

_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})
_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL"})
_DELETES = frozenset({"DELETE_NAME", "DELETE_GLOBAL"})
_RETURNS = frozenset({"RETURN_VALUE", "RETURN_CONST"})
_ENDS = _RETURNS | {"RAISE_VARARGS", "RERAISE"}
_AFTER_FUNCTION = frozenset({"MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE", "EXTENDED_ARG"})
# What stands between the call of __aexit__ or __exit__ and the test of its answer.
_AWAITING = frozenset(
    "GET_AWAITABLE LOAD_CONST SEND YIELD_VALUE RESUME JUMP_BACKWARD_NO_INTERRUPT CLEANUP_THROW END_SEND "
    "TO_BOOL EXTENDED_ARG NOT_TAKEN".split()
)
_OPTIMIZED = 0x1  # set for functions, not for a module's or a class's body
_JUMPS = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
# One bit a name each: surely assigned or deleted, perhaps assigned, perhaps still there.
_State = tuple[int, int, int]


@dataclass
class Reads:
    """What a piece of code reads and makes.

    Attributes:
        sure: read from outside if the code runs at all (as far as one can tell).
        maybe: read from outside on some paths; on others the code assigns it before.
        assigned: everything it assigns somewhere, in order.
        kept: those of ``assigned`` that can still be there at its end.
        star: whether it imports ``*``, so that any name can be assigned.
    """

    sure: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    assigned: dict[str, None] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    star: bool = False


def read_module(code: CodeType) -> Reads:
    """The reads of a module's (a cell's) code."""
    return _Body(code).reads()


def global_names(code: CodeType) -> set[str]:
    """Every global name that a function's code, or a function inside it, reads, assigns or deletes."""
    names = set()
    for instruction in dis.get_instructions(code):
        if instruction.opname.endswith("_GLOBAL") or instruction.opname == "LOAD_FROM_DICT_OR_GLOBALS":
            names.add(str(instruction.argval))
    for nested in _nested(code):
        names |= global_names(nested) if nested.co_flags & _OPTIMIZED else set(nested.co_names)
    return names


def stored_globals(code: CodeType) -> Iterator[str]:
    """The global names that a function's code, or a function inside it, assigns."""
    yield from (str(i.argval) for i in dis.get_instructions(code) if i.opname == "STORE_GLOBAL")
    for nested in _nested(code):
        yield from stored_globals(nested)


def all_names(code: CodeType) -> set[str]:
    """Every name and attribute that stands in the code or in code inside it."""
    return set(code.co_names).union(*map(all_names, _nested(code)))


def _nested(code: CodeType) -> Iterator[CodeType]:
    return (constant for constant in code.co_consts if isinstance(constant, CodeType))


def _function_reads(code: CodeType) -> set[str]:
    """The global names a function reads, with those of the functions and classes inside it."""
    found = {str(i.argval) for i in dis.get_instructions(code) if i.opname in _LOADS | _DELETES}
    for nested in _nested(code):
        found |= _code_reads(nested)
    return found


def _code_reads(code: CodeType) -> set[str]:
    if code.co_flags & _OPTIMIZED:
        return _function_reads(code)
    body = _ClassBody(code)
    reads = body.reads()
    return reads.sure | reads.maybe | body.methods


class _Body:
    """The body of a module or of a class, as a graph of instructions."""

    def __init__(self, code: CodeType) -> None:
        bytecode = dis.Bytecode(code)
        self._code = code
        self._instructions = list(bytecode)
        self._offsets = [instruction.offset for instruction in self._instructions]
        self._bits = {name: 1 << position for position, name in enumerate(code.co_names)}
        self._every = (1 << len(code.co_names)) - 1
        self._handlers = self._handlers_of(bytecode)
        self._stored_inside = dict.fromkeys(n for inner in _nested(code) for n in stored_globals(inner))
        self._at_once: dict[int, set[str]] = {}
        self._deferred: dict[str, set[str]] = {}
        self._result = Reads()
        self._collect_assigned()
        self._look_at_nested()

    def reads(self) -> Reads:
        """Follow every path and say what is read from outside."""
        states = self._follow()
        may_before = self._joined(states)
        for index, (must, _, _) in states.items():
            instruction = self._instructions[index]
            if instruction.opname in _LOADS or instruction.opname in _DELETES:
                name = str(instruction.argval)
                bit = self._bits[name]
                if not must & bit or self._passes_by(instruction):
                    self._add(name, sure=not may_before[_place(instruction)] & bit)
                self._read_by_call({name}, must)
            elif index in self._at_once:
                self._read_by_call(self._at_once[index], must, self._at_once[index])
            elif instruction.opname in _RETURNS:
                self._at_end(must)
        self._result.maybe -= self._result.sure
        self._keep(states)
        return self._result

    def _joined(self, states: dict[int, _State]) -> dict[object, int]:
        """What may be assigned where the source reads; the compiler copies code that ends several paths."""
        found: dict[object, int] = {}
        for index, (_, may, _) in states.items():
            place = _place(self._instructions[index])
            found[place] = found.get(place, 0) | may
        return found

    def _passes_by(self, instruction: dis.Instruction) -> bool:
        """Whether the name is looked up outside, though this body may have one of its own."""
        return False

    def _add(self, name: str, *, sure: bool) -> None:
        (self._result.sure if sure else self._result.maybe).add(name)

    def _read_by_call(self, called: set[str], must: int, names: Iterable[str] = ()) -> None:
        """Here ``names`` are read, and whatever the functions ``called`` read, and those they call."""
        found, waiting = set(names), list(called)
        while waiting:
            new = self._deferred.get(waiting.pop(), set()) - found
            found |= new
            waiting += new
        for name in found:
            if not must & self._bits.get(name, 0):
                self._add(name, sure=name not in self._result.assigned and not self._result.star)

    def _at_end(self, must: int) -> None:
        """Somebody else may call what is left."""
        self._read_by_call(set(self._deferred), must)

    def _look_at_nested(self) -> None:
        """Which code inside counts at once, and which when the name it is stored under is read."""
        for index, instruction in enumerate(self._instructions):
            nested = instruction.argval
            if not isinstance(nested, CodeType):
                continue
            if not nested.co_flags & _OPTIMIZED:
                body = _ClassBody(nested)
                reads = body.reads()
                self._at_once[index] = reads.sure | reads.maybe
                self._defer(nested.co_name, body.methods)
            elif (name := self._stored_as(index)) is not None:
                self._defer(name, _function_reads(nested))
            else:
                self._at_once[index] = _function_reads(nested)

    def _defer(self, name: str, names: set[str]) -> None:
        self._deferred.setdefault(name, set()).update(names)

    def _stored_as(self, index: int) -> str | None:
        """The name that the function made from the code at ``index`` is stored under, undecorated."""
        index += 1
        while self._instructions[index].opname in _AFTER_FUNCTION:
            index += 1
        following = self._instructions[index]
        return str(following.argval) if following.opname in _STORES else None

    def _collect_assigned(self) -> None:
        for instruction in self._instructions:
            if instruction.opname in _STORES:
                self._result.assigned[str(instruction.argval)] = None
            self._result.star |= _is_star(instruction)
        for name in self._stored_inside:
            self._result.assigned[name] = None

    def _keep(self, states: dict[int, _State]) -> None:
        live = 0
        for index, (_, _, here) in states.items():
            if self._instructions[index].opname in _RETURNS:
                live |= here
        if not any(self._instructions[index].opname in _RETURNS for index in states):  # it always raises
            live = self._every
        kept = (name for name in self._result.assigned if live & self._bits.get(name, 0))
        self._result.kept = {*kept, *self._stored_inside}

    def _follow(self) -> dict[int, _State]:
        """For each instruction that can be reached: what holds before it, joined over all ways to it."""
        called = sum(self._bits.get(name, 0) for name in self._stored_inside)
        states: dict[int, _State] = {0: (0, called, 0)}
        waiting = [0]
        while waiting:
            index = heappop(waiting)  # in order of the code, so that most of it is stepped through once
            before = states[index]
            after = self._step(self._instructions[index], before)
            arrivals = [(target, after) for target in self._successors(index)]
            if (handler := self._handlers.get(index)) is not None:
                arrivals.append((handler, before))
            for target, (must, may, live) in arrivals:
                old = states.get(target)
                new = (must, may, live) if old is None else (old[0] & must, old[1] | may, old[2] | live)
                if new != old:
                    states[target] = new
                    heappush(waiting, target)
        return states

    def _step(self, instruction: dis.Instruction, state: _State) -> _State:
        must, may, live = state
        if instruction.opname in _STORES:
            bit = self._bits[str(instruction.argval)]
            return must | bit, may | bit, live | bit
        if instruction.opname in _DELETES:
            bit = self._bits[str(instruction.argval)]
            return must | bit, may | bit, live & ~bit
        if _is_star(instruction):
            return must, self._every, live
        return state

    def _successors(self, index: int) -> Iterator[int]:
        instruction = self._instructions[index]
        name = instruction.opname
        if name in _ENDS:
            return
        jumps = instruction.opcode in _JUMPS
        if jumps and not self._swallows(index):
            yield self._index(instruction.argval)
        if not (jumps and name.startswith("JUMP_") and not name.startswith("JUMP_IF")):
            yield index + 1

    def _swallows(self, index: int) -> bool:
        """Whether this jump is the one taken when a context manager swallows an exception.

        Nearly none does, and if it counted, nothing assigned in a ``with`` block would count as assigned.
        """
        if "IF_TRUE" not in self._instructions[index].opname or "suppress" in self._code.co_names:
            return False
        index -= 1
        while self._instructions[index].opname in _AWAITING:
            index -= 1
        return self._instructions[index].opname == "WITH_EXCEPT_START"

    def _handlers_of(self, bytecode: dis.Bytecode) -> dict[int, int]:
        handlers = {}
        for entry in bytecode.exception_entries:  # type: ignore[attr-defined]
            for index in range(self._index(entry.start), self._index(entry.end)):
                handlers[index] = self._index(entry.target)
        return handlers

    def _index(self, offset: int) -> int:
        return bisect_left(self._offsets, offset)


class _ClassBody(_Body):
    """The body of a class: its own names are invisible to the functions in it, and these are called later."""

    @property
    def methods(self) -> set[str]:
        """What its functions read."""
        return set().union(*self._deferred.values())

    def _read_by_call(self, called: set[str], must: int, names: Iterable[str] = ()) -> None:
        self._result.sure.update(names, *(self._deferred.get(name, ()) for name in called))

    def _at_end(self, must: int) -> None:
        """Its functions are called later, if at all."""

    def _passes_by(self, instruction: dis.Instruction) -> bool:
        return instruction.opname == "LOAD_GLOBAL"  # a comprehension does not see the class around it

    def _stored_as(self, index: int) -> str | None:
        name: str = self._instructions[index].argval.co_name
        return None if name.startswith("<") else name


def _place(instruction: dis.Instruction) -> object:
    return instruction.opname, instruction.arg, instruction.positions


def _is_star(instruction: dis.Instruction) -> bool:
    return instruction.opname == "IMPORT_STAR" or "IMPORT_STAR" in instruction.argrepr
