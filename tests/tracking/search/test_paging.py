"""Pages: each run once whatever is added meanwhile, and tokens that nobody can make up."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking.search import find_runs
from jupyter_aml.tracking.tables import params

SECRET = b"secret"
NAN, INF = float("nan"), float("inf")
AddRun = Callable[..., int]
ORDERS: tuple[list[str], ...] = (
    [], ["metrics.a"], ["metrics.a DESC"], ["params.p", "metrics.a"], ["params.p DESC"], ["tags.none"],
    ["start_time"], ["end_time DESC", "params.p"], ["metrics.b", "metrics.a DESC", "run_id"],
)  # fmt: skip


@pytest.fixture
def many(add_run: AddRun, connection: sa.Connection) -> sa.Connection:
    """40 runs full of ties, NaN, infinities and missing values."""
    for n in range(40):
        metrics = {"a": [0.5, NAN, 1.0, INF, -INF, 0.5, -0.0][n % 7]} if n % 5 else {}
        run_params = {"p": "xyz"[n % 3] * (n % 4)} if n % 6 else {}
        columns = {"created_at": 100 - n // 3, "ended_at": n % 2 or None}
        add_run(connection, metrics=metrics, params=run_params, **columns)
    return connection


def pages(connection: sa.Connection, limit: int, between: Any = None, **search: Any) -> list[int]:
    seen: list[int] = []
    token = None
    while True:
        numbers, token = find_runs(connection, limit=limit, page_token=token, secret=SECRET, **search)
        assert len(numbers) == limit or token is None
        seen += numbers
        if token is None:
            return seen
        if between:
            between()


@pytest.mark.parametrize("order_by", ORDERS)
@pytest.mark.parametrize("few", [0, 2_000])
def test_pages_show_every_run_once_in_the_order_of_one_long_page(
    many: sa.Connection, monkeypatch: pytest.MonkeyPatch, order_by: list[str], few: int
) -> None:
    monkeypatch.setattr("jupyter_aml.tracking.search._FEW", few)  # read along the order, or sort
    for wanted in ("", "status = 'Completed'"):
        whole, token = find_runs(many, filter=wanted, order_by=order_by, secret=SECRET)
        assert token is None
        assert sorted(whole) == list(range(1, 41))
        for limit in (1, 3, 7, 39, 40):
            assert pages(many, limit, filter=wanted, order_by=order_by) == whole


@pytest.mark.parametrize("order_by", ORDERS)
def test_runs_added_between_pages_repeat_and_hide_nothing(
    add_run: AddRun, many: sa.Connection, order_by: list[str]
) -> None:
    def add() -> None:
        for value, text in ((0.5, "x"), (-INF, ""), (NAN, "zzz")):
            add_run(many, metrics={"a": value}, params={"p": text}, created_at=90)

    seen = pages(many, 7, add, order_by=order_by)
    assert len(seen) == len(set(seen))
    assert set(range(1, 41)) <= set(seen)


def test_the_run_a_page_ended_with_may_go(many: sa.Connection) -> None:
    first, token = find_runs(many, order_by=["params.p"], limit=10, secret=SECRET)
    many.execute(sa.delete(params).where(params.c.run == first[-1]))
    rest, _ = find_runs(many, order_by=["params.p"], limit=100, page_token=token, secret=SECRET)
    assert set(first[:-1]).isdisjoint(rest)
    assert set(first) | set(rest) == set(range(1, 41))


def test_a_page_may_have_another_size(many: sa.Connection) -> None:
    first, token = find_runs(many, limit=10, secret=SECRET)
    rest, token = find_runs(many, limit=100, page_token=token, secret=SECRET)
    assert first + rest == list(range(40, 0, -1))
    assert token is None


def test_no_token_where_nothing_follows(many: sa.Connection) -> None:
    assert find_runs(many, limit=40, secret=SECRET)[1] is None
    assert find_runs(many, limit=39, secret=SECRET)[1] is not None


SEARCH: dict[str, Any] = {"filter": "metrics.a > 0", "order_by": ["metrics.a"], "experiments": ["default"]}


@pytest.mark.parametrize(
    "other",
    [
        {"filter": "metrics.a > -9"},
        {"order_by": ["metrics.a DESC"]},
        {"order_by": []},
        {"experiments": None},
        {"experiments": ["default", "other"]},
        {"parent_id": "0" * 32},
        {"archived": None},
        {"archived": True},
        {"secret": b"another"},
    ],
)
def test_a_token_serves_only_the_search_it_came_from(many: sa.Connection, other: dict[str, Any]) -> None:
    _, token = find_runs(many, **SEARCH, limit=3, secret=SECRET)
    assert find_runs(many, **SEARCH, limit=3, page_token=token, secret=SECRET)[0]
    with pytest.raises(InvalidError, match="page token"):
        find_runs(many, **({**SEARCH, "secret": SECRET} | other), page_token=token)


def test_an_edited_token_is_refused(many: sa.Connection) -> None:
    _, token = find_runs(many, **SEARCH, limit=3, secret=SECRET)
    assert token
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    body = raw[16:]
    edited = [
        base64.urlsafe_b64encode(raw[:16] + changed).decode().rstrip("=")
        for changed in (
            b"[0.5,1]",
            b"[]",
            b"",
            b"{}",
            b"[1e999,5]",
            b"[" * 100_000,
            body + b" ",
            body[:-1] + b"0]",
        )
    ]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    edited += [
        token[:i] + alphabet[(alphabet.index(c) + 1) % 64] + token[i + 1 :] for i, c in enumerate(token)
    ]
    garbage = [
        "",
        "0",
        "100",
        "abc",
        "é",
        "\ud800",
        "=",
        token + "=",
        token + "A",
        " " + token,
        token[:-1],
        "A" * 10**6,
    ]
    garbage += ["eyJvZmZzZXQiOiA1fQ==", "../../etc/passwd", "' OR 1=1 --", "\0"]
    for wrong in edited + garbage:
        with pytest.raises(InvalidError, match="page token"):
            find_runs(many, **SEARCH, limit=3, page_token=wrong, secret=SECRET)
