"""Cells in real kernels: the run's cell does what it would have done in the notebook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aml.cells import payload as payload_module
from jupyter_aml.cells.payload import Header, pack, unpack
from jupyter_aml.cells.runtime import load
from jupyter_aml.errors import AmlError, InvalidError

Submit = Callable[..., Any]

GLOBALS = """
    import functools, dataclasses, enum, abc
    from collections import namedtuple
    threshold = 0.5
    hits = 0
    def f(): return threshold
    def bump():
        global hits
        hits += 1
    def helper(): return threshold
    def calls_helper(): return helper()
    def passing(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs): return function(*args, **kwargs)
        return wrapper
    @passing
    def decorated(): return threshold
    @functools.lru_cache(maxsize=10)
    def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
    def closure():
        factor = 10
        def inner(): return threshold * factor
        return inner
    closed = closure()
    part = functools.partial(f)
    def generator(): yield threshold
    async def coroutine(): return threshold
    def default(g=f, *, h=f): return g(), h()
    class Base(abc.ABC):
        @abc.abstractmethod
        def method(self): ...
    class Model(Base):
        limit = 3
        def __init__(self): self.function = lambda: threshold
        def method(self): return threshold
        @property
        def prop(self): return threshold
        @classmethod
        def of(cls): return threshold, cls
        @staticmethod
        def static(): return threshold
        @functools.cached_property
        def cached(self): return threshold
        def parent(self): return super().__repr__() and threshold
    class Child(Model): pass
    @dataclasses.dataclass
    class Point:
        x: int
        def far(self): return self.x > threshold
    class Color(enum.Enum):
        RED = 1
        def level(self): return threshold
    Pair = namedtuple("Pair", "a b")
    model, child, point, color, pair = Model(), Child(), Point(1), Color.RED, Pair(1, 2)
    shared = [1]
    nested = {"functions": [f, (lambda: threshold,)], "model": model, "shared": shared}
    bound = model.method
"""


def test_functions_see_the_runs_globals(notebook: Any, submit: Submit) -> None:
    notebook.run(GLOBALS)
    run = submit("""
        threshold = 0.9
        assert calls_helper() == f() == decorated() == part() == bound() == 0.9
        assert closed() == 9.0
        assert list(generator()) == [0.9] and await coroutine() == 0.9 and default() == (0.9, 0.9)
        assert model.method() == model.prop == model.static() == model.cached == model.function() == 0.9
        assert Model.of() == (0.9, Model) and child.parent() == 0.9 and color.level() == 0.9
        assert nested["functions"][0]() == nested["functions"][1][0]() == 0.9
        assert nested["model"] is model and nested["shared"] is shared and bound.__self__ is model
        assert type(model) is Model and isinstance(child, Base) and type(point) is Point and point.far()
        assert color is Color.RED and type(pair) is Pair and pair.b == 2
        assert f.__globals__ is globals() and Model.__module__ == "__main__"
        bump(); bump()
        assert hits == 2 and fib(30) == 832040 and fib.cache_info().maxsize == 10
        import pickle
        assert pickle.loads(pickle.dumps(point)) == point
        del threshold
        try: f()
        except NameError: print("as in the notebook")
    """)
    assert run.ran.ok, run.ran.error
    assert run.ran.text == "as in the notebook\n"


def test_the_cell_is_the_run_s_only_cell(notebook: Any, submit: Submit) -> None:
    notebook.run("x = 20")
    run = submit("y = x + 1\nsorted(n for n in globals() if n[0] != '_')", returns=["y"])
    assert run.ran.told[0] == ["plan", [{"index": 0, "label": "y = x + 1", "kind": "code"}]]
    assert [0, "completed"] in run.ran.told
    assert run.shown == ["['In', 'Out', 'exit', 'get_ipython', 'open', 'quit', 'x', 'y']"]
    assert run.result("y") == 21


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("%%time\ny = x * 2\nprint(y)", "42"),
        ("!echo {x} $x", "21 21"),
        ("import asyncio\nawait asyncio.sleep(0)\nprint(x)", "21"),
        ("%%capture out\nprint(x)", ""),
        ("lines = !echo $x\nprint(lines)", "['21']"),
        ("%timeit -n1 -r1 print(x)", "21"),
        ("async def g():\n    yield x\nasync for v in g(): print(v)", "21"),
        ("x: int = x + 1\nprint(x)", "22"),
        ("print(__name__, type(__builtins__).__name__)", "__main__ module"),
    ],
)
def test_cells_of_every_kind_run(notebook: Any, submit: Submit, source: str, text: str) -> None:
    notebook.run("x = 21")
    run = submit(source)
    assert run.ran.ok, run.ran.error
    assert text in run.ran.text


def test_a_cell_that_fails_says_so_and_returns_nothing(notebook: Any, submit: Submit) -> None:
    notebook.run("x = 1")
    run = submit("y = x\nraise KeyError('gone')", returns=["y"])
    assert not run.ran.ok
    assert (run.ran.error["class"], run.ran.error["cell"]) == ("KeyError", 0)
    assert not run.returns.exists()


def test_names_of_the_user_do_not_disturb_the_hidden_cells(notebook: Any, submit: Submit) -> None:
    notebook.run("globals = list = dict = open = print = sys = os = load = end = runtime = 1; _ = 'mine'")
    run = submit("""
        import os as real, tempfile
        real.chdir(tempfile.mkdtemp())
        json = str = len = 5
        answer = globals + list + dict + open + end, _
    """, returns=["answer"])  # fmt: skip
    assert run.ran.ok, run.ran.error
    assert run.result("answer") == (5, "mine")


def test_modules_go_by_name_and_the_folders_own_with_the_snapshot(
    notebook: Any, submit: Submit, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "class Thing:\n    size = 7\ndef make(): return Thing()\n"
    (tmp_path / "my_helpers.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    notebook.run(
        "import my_helpers, xml.dom.minidom as dom, xml.dom.minidom\nfrom my_helpers import make\nt = make()"
    )
    source = (
        "print(my_helpers.make().size, make().size, type(t) is my_helpers.Thing)\nxml.dom.minidom.Document()"
    )
    run = submit(source, files={"my_helpers.py": text})
    assert run.ran.text.startswith("7 7 True\n")
    assert run.ran.ok, run.ran.error
    run = submit(source)
    assert run.ran.error["class"] == "InvalidError"
    assert run.ran.error["cell"] is None
    assert "No module named 'my_helpers'" in run.ran.error["message"]
    assert "the .py files in the notebook's folder" in run.ran.error["traceback"]


def test_bytes_that_are_not_those_submitted_are_not_loaded(notebook: Any, submit: Submit) -> None:
    notebook.run("x = 1")
    run = submit("print('ran')", include=["x"], spoil=b".")
    assert run.ran.error["class"] == "AmlError"
    assert "not the bytes that were recorded" in run.ran.error["message"]
    assert "ran" not in run.ran.text


def test_without_return_what_the_cell_makes_comes_back(notebook: Any, submit: Submit) -> None:
    run = submit("""
        import numpy as np
        from math import floor
        score, _private = 0.5, 1
        def predict(v): return v > score
        class Net:
            def __init__(self): self.weight = np.ones(3)
        net = Net()
        stream = (n for n in [1])
        huge = bytes(64 * 2**20)
        for i in range(3): pass
        gone = 1; del gone
    """)
    assert run.ran.ok, run.ran.error
    manifest = run.manifest
    assert {name for name, entry in manifest.items() if "file" in entry} == {
        "score",
        "predict",
        "Net",
        "net",
        "i",
    }
    assert "generator" in manifest["stream"]["left_out"]
    assert "too large" in manifest["huge"]["left_out"]
    assert manifest["net"]["type"] == "Net"
    assert run.result("net").weight.tolist() == [1, 1, 1]
    assert run.result("predict")(0.7)
    assert sorted(path.name for path in run.returns.iterdir()) == sorted(
        [*(f"{name}.pkl" for name in ("score", "predict", "Net", "net", "i")), "returns.json"]
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("if False: model = 1", "without assigning 'model'"),
        ("model = (n for n in [1])", "'model' cannot be returned"),
    ],
)
def test_a_return_that_was_asked_for_must_come(submit: Submit, source: str, message: str) -> None:
    run = submit("globals\n" + source, returns=["model"])
    assert not run.ran.ok
    assert message in run.ran.error["message"]


def test_what_comes_back_fits_into_the_notebook(notebook: Any, submit: Submit) -> None:
    notebook.run("""
        level = 1
        class Model:
            total = 0
            def __init__(self): self.weights = []
            def fit(self): self.weights.append(level); return self
        model = Model()
        def report(): return level
    """)
    run = submit("""
        level = 5
        Model.total = 9
        assert report() == 5
        model.fit()
        def fresh(): return level, helper()
        def helper(): return level * 2
    """, returns=["model", "report", "fresh"])  # fmt: skip
    before = dict(notebook.namespace)
    model = run.result("model")
    assert type(model) is notebook.namespace["Model"]
    assert model.weights == [5]
    assert notebook.namespace["Model"].total == 0, "a class of the notebook was changed"
    assert model.fit().weights == [5, 1], "its methods are the notebook's"
    assert run.result("report")() == 5
    assert run.result("fresh")() == (5, 10)
    assert notebook.namespace == before


def test_other_versions_are_refused_in_words(
    notebook: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook.run("x = 1")
    payload = notebook.capture("x")
    (tmp_path / "p").write_bytes(payload.data)
    monkeypatch.setattr(payload_module, "python_version", lambda: "3.99")
    namespace: dict[str, Any] = {}
    with pytest.raises(InvalidError, match=r"The notebook has Python 3\.1\d, this is Python 3\.99"):
        load(tmp_path / "p", payload.sha256, namespace)
    monkeypatch.undo()
    monkeypatch.setattr(payload_module, "cloudpickle_version", lambda: "99")
    with pytest.raises(InvalidError, match="cloudpickle"):
        load(tmp_path / "p", payload.sha256, namespace)
    assert namespace == {}


def test_a_payload_of_another_release_is_refused() -> None:
    data = pack(Header([], format=2), b"")
    import hashlib

    with pytest.raises(InvalidError, match="another version of jupyter_aml"):
        unpack(data, hashlib.sha256(data).hexdigest())
    with pytest.raises(AmlError, match="digest differs"):
        unpack(data, "0" * 64)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner), st.tuples(inner, inner), st.dictionaries(st.text(), inner), st.sets(st.integers())
    ),
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, min_size=1))
def test_values_come_as_they_went(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    from jupyter_aml.cells import capture

    values = {**values, "again": list(values.values())}
    payload = capture(",".join(values), values)
    path = tmp_path_factory.getbasetemp() / "payload"
    path.write_bytes(payload.data)
    namespace: dict[str, Any] = {}
    load(path, payload.sha256, namespace)
    assert namespace == values
    for name, again in zip(list(values)[:-1], namespace["again"], strict=True):
        assert namespace[name] is again or not isinstance(again, (list, dict, set))
