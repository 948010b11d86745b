"""What goes along with a cell, what is said about it, and what is refused before anything is submitted."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from typing import Any

import pytest

from jupyter_aml import limits
from jupyter_aml.errors import AmlError, InvalidError, TooLargeError


def test_the_summary_says_what_goes_along(notebook: Any) -> None:
    notebook.run("""
        import numpy as np, pandas as pd
        df = pd.DataFrame({"a": np.zeros(100_000)})
        model = np.ones((50, 50))
        cfg = {"depth": 3}
        def fit(data, model): return model.sum() + offset
        offset = 1
        unused = np.zeros(10_000_000)
    """)
    payload = notebook.capture("np.random.seed(0)\nresult = fit(df, model)\nprint(cfg)\n")
    assert payload.summary == "cell (3 lines) + 5 names: df 801 kB, model 20 kB, cfg, offset, fit()"
    table = {item.name: (item.kind, item.type, item.brought_by) for item in payload.names}
    assert table == {
        "df": ("data", "DataFrame", None),
        "model": ("data", "ndarray", None),
        "cfg": ("data", "dict", None),
        "offset": ("data", "int", "fit"),
        "fit": ("function", "function", None),
        "np": ("import", "numpy", None),
    }
    assert payload.returns == ("result",)
    assert not payload.must_return
    assert notebook.capture("1").summary == "cell (1 line), no variables"


def test_the_same_cell_gives_the_same_bytes(notebook: Any) -> None:
    notebook.run("a = [1, 2]\ndef f(): return a")
    assert notebook.capture("f()").sha256 == notebook.capture("f()").sha256


def test_what_is_shared_is_counted_once(notebook: Any) -> None:
    notebook.run("import numpy as np\nx = np.zeros(1000)\nviews = [x, x]\ndef f(): return x")
    sizes = {item.name: item.size for item in notebook.capture("f(); x; views").names}
    assert sizes["x"] > 8_000
    assert sizes["views"] < 100
    assert sizes["f"] < 1_000


def test_names_behind_functions_go_along(notebook: Any) -> None:
    notebook.run("""
        import functools
        rate, scale, hidden, inner = 1, 2, 3, 4
        def helper(): return scale
        def top(): return helper() * rate
        class Model:
            def fit(self): return hidden
            @property
            def p(self): return rate
        net = Model()
        calls = {"one": [functools.partial(lambda: inner)]}
    """)
    brought = {item.name: item.brought_by for item in notebook.capture("top()\nnet.fit()\ncalls").names}
    assert brought.keys() == {"top", "helper", "scale", "rate", "net", "hidden", "calls", "inner"}
    assert brought["scale"] == "helper"
    assert brought["hidden"] == "net"


UNPICKLABLE = [
    ("import threading; v = threading.Lock()", "v (lock): a lock belongs to the process that made it"),
    ("import threading; v = threading.RLock()", "v (RLock): a lock belongs"),
    ("import threading; v = threading.Thread()", "v (Thread): a thread belongs"),
    ("import socket; v, other = socket.socketpair()", "v (socket): a socket belongs"),
    ("v = (n for n in [1])", "v (generator): a generator is half-way"),
    ("import os; v = open(os.devnull)", "v (TextIOWrapper): an open file belongs"),
    ("import os; v = open(os.devnull, 'wb')", "v (BufferedWriter): an open file belongs"),
    ("import sqlite3; v = sqlite3.connect(':memory:')", "v (Connection): a database connection belongs"),
    ("from concurrent.futures import ThreadPoolExecutor as T; v = T()", "v (ThreadPoolExecutor): a pool of"),
    ("import asyncio; v = asyncio.new_event_loop().create_future()", "v (Future): it waits in an event loop"),
    pytest.param(
        "import ipywidgets; v = ipywidgets.IntSlider()",
        "v (IntSlider): a widget lives in this kernel",
        marks=pytest.mark.skipif(find_spec("ipywidgets") is None, reason="ipywidgets is not installed"),
    ),
    ("class Bad:\n    def __reduce__(self): raise OSError('no')\nv = Bad()", "v (Bad): OSError: no"),
    ("import re; v = [re.match('a', 'a')]", "v (list), because of v[0] (Match): TypeError: cannot pickle"),
    ("import threading\nclass Net: pass\nv = Net(); v.a = {'k': [threading.Lock()]}",
     "v (Net), because of v.a['k'][0] (lock): a lock belongs"),
    ("def make():\n    gen = (n for n in [1])\n    return lambda: gen\nv = make()",
     "v (function), because of gen in v() (generator): a generator"),
    ("v = []\nfor _ in range(100_000): v = [v]", "v (list)"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(("making", "reason"), UNPICKLABLE)
def test_what_cannot_go_along_is_named_with_the_reason(notebook: Any, making: str, reason: str) -> None:
    notebook.run("fine = 1")
    notebook.run(making)
    with pytest.raises(InvalidError, match="The variable v cannot go along") as caught:
        notebook.capture("print(v, fine)")
    assert f"  {reason}" in (caught.value.detail or "")
    assert "--in" in (caught.value.hint or "")
    for name in ("v", "other"):
        if hasattr(notebook.namespace.get(name), "close"):
            notebook.namespace[name].close()


def test_every_culprit_is_named(notebook: Any) -> None:
    notebook.run("""
        import threading
        gate = threading.Lock()
        def locked():
            with gate: return 1
        stream = (n for n in [1])
        fine = 1
    """)
    with pytest.raises(InvalidError, match="3 variables") as caught:
        notebook.capture("locked(); stream; fine")
    lines = (caught.value.detail or "").splitlines()
    assert [line.split()[0] for line in lines] == ["locked", "stream", "gate"]
    assert "because of gate (lock)" in lines[0]


def test_a_culprit_the_cell_may_not_need_is_left_out(notebook: Any) -> None:
    notebook.run("stream = (n for n in [1]); last = 5; xs = [1]")
    payload = notebook.capture("for x in xs:\n    stream = last = x\nprint(stream, last)")
    assert {item.name for item in payload.names} == {"xs", "last"}
    assert list(payload.left_out) == ["stream"]
    assert "generator" in payload.left_out["stream"]


def test_too_much_is_refused_with_the_largest(notebook: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CELL_SHIP_BYTES", 1_000_000)
    notebook.run("import numpy as np\nbig = np.zeros(1_000_000); small = b'x' * 400_000; text = 'a'")
    with pytest.raises(TooLargeError, match="at least 8 MB; at most 1 MB") as caught:
        notebook.capture("big, small, text")
    assert caught.value.detail == "Largest: big 8 MB, small 400 kB, text 1 bytes."
    notebook.run("deep = {n: [{str(n) * 20}] for n in range(50_000)}")
    with pytest.raises(TooLargeError, match="at most 1 MB") as caught:
        notebook.capture("deep")
    assert "deep" in (caught.value.detail or "")
    notebook.run("half = np.zeros(100_000); same = [half, half]")
    assert "half 800 kB" in notebook.capture("half, same").summary
    payload = notebook.capture("if text: deep = 1\nprint(deep)")
    assert payload.left_out == {"deep": "it is too large"}


def test_sizes_are_not_believed_where_they_are_not_of_bytes(notebook: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(limits, "CELL_SHIP_BYTES", 100_000)
    notebook.run("""
        import numpy as np, pandas as pd
        class Lazy:
            nbytes = 10**15
            def memory_usage(self): raise RuntimeError
            def __len__(self): return 10**15
        lazy = Lazy()
        objects = np.full(20_000, None)
        frame = pd.DataFrame({"o": objects})
        index, series = pd.Index([1, 2]), pd.Series([1.5])
    """)
    assert len(notebook.capture("lazy, objects, frame, index, series").names) == 5


def test_in_takes_along_what_it_names(notebook: Any) -> None:
    notebook.run("""
        import math
        from collections import OrderedDict
        a, b, unused = 1, 2, 3
        def f(): return b
    """)
    payload = notebook.capture("print(a, math.pi, OrderedDict())", include=["a", "unused"])
    assert {item.name for item in payload.names} == {"a", "unused", "math", "OrderedDict"}
    assert payload.summary.endswith("2 names: a, unused")
    with pytest.raises(
        InvalidError, match=r"The cell also reads b and f\(\), which --in leaves out"
    ) as caught:
        notebook.capture("a + b + f()", include=["a"])
    assert "--in a,b,f" in (caught.value.hint or "")
    with pytest.raises(InvalidError, match="--in names 'unsed'") as caught:
        notebook.capture("a", include=["a", "unsed"])
    assert caught.value.hint == "Did you mean 'unused'?"
    for bad in ("In", "no name", "__name__", "os.path"):
        with pytest.raises(InvalidError):
            notebook.capture("a", include=[bad])
    assert {item.name for item in notebook.capture("f()", include=["f"]).names} == {"f", "b"}
    assert notebook.capture("b = 1\nprint(a)", include=["a", "a"]).summary.endswith("1 name: a")


def test_unknown_names_stop_the_submit(notebook: Any) -> None:
    notebook.run("model = 1")
    with pytest.raises(InvalidError, match="'modle' is not defined"):
        notebook.capture("modle.fit()")


def test_returns_are_checked(notebook: Any) -> None:
    notebook.run("model = 1")
    payload = notebook.capture("score = model", returns=["score", "model", "score"])
    assert payload.returns == ("score", "model")
    assert payload.must_return
    with pytest.raises(InvalidError, match="--return names 'scor'") as caught:
        notebook.capture("score = model", returns=["scor"])
    assert caught.value.hint == "Did you mean 'score'?"
    assert notebook.capture("exec('late = 1')", returns=["late"]).returns == ("late",)
    for bad in ("a b", "class", "../x", "a" * 300, ""):
        with pytest.raises(InvalidError, match="--return cannot name"):
            notebook.capture("score = 1", returns=[bad])
    assert notebook.capture("_a = 1; import os; b = 1").returns == ("os", "b")
    assert notebook.capture("score = 1", returns=[]).returns == ()


def test_submodules_reached_by_attribute_are_known(notebook: Any) -> None:
    notebook.run("import xml.dom.minidom, os.path")
    payload = notebook.capture("xml.dom.minidom.parseString('<a/>')")
    header = json.loads(payload.data.split(b"\n", 1)[0])
    assert {"xml.dom", "xml.dom.minidom"} <= set(header["modules"])
    assert header["python"] == f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_hostile_values_are_errors_and_no_more(notebook: Any) -> None:
    notebook.run("""
        class Proxy:
            def __getattr__(self, name): raise ZeroDivisionError(name)
        class Liar:
            __module__ = 7
            __dict__ = 3
        class Deep:
            @property
            def __wrapped__(self): raise ValueError
            def __reduce__(self): return 5
        class Loop: pass
        proxy, liar, deep, loop = Proxy(), Liar(), Deep(), Loop()
        loop.self = loop
        loop.f = lambda: loop
        loop.f.__wrapped__ = loop.f
        ring = loop.f
    """)
    with pytest.raises(AmlError, match="cannot go along"):
        notebook.capture("deep")
    for name in ("loop", "ring", "proxy", "liar"):
        notebook.capture(name)


def test_the_kernels_part_imports_little() -> None:
    code = """
        import sys
        import jupyter_aml.cells.runtime
        heavy = {"httpx", "pydantic", "sqlalchemy", "nbformat", "IPython", "papermill"}
        print(heavy & sys.modules.keys())
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"
