"""A notebook's parameters arrive as the values they are, and no name or value of one is code (cases D04, D05)."""

from __future__ import annotations

import ast
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_aml import notebook
from jupyter_aml.core.blobs import bytes_digest
from jupyter_aml.errors import AmlError
from jupyter_aml.workspace import Workspace
from tests.security.conftest import Service, payloads, until

SPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}
VALUES = [value for value in payloads("param_value") if value not in ("\ud800", "RAW:1e400")] + [
    "'''", '"""', "\\", "\\n", "\\'", "\\x00", "\x1a", "\ufeff", "\u202e", "\U0001f600", "\x85", "\x0c", "{}", "{{", "%(x)s", "$(touch pwn)",
    "__import__('os').system('touch pwn')", "');__import__('os').system('touch pwn');('", "\n__import__('os').system('touch pwn')\n#",
    "# -*- coding: utf-7 -*-", "%%bash\ntouch pwn", "!touch pwn", "x" * 100_000, 10**19, -(10**18), 5e-324, 1e308, 0.1, False, None,
    {"a": [1, {"b": None}]}, [[[]]], {"": ""}, {"'": '"'}, [True, 1, 1.0], {"__class__": "x"},
]  # fmt: skip
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**19)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
).filter(lambda value: not (isinstance(value, str) and "\0" in value))  # a param holds no NUL, and says so


def book(names: list[str], folder: Path, *cells: str) -> Path:
    """A notebook with these parameters, none of them with a type."""
    defaults = "\n".join(f"{name} = None" for name in names)
    tagged = new_code_cell(defaults, metadata={"tags": ["parameters"]})
    document = new_notebook(metadata={"kernelspec": SPEC}, cells=[tagged, *map(new_code_cell, cells)])
    path = folder / "book.ipynb"
    nbformat.write(document, path)
    return path


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal in type and content, down to the sign of zero."""
    return repr(one) == repr(other)


def read_back(workspace: Workspace, folder: Path, values: list[Any]) -> list[Any]:
    """What a notebook sees of values that it is given as parameters."""
    names = [f"p{number}" for number in range(len(values))]
    show = f"from pathlib import Path\nPath('outputs/seen.txt').write_text(ascii([{', '.join(names)}]))"
    run = workspace.submit(notebook(book(names, folder, show), dict(zip(names, values, strict=True))))
    until(lambda: run.is_final, 100)
    assert run.status == "Completed", run.error
    found: list[Any] = ast.literal_eval(run.read_file("outputs/seen.txt").decode())
    return found


def test_values_arrive_as_they_are(workspace: Workspace, tmp_path: Path) -> None:
    found = read_back(workspace, tmp_path, VALUES)
    for given_value, seen in zip(VALUES, found, strict=True):
        assert same(given_value, seen), ascii(given_value)[:80]
    assert not list(tmp_path.rglob("pwn")) and not Path("pwn").exists()


def test_whatever_json_holds_arrives_as_it_is(workspace: Workspace, tmp_path: Path) -> None:
    drawn: list[Any] = []

    @settings(max_examples=120, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(JSON)
    def draw(value: Any) -> None:
        drawn.append(value)

    draw()
    for given_value, seen in zip(drawn, read_back(workspace, tmp_path, drawn), strict=True):
        assert same(given_value, seen), ascii(given_value)[:200]


@pytest.fixture(scope="module")
def files(owner: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """A snapshot with a notebook of parameters ``a`` and ``_``."""
    data = book(["a", "_", "print", "π"], tmp_path_factory.mktemp("book")).read_bytes()
    assert owner.put(f"/blobs/{bytes_digest(data)}", content=data).status_code == 201
    return [{"path": "book.ipynb", "digest": bytes_digest(data), "size": len(data)}]


NAMES = [name for name in payloads("param_name") if name not in ("_", "print", "π")] + [
    "a\n", "a ", " a", "a=1", "a:int", "A", "ａ", "ª", "ﬁ", "a\0", "a;b", "a,b", "a #", "*a", "**a", "lambda", "None", "True", "async", "a.b", "1a", "-a",
    "__class__", "a\u200b", "\ufeffa", "a" * 129, "{a}", "aml", "µ",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name)[:25] for name in NAMES])
@pytest.mark.parametrize("kind", ["notebook", "cell"])
def test_a_name_is_one_the_notebook_has(
    owner: httpx.Client, service: Service, files: list[dict[str, Any]], name: str, kind: str
) -> None:
    before = service.state()["runs"]
    job = {"type": kind, "notebook": "book.ipynb", "parameters": {name: 1}}
    answer = owner.post("/jobs", json={"job": job, "files": files})
    if kind == "cell" and answer.status_code == 201:  # a generated notebook: the name need only be one
        assert name.isidentifier() and name.isascii()
        owner.post(f"/runs/{answer.json()['id']}/cancel", json={})
        return
    assert answer.status_code == 400 and "parameter" in answer.json()["error"]["message"]
    assert service.state()["runs"] == before


def test_a_rerun_checks_its_changes_too(owner: httpx.Client, files: list[dict[str, Any]]) -> None:
    job = {"type": "notebook", "notebook": "book.ipynb", "parameters": {"a": 1}}
    run = owner.post("/jobs", json={"job": job, "files": files}).json()["id"]
    for name in NAMES:
        assert owner.post(f"/runs/{run}/rerun", json={"parameters": {name: 1}}).status_code == 400, name
    again = owner.post(f"/runs/{run}/rerun", json={"parameters": {"a": "');import os;('"}})
    assert again.status_code == 201
    for found in (run, again.json()["id"]):
        owner.post(f"/runs/{found}/cancel", json={})


@pytest.mark.parametrize(
    "value",
    ["1e400", '"\\ud800"', "NaN", "Infinity", "[" * 70 + "]" * 70, "9" * 30, '{"a":1,"a":2}', "-1e999"],
)
def test_what_json_does_not_hold_is_refused(
    owner: httpx.Client, files: list[dict[str, Any]], value: str
) -> None:
    body = json.dumps(
        {"job": {"type": "notebook", "notebook": "book.ipynb", "parameters": {"a": "@"}}, "files": files}
    )
    answer = owner.post(
        "/jobs", content=body.replace('"@"', value), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("value", [math.nan, math.inf, b"x", {1: 2}, object(), "\ud800"], ids=str)
def test_what_cannot_travel_is_refused_where_it_is_given(
    workspace: Workspace, tmp_path: Path, value: Any
) -> None:
    with pytest.raises(AmlError):
        workspace.submit(notebook(book(["a"], tmp_path), {"a": value}))


def test_the_engine_of_papermill_writes_no_name_as_code(tmp_path: Path) -> None:
    path = book(["a"], tmp_path, "print(a)")
    done = subprocess.run(
        [sys.executable, "-m", "papermill", str(path), str(tmp_path / "out.ipynb"), "--engine", "aml",
         "-p", "x=1\n__import__('os').system('touch pwn')\ny", "1"],
        capture_output=True, text=True, check=False, timeout=100, cwd=tmp_path,
    )  # fmt: skip
    assert not (tmp_path / "pwn").exists(), done.stderr[-2000:]


FORMATS = ["{a.__class__.__mro__}", "{a:>2000000000}", "{b}", "%(a)s{"]


def test_a_notebook_s_name_is_a_name_and_no_format(workspace: Workspace, tmp_path: Path) -> None:
    """Case A21: papermill formats the paths it is given with the parameters; ours never reach it as such."""
    runs = []
    for number, name in enumerate(FORMATS):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = book(["a"], folder, "print(a)").rename(folder / f"{name}.ipynb")
        runs.append(workspace.submit(notebook(path, {"a": 7})))
    for name, run in zip(FORMATS, runs, strict=True):
        until(lambda run=run: run.is_final, 100)
        assert run.status == "Completed", (name, run.error)
        kept = [path for path in run.get_file_names() if path.startswith("notebook/")]
        assert (kept, run.logs()) == ([f"notebook/{name}.ipynb"], "7\n")


@pytest.mark.parametrize("language", ["R", "julia", "bash", "scala", "c#"])
def test_another_language_is_given_no_source_text(
    owner: httpx.Client, service: Service, tmp_path: Path, language: str
) -> None:
    """Case D05: in them a text may still be code; a notebook that only says so is not believed either."""
    document = nbformat.read(book(["a"], tmp_path), 4)
    for metadata in (
        {"kernelspec": {**SPEC, "language": language}},
        {"kernelspec": SPEC, "language_info": {"name": language}},
    ):
        document.metadata = nbformat.from_dict(metadata)
        data = nbformat.writes(document).encode()
        assert owner.put(f"/blobs/{bytes_digest(data)}", content=data).status_code == 201
        file = {"path": "book.ipynb", "digest": bytes_digest(data), "size": len(data)}
        before = service.state()["runs"]
        job = {"type": "notebook", "notebook": "book.ipynb", "parameters": {"a": "$(touch pwn)"}}
        answer = owner.post("/jobs", json={"job": job, "files": [file]})
        assert answer.status_code == 400 and "Python notebooks only" in answer.json()["error"]["message"]
        assert service.state()["runs"] == before
