"""Parameters are refused before a run, or arrive as they were given."""

from __future__ import annotations

import ast
import datetime
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from papermill.translators import PythonTranslator

from jupyter_aml.errors import InvalidError
from jupyter_aml.jobs.notebook.parameters import check_parameters, inspect_parameters

SOURCE = """alpha = 0.1  # learning rate
epochs: int = 10
name = "run"  # type: str the name
flags = [1, 2]
options = {
    "a": 1,
}
verbose = epochs == 10
nothing = None
"""


def _notebook(source: str = SOURCE, tags: tuple[str, ...] = ("parameters",), **metadata: Any) -> NotebookNode:
    cell = new_code_cell(source, metadata={"tags": list(tags)})
    return new_notebook(cells=[new_code_cell("import os"), cell], metadata=metadata)


def test_inspection_tells_name_default_type_and_help() -> None:
    found = {parameter.name: parameter for parameter in inspect_parameters(_notebook())}
    assert list(found) == ["alpha", "epochs", "name", "flags", "options", "verbose", "nothing"]
    assert (found["alpha"].default, found["alpha"].type, found["alpha"].help) == (
        "0.1",
        "float",
        "learning rate",
    )
    assert [found[name].type for name in found] == ["float", "int", "str", "list", "dict", "", ""]
    assert found["verbose"].default == "epochs == 10"


@pytest.mark.parametrize(
    "parameters",
    [
        {"alpha": 1}, {"alpha": 0.5}, {"epochs": 10**30}, {"name": ""}, {"flags": [None, {"x": True}]},
        {"verbose": 5}, {"nothing": "x"}, {"alpha": float("nan")}, {},
    ],
)  # fmt: skip
def test_fitting_parameters_pass(parameters: dict[str, Any]) -> None:
    check_parameters(_notebook(), parameters)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"alhpa": 1}, "Did you mean 'alpha'"),
        ({"beta": 1}, "alpha, epochs"),
        ({"epochs": 1.5}, "takes int, not float"),
        ({"epochs": True}, "takes int, not bool"),
        ({"alpha": "0.1"}, "takes float, not str"),
        ({"name": 3}, "takes str"),
        ({"x=1;import os": 1}, "cannot be the name"),
        ({"class": 1}, "cannot be the name"),
        ({"a" * 129: 1}, "cannot be the name"),
        ({"ﬁ": 1}, "cannot be the name"),
        ({"nothing": datetime.date(2026, 1, 1)}, "of type date"),
        ({"alpha": numpy.float64(1)}, "of type float64"),
        ({"nothing": (1, 2)}, "of type tuple"),
        ({"nothing": {1: 2}}, "key that is not text"),
        ({"nothing": "\ud800"}, "lone surrogate"),
    ],
)
def test_others_are_refused_with_what_to_do(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidError) as refused:
        check_parameters(_notebook(), parameters)
    assert said in str(refused.value)


def test_deep_values_are_refused() -> None:
    value: list[Any] = []
    for _ in range(100):
        value = [value]
    with pytest.raises(InvalidError, match="nested deeper"):
        check_parameters(_notebook(), {"nothing": value})


def test_notebooks_that_take_none() -> None:
    with pytest.raises(InvalidError, match="no cell tagged"):
        check_parameters(_notebook(tags=()), {"alpha": 1})
    with pytest.raises(InvalidError, match="Python notebooks only"):
        check_parameters(_notebook(language_info={"name": "R"}), {"alpha": 1})


def test_cell_that_does_not_parse_still_offers_what_papermill_sees() -> None:
    assert [parameter.name for parameter in inspect_parameters(_notebook("a = 1\n%matplotlib inline"))] == [
        "a"
    ]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON)
def test_whatever_passes_is_the_same_value_as_source_text(value: Any) -> None:
    check_parameters(_notebook(), {"nothing": value})
    tree = ast.parse(PythonTranslator.codify({"nothing": value}))
    assert len(tree.body) == 1
    assert isinstance(tree.body[0], ast.Assign)
    read = ast.literal_eval(tree.body[0].value)
    assert read == value
    assert repr(read) == repr(value)
