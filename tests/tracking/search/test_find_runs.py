"""What a search finds, in which order: the cases people meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from jupyter_aml import limits
from jupyter_aml.errors import InvalidError, UnavailableError
from jupyter_aml.tracking.search import find_runs

NAN, INF = float("nan"), float("inf")
AddRun = Callable[..., int]


def found(
    connection: sa.Connection, filter: str = "", order_by: tuple[str, ...] = (), **scope: Any
) -> list[int]:
    numbers, token = find_runs(connection, filter=filter, order_by=order_by, secret=b"secret", **scope)
    assert token is None
    return numbers


@pytest.fixture
def runs(add_run: AddRun, connection: sa.Connection) -> sa.Connection:
    """Five runs: 1 to 3 in iris, 4 (a child of 2) and 5 (archived) in wine."""
    c = connection
    add_run(c, experiment="iris", metrics={"rmse": 0.4}, params={"alpha": "0.1"}, tags={"x": "abc"})
    add_run(
        c, experiment="iris", metrics={"rmse": 0.6, "loss": NAN}, params={"alpha": "0.1"}, status="Failed"
    )
    add_run(c, experiment="iris", metrics={"rmse": NAN}, params={"alpha": "0.2"}, tags={"x": "ABC"})
    add_run(c, experiment="wine", metrics={"rmse": INF}, parent=2, status="Queued", ended_at=9, user="ann")
    add_run(c, experiment="wine", metrics={"rmse": 0.1}, archived_at=1, display_name="a%_*[?]z")
    return c


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("", [4, 3, 2, 1]),
        ("metrics.rmse < 0.5 and params.alpha = '0.1'", [1]),
        ("metrics.rmse > 0.5", [4, 2]),
        ("metrics.rmse >= 1e999", [4]),
        ("metrics.rmse != 0.4", [4, 3, 2]),  # NaN differs from every number
        ("metrics.loss != 0", [2]),  # and a run without the metric is not found
        ("metrics.loss = 0", []),
        ("metrics.loss IS NULL", [4, 3, 1]),
        ("metrics.rmse IS NOT NULL", [4, 3, 2, 1]),
        ("NOT metrics.rmse > 0.5", [3, 1]),
        ("NOT (metrics.rmse > 0.5 OR metrics.rmse <= 0.5)", [3]),
        ("params.alpha != '0.1'", [3]),
        ("NOT params.alpha = '0.1'", [4, 3]),
        ("params.alpha IN ('0.1', '0.2')", [3, 2, 1]),
        ("params.alpha NOT IN ('0.1')", [3]),
        ("params.alpha IS NULL", [4]),
        ("params.alpha IS NULL OR metrics.rmse < 0.5", [4, 1]),
        ("tags.x LIKE 'a%'", [1]),
        ("tags.x ILIKE 'a%'", [3, 1]),
        ("tags.x NOT LIKE 'a%'", [3]),
        ("tags.x LIKE '_B_'", [3]),
        ("status = 'FAILED'", [2]),
        ("status != 'Completed'", [4, 2]),
        ("status = 'SCHEDULED'", [4]),
        ("attributes.experiment = 'wine'", [4]),
        ("experiment LIKE 'i%' and user = 'me'", [3, 2, 1]),
        ("parent_id = '00000000000000000000000000000002'", [4]),
        ("parent_run_id IS NULL", [3, 2, 1]),
        ("run_id IN ('00000000000000000000000000000003', 'nonsense')", [3]),
        ("end_time IS NULL", [3, 2, 1]),
        ("end_time > 5", [4]),
        ("NOT end_time > 5", [3, 2, 1]),
        ("start_time > 1002 and start_time <= 1003", [3]),
        ("start_time < -99999999999999999999", []),
    ],
)
def test_filters(runs: sa.Connection, filter: str, expected: list[int]) -> None:
    assert found(runs, filter) == expected


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        (("metrics.rmse",), [1, 2, 4, 3]),
        (("metrics.rmse DESC",), [4, 2, 1, 3]),
        (("metrics.loss",), [4, 3, 2, 1]),
        (("start_time",), [1, 2, 3, 4]),
        (("params.alpha", "metrics.rmse DESC"), [2, 1, 3, 4]),
        (("params.alpha DESC", "start_time"), [3, 1, 2, 4]),
        (("end_time ASC",), [4, 3, 2, 1]),
        (("end_time DESC", "tags.x"), [4, 3, 1, 2]),
        (("experiment DESC", "run_id"), [4, 1, 2, 3]),
        (("parent_id", "status", "user"), [4, 3, 1, 2]),
    ],
)
def test_orderings_put_what_has_no_value_last(
    runs: sa.Connection, order_by: tuple[str, ...], expected: list[int]
) -> None:
    assert found(runs, "", order_by) == expected


def test_scopes(runs: sa.Connection) -> None:
    assert found(runs, experiments=["iris"]) == [3, 2, 1]
    assert found(runs, experiments=["wine", "iris", "none"]) == [4, 3, 2, 1]
    assert found(runs, experiments=[]) == []
    assert found(runs, parent_id=f"{2:032x}") == [4]
    assert found(runs, archived=True) == [5]
    assert found(runs, archived=None) == [5, 4, 3, 2, 1]


def test_like_takes_only_percent_and_underscore_as_special(runs: sa.Connection) -> None:
    for pattern in ("a\\%%", "a*z", "a?_*[?]z", "a%[!]z", "[a]%"):
        assert found(runs, f"run_name LIKE '{pattern}'", archived=True) == []
    for pattern in ("a%_*[?]z", "a__*[?]_", "%[?]%", "%*%"):
        assert found(runs, f"run_name LIKE '{pattern}'", archived=True) == [5]


def test_only_scalars_count_as_metrics(add_run: AddRun, connection: sa.Connection) -> None:
    add_run(connection, metrics={"a": 1.0}, series_kind="list")
    assert found(connection, "metrics.a IS NOT NULL") == []
    assert found(connection, "metrics.a = 1") == []
    assert found(connection, "", ("metrics.a",)) == [1]


HOSTILE = [
    "x' OR '1'='1",
    'x" OR 1=1 --',
    "x`; DROP TABLE runs;--",
    "%s %(a)s :a ? ?1 @a $a",
    "\\' OR 1=1 --",
    "a\nb\r\u2028",
    "é😀\u202e",
    "{a} {0} %%",
    "x" * 4_000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_and_values_mean_themselves(
    add_run: AddRun, connection: sa.Connection, text: str
) -> None:
    add_run(connection, metrics={text: 1.0}, params={text: text}, tags={text: text}, display_name=text)
    add_run(connection, metrics={"a": 1.0}, params={"a": "a"}, tags={"a": "a"})
    key, value = "`" + text.replace("`", "``") + "`", "'" + text.replace("'", "''") + "'"
    filters = (
        f"metrics.{key} = 1",
        f"params.{key} = {value}",
        f"tags.{key} IN ({value}, 'b')",
        f"run_name = {value}",
        f"NOT tags.{key} IS NULL",
        f"params.{key} NOT LIKE 'no%'",
    )
    for wanted in filters:
        assert found(connection, wanted) == [1]
    assert found(connection, f"params.{key} = 'a' or tags.a = {value}") == []
    assert found(connection, "", (f"metrics.{key} DESC",)) == [1, 2]
    assert found(connection, "", (f"params.{key}", f"tags.{key} DESC")) == [1, 2]
    assert found(connection) == [2, 1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"filter": "metrics.a >"},
        {"order_by": ["metrics"]},
        {"order_by": ["metrics.a"] * 1_000},
        {"experiments": ["a'; --"]},
        {"experiments": ["\ud800"]},
        {"experiments": ["a"] * (limits.PAGE_MAX + 1)},
        {"parent_id": "1"},
        {"parent_id": "\ud800" * 32},
        {"limit": 0},
        {"limit": limits.PAGE_MAX + 1},
        {"limit": 10**9},
    ],
)
def test_bad_arguments_are_refused(connection: sa.Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        find_runs(connection, secret=b"secret", **wrong)


def test_the_largest_filter_and_orderings_are_answered(runs: sa.Connection) -> None:
    clauses = [f"tags.t{n} NOT IN ('a') AND metrics.m{n} > 0 AND params.p{n} LIKE 'x%'" for n in range(16)]
    orderings = tuple(f"metrics.m{n}" for n in range(limits.ORDER_BY_MAX))
    assert found(runs, " AND ".join([*clauses, "user != ''", "run_id != ''"]), orderings) == []
    assert found(runs, " OR ".join([f"({clause})" for clause in clauses]), orderings) == []
    assert found(runs, "NOT (" + " OR ".join([f"({clause})" for clause in clauses]) + ")", orderings) == [
        4,
        3,
        2,
        1,
    ]
    listed = ",".join(["'x'"] * 2_000)
    assert found(runs, f"tags.a IN ({listed}) OR tags.x = 'abc'") == [1]
    assert found(runs, "tags.x LIKE '" + "[a%" * 3_000 + "'") == []


def test_a_search_that_takes_too_long_is_given_up_and_the_connection_lives_on(
    add_run: AddRun, connection: sa.Connection
) -> None:
    for _ in range(300):
        add_run(connection, tags={"x": "y"})
    everything = " OR ".join(f"tags.t{n} IS NOT NULL" for n in range(50))
    with pytest.raises(UnavailableError, match="given up"):
        find_runs(connection, filter=everything, secret=b"secret", seconds=0)
    assert found(connection, everything) == []
