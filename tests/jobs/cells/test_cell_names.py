"""Which names a cell needs: rules one by one, and against what Python really does."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aml.cells import CellNames, needed_names
from jupyter_aml.errors import AmlError

NAMESPACE: dict[str, Any] = dict.fromkeys("a b c d f df model x y xs".split(), 1)


def names(source: str, **more: Any) -> CellNames:
    return needed_names(source, NAMESPACE | more)


@pytest.mark.parametrize(
    ("source", "needed", "perhaps"),
    [
        ("print(x, len(xs))", "x xs", ""),
        ("x = 1\nprint(x)", "", ""),
        ("x = x + 1", "x", ""),
        ("x += 1", "x", ""),
        ("x[0] = 1; y.z = 2", "x y", ""),
        ("x: int = 3", "", ""),
        ("if a:\n    x = 1\nprint(x)", "a", "x"),
        ("for x in xs: pass\nprint(x)", "xs", "x"),
        ("while a: x = 1\nprint(x)", "a", "x"),
        ("try:\n    import nope as x\nexcept ImportError:\n    x = None\nx", "", ""),
        ("try:\n    x = f()\nexcept ValueError as error:\n    print(error)\nx", "f", "x"),
        ("with f(y) as x:\n    d = x.read()\nprint(d)", "f y", ""),
        ("from contextlib import suppress\nwith suppress(KeyError):\n    d = x\nprint(d)", "x", "d"),
        ("match x:\n    case [y, *_]: pass\n    case {'k': y}: pass\n    case _: y = 0\ny", "x", ""),
        ("[a for a in xs if a > b]\n{c: d for c in b}\n(y for y in c)", "b c d xs", ""),
        ("if (x := len(xs)) > 1: print(x)", "xs", ""),
        ("[y := x for x in xs]\nprint(y)", "xs", "y"),
        ("lambda a, b=x: a + c", "c x", ""),
        ("def g(a, b=x):\n    c = 1\n    return a + b + c + d\n", "d x", ""),
        ("def g(): return x\nx = 1\ng()", "", ""),
        ("def g(): return x\ng()\nx = 1", "", "x"),
        ("def g(): return h()\ndef h(): return x\nx = 1\ng()", "", ""),
        ("def g():\n    global x\n    x = 1\n    return x", "", "x"),
        ("def g():\n    global x\n    x += y", "y", "x"),
        ("class A(b):\n    x = 1\n    z = x\n    def m(self): return x\n", "b x", ""),
        ("class A:\n    x = x", "x", ""),
        ("class A:\n    def m(self): return y\ny = 1\nA().m()", "", ""),
        ("@f\ndef g(): pass", "f", ""),
        ("del df", "df", ""),
        ("df = 1\ndel df", "", ""),
        ("import x.y as y, a.b\nfrom c import d\nx", "x", ""),
        ("from os import *\nprint(x)", "", "x"),
        ("await x\nasync with f() as d: y = d\nasync for a in y: pass", "f x", ""),
        ("raise f\nprint(x)", "f", ""),
        ("f'{x!r:{y}}'", "x y", ""),
        ("try: pass\nfinally: y = x", "x", ""),
        ("*a, b = xs\nprint(a, b)", "xs", ""),
        ("global x\nx = 1\nprint(x)", "", ""),
        ("assert x, y", "x y", ""),
        ("print(__name__, __file__, get_ipython, display, exit)", "", ""),
        ("for _ in xs: pass", "xs", ""),
    ],
)
def test_python(source: str, needed: str, perhaps: str) -> None:
    found = names(source)
    assert " ".join(sorted(found.needed)) == needed
    assert " ".join(sorted(found.perhaps)) == perhaps
    assert found.unknown == ()


@pytest.mark.parametrize(
    ("source", "needed", "perhaps"),
    [
        ("%%time\ny = f(x)\nprint(y)", "f x", ""),
        ("%%timeit -n 10 y = a\nf(x, y)", "a f x", ""),
        ("%%capture out\nprint(x)", "x", ""),
        ("x = 1\n%time d = f(x)\nprint(d)", "f", ""),
        ("%timeit -n10 -r 3 f(x)", "f x", ""),
        ("y = %timeit -o f(x)\ny.best", "f x", ""),
        ("%%time\n%time f(x)", "f x", ""),
        ("!echo $x {y} ${a}", "", "a x y"),
        ("b = !cat {x}\nprint(b)", "", "x"),
        ("%matplotlib inline\n%cd df", "", ""),
        ("%run train.py --data {x}", "", "x"),
        ("%R -i df", "", "df"),
        ("%%bash\necho df", "", ""),
        ("%%writefile train.py\nprint(x)", "", ""),
        ("%%html\n<b>x</b>", "", ""),
        ("x?", "", ""),
        ("    print(x)", "x", ""),
    ],
)
def test_ipython(source: str, needed: str, perhaps: str) -> None:
    found = names(source)
    assert " ".join(sorted(found.needed)) == needed
    assert " ".join(sorted(found.perhaps)) == perhaps
    assert found.unknown == ()


def test_what_the_cell_makes() -> None:
    source = """
import numpy as np
p, (q, *r) = 1, (2, 3)
for i in xs: w = i
try: pass
except ValueError as gone: pass
tmp = 1; del tmp
def g():
    global counter
    counter = 1
class K: inner = 1
with f() as handle: pass
"""
    assert names(source).assigned == ("np", "p", "q", "r", "i", "w", "g", "K", "handle", "counter")
    assert names("%%capture out\nz = 1").assigned == ("z", "out")


@pytest.mark.parametrize(
    "source",
    [
        "try: nope\nexcept NameError: nope = 1",
        "from os.path import *\njoin('a')",
        "exec('late = 1'); print(late)",
        "%run other.py\nprint(defined_there)",
        "def main(): return helper()\ndef helper(): return 1",
        "!echo $HOME {notthere}",
        "def g():\n    global late\n    late = 1\ng()\nlate",
    ],
)
def test_names_that_may_come_are_not_unknown(source: str) -> None:
    names(source).refuse_unknown(NAMESPACE)


def test_a_name_that_a_function_of_the_notebook_makes_is_not_unknown() -> None:
    namespace: dict[str, Any] = {}
    exec("def start():\n    prepare()\ndef prepare():\n    global late\n    late = 1", namespace)
    assert needed_names("start()\nprint(late)", namespace).unknown == ()
    assert needed_names("print(late)", namespace).unknown == ("late",)


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(AmlError, match="'modle' is not defined") as caught:
        names("modle.fit(x)").refuse_unknown(NAMESPACE)
    assert caught.value.hint == "Did you mean 'model'?"
    with pytest.raises(AmlError, match="2 names are not defined") as caught:
        names("def g(): return pint(dff)").refuse_unknown(NAMESPACE)
    assert caught.value.detail == "  dff: Did you mean 'df'?\n  pint: Did you mean 'print'?"


def test_a_name_read_before_the_cell_gives_it_is_unknown() -> None:
    assert names("print(late)\nlate = 1").unknown == ("late",)
    assert names("while a:\n  if b: late = 1\n  else: print(late)").unknown == ()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\nx =", "syntax error in line 2"),
        ("def g(:\n  pass", "syntax error in line 1"),
        ("%%time\nx = 1\ny = (", "syntax error in line 3"),
        ("return 1", "syntax error in line 1: 'return' outside function"),
        ("x = 1\0", "null bytes"),
        ("x = " + "(" * 500 + ")" * 500, "parentheses"),
        ("Out[3]", "reads Out, IPython's history"),
        ("x = '\ud800'", "surrogates"),
    ],
)
def test_what_is_no_cell(source: str, message: str) -> None:
    with pytest.raises(AmlError, match=message):
        needed_names(source, {"Out": {}})


def test_a_variable_that_hides_a_name_of_ipython_is_the_users() -> None:
    assert names("display(x); open(y)", display=print, open=len).needed == ("x", "y", "display", "open")


# What Python really does: a program must do the same with only the variables found as with all of them.

NAMES = st.sampled_from("abcde")


def indented(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


def block(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    return st.lists(inner, min_size=1, max_size=3).map(
        lambda parts: [line for part in parts for line in part]
    )


EXPRESSIONS = st.one_of(
    NAMES,
    st.builds("call({0})".format, NAMES),
    st.builds("{0} + {1}".format, NAMES, NAMES),
    st.builds("[{0} for {1} in (1, 2) if {2}]".format, NAMES, NAMES, NAMES),
    st.builds("({0} := {1})".format, NAMES, NAMES),
    st.builds("(lambda {0}: {1})(1)".format, NAMES, NAMES),
    st.just("1"),
)
SIMPLE = st.one_of(
    st.builds("{0} = {1}".format, NAMES, EXPRESSIONS),
    st.builds("{0} += {1}".format, NAMES, NAMES),
    st.builds("del {0}".format, NAMES),
    st.builds("log({0})".format, EXPRESSIONS),
    st.builds("import math as {0}".format, NAMES),
    st.builds("({0}, {1}) = (call({2}), 5)".format, NAMES, NAMES, NAMES),
).map(lambda line: [line])


def compound(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    body = block(inner)
    function = st.tuples(NAMES, st.sampled_from(["", "global a", "global b"]), body)
    return st.one_of(
        st.builds(lambda n, a, b: [f"if call({n}):", *indented(a), "else:", *indented(b)], NAMES, body, body),
        st.builds(lambda n, a: [f"for {n} in (1, 2):", *indented(a)], NAMES, body),
        st.builds(lambda n, a: [f"for {n} in ():", *indented(a), "    continue"], NAMES, body),
        st.builds(lambda a, b: ["try:", *indented(a), "except NameError:", *indented(b)], body, body),
        st.builds(lambda a, b: ["try:", *indented(a), "finally:", *indented(b)], body, body),
        st.builds(lambda n, a: [f"with manager() as {n}:", *indented(a)], NAMES, body),
        st.builds(lambda n, a: [f"class {n}:", *indented(a)], NAMES, body),
        function.map(lambda f: [f"def {f[0]}():", *indented([f[1] or "pass", *f[2]]), f"{f[0]}()"]),
        function.map(lambda f: [f"def {f[0]}():", *indented([f[1] or "pass", *f[2]])]),
        st.builds(lambda n, m, a: [f"def {n}(x={m}):", *indented(a)], NAMES, NAMES, body),
    )


PROGRAMS = block(st.recursive(SIMPLE, compound, max_leaves=8)).map("\n".join)


class Value:
    """A variable of the notebook, which everything can be done with."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __add__(self, other: object) -> int:
        return 1

    __radd__ = __add__


class Manager:
    def __enter__(self) -> int:
        return 7

    def __exit__(self, *_: object) -> None:
        pass


def outcome(code: Any, variables: dict[str, Any]) -> list[str]:
    """What the program logs, how it ends, and what it leaves of the names."""
    logged: list[str] = []

    def call(value: Any) -> bool:
        logged.append(str(type(value)))
        if callable(value) and not isinstance(value, Value) and len(logged) < 50:
            value()
        return isinstance(value, Value)

    namespace = {
        "log": lambda value: logged.append(shown(value)),
        "call": call,
        "manager": Manager,
        **variables,
    }
    try:
        exec(code, namespace)
    except Exception as error:  # noqa: BLE001 - whatever the program raises is part of what it does
        logged.append(type(error).__name__)
    return logged


def shown(value: object) -> str:
    if isinstance(value, list):
        return str([shown(part) for part in value])
    return repr(value) if isinstance(value, (Value, int)) else type(value).__name__


@given(PROGRAMS, st.sets(NAMES))
def test_the_names_found_are_enough(program: str, present: set[str]) -> None:
    try:
        code = compile(program, "<program>", "exec", dont_inherit=True)
    except SyntaxError:  # a name that is used before it is said to be global
        return
    variables = {name: Value(name) for name in sorted(present)}
    found = needed_names(program, variables | {"log": 1, "call": 1, "manager": 1})
    shipped = {name: value for name, value in variables.items() if name in found.needed + found.perhaps}
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250)
    try:
        assert outcome(code, shipped) == outcome(code, variables)
    finally:
        sys.setrecursionlimit(limit)
    assert not set(found.unknown) & present
