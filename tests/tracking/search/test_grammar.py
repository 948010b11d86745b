"""What the filter language takes, what it refuses, and what it says then."""

from __future__ import annotations

import sys

import pytest

from jupyter_aml import limits
from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking.search.fields import Field
from jupyter_aml.tracking.search.grammar import (
    AllOf,
    AnyOf,
    Comparison,
    Not,
    Ordering,
    parse_filter,
    parse_orderings,
)

RMSE = Field("metric", "rmse")
STATUS = Field("attribute", "status")
SCHEDULED = ("NotStarted", "Queued", "Preparing", "Starting")
LESS = Comparison(RMSE, "<", 0.5)
SAME = Comparison(Field("param", "alpha"), "=", "0.1")


def test_empty_filter_asks_for_everything() -> None:
    assert parse_filter("") is None
    assert parse_filter(" \n\t ") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.rmse < 0.5", LESS),
        ("metric.rmse<.5", LESS),
        ("  METRICS.rmse  <  5e-1  ", LESS),
        ("metrics.`rmse` < +0.5", LESS),
        ('metrics."rmse"<0.5', LESS),
        ("metrics.a >= -3", Comparison(Field("metric", "a"), ">=", -3)),
        ("metrics.a = 1e999", Comparison(Field("metric", "a"), "=", float("inf"))),
        ("metrics.a != " + "9" * 5000, Comparison(Field("metric", "a"), "!=", float("inf"))),
        ("metrics.`val loss` > 1.5E+2", Comparison(Field("metric", "val loss"), ">", 150.0)),
        ("metrics.val/loss.x-1:2 > 0", Comparison(Field("metric", "val/loss.x-1:2"), ">", 0)),
        ("metrics.`a``b` > 0", Comparison(Field("metric", "a`b"), ">", 0)),
        ("metrics.größe > 0", Comparison(Field("metric", "größe"), ">", 0)),
        ("params.alpha = '0.1'", SAME),
        ('parameter.alpha="0.1"', SAME),
        ("tags.a = 'it''s'", Comparison(Field("tag", "a"), "=", "it's")),
        ('tags.a != """"', Comparison(Field("tag", "a"), "!=", '"')),
        (r"tags.a = '\'", Comparison(Field("tag", "a"), "=", "\\")),
        ("tags.a = ''", Comparison(Field("tag", "a"), "=", "")),
        ("tags.mlflow.source.name LIKE '%x'", Comparison(Field("tag", "mlflow.source.name"), "LIKE", "%x")),
        ("tags.a not ilike 'x_'", Comparison(Field("tag", "a"), "NOT ILIKE", "x_")),
        ("params.a IN ('1',\"2\")", Comparison(Field("param", "a"), "IN", ("1", "2"))),
        ("params.a Not In('1')", Comparison(Field("param", "a"), "NOT IN", ("1",))),
        ("metrics.a is null", Comparison(Field("metric", "a"), "IS NULL", None)),
        ("end_time IS NOT NULL", Comparison(Field("attribute", "ended_at"), "IS NOT NULL", None)),
        ("run_id = 'ab'", Comparison(Field("attribute", "id"), "=", "ab")),
        ("attributes.run_name = 'x'", Comparison(Field("attribute", "display_name"), "=", "x")),
        ("attr.`Run Name` = 'x'", Comparison(Field("attribute", "display_name"), "=", "x")),
        ("Created > 1700000000000", Comparison(Field("attribute", "created_at"), ">", 1_700_000_000_000)),
        ("start_time > 99999999999999999999", Comparison(Field("attribute", "created_at"), ">", 1e20)),
        ("status = 'completed'", Comparison(STATUS, "IN", ("Completed",))),
        ("attributes.status = 'FINISHED'", Comparison(STATUS, "IN", ("Completed",))),
        ("status != 'KILLED'", Comparison(STATUS, "NOT IN", ("Canceled",))),
        ("status = 'RUNNING'", Comparison(STATUS, "IN", ("Running", "Finalizing", "CancelRequested"))),
        ("status = 'Running'", Comparison(STATUS, "IN", ("Running",))),
        ("status IN ('SCHEDULED', 'Failed')", Comparison(STATUS, "IN", (*SCHEDULED, "Failed"))),
        ("status LIKE 'Cancel%'", Comparison(STATUS, "LIKE", "Cancel%")),
    ],
)
def test_comparisons(text: str, expected: Comparison) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.rmse < 0.5 and params.alpha = '0.1'", AllOf((LESS, SAME))),
        ("metrics.rmse < 0.5 AND params.alpha = '0.1'and metrics.rmse < 0.5", AllOf((LESS, SAME, LESS))),
        (
            "metrics.rmse < 0.5 or params.alpha = '0.1' AND metrics.rmse < 0.5",
            AnyOf((LESS, AllOf((SAME, LESS)))),
        ),
        (
            "(metrics.rmse < 0.5 or params.alpha = '0.1') AND metrics.rmse < 0.5",
            AllOf((AnyOf((LESS, SAME)), LESS)),
        ),
        ("NOT metrics.rmse < 0.5 AND params.alpha = '0.1'", AllOf((Not(LESS), SAME))),
        ("not not (metrics.rmse < 0.5)", Not(Not(LESS))),
    ],
)
def test_and_or_not(text: str, expected: object) -> None:
    assert parse_filter(text) == expected


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("1=1", 1, "expected a field"),
        ("' OR '1'='1", 1, "expected a field"),
        ("params.`a` = 'x'; DROP TABLE run;--", 17, "';' has no meaning"),
        ("__import__('os').system('touch x')", 1, "expected a field"),
        ("().__class__.__base__.__subclasses__()", 2, "expected a field"),
        ("tags.a RLIKE '(a+)+$'", 8, "one of = != LIKE ILIKE IN"),
        ("metrics.a = NaN", 13, "expected a number, found 'NaN'"),
        ('{"$where":"1"}', 1, "'{' has no meaning"),
        ("metrics.a = 0x10", 13, "this is no number"),
        ("metrics.a = 1.2.3", 13, "this is no number"),
        ("metrics.rmse < '0.5'", 16, "Write numbers without quotes"),
        ("params.alpha = 0.1", 16, "write '0.1'"),
        ("params.alpha = abc", 16, "write 'abc'"),
        ("params.alpha > '0.1'", 14, "A param is text, not a number"),
        ("metrics.a == 1", 11, "Write = instead"),
        ("metrics.a <> 1", 11, "Write != instead"),
        ("metrics.a > 1 && metrics.b < 2", 15, "Write AND instead"),
        ("metrics.a LIKE 'x'", 11, "one of = != < <= > >="),
        ("start_time > '2026-07-01'", 14, "milliseconds since 1970"),
        ("statsu = 'x'", 1, "Did you mean 'status'?"),
        ("rmse < 1", 1, "as in metrics.rmse"),
        ("parms.a = 'x'", 1, "Did you mean 'params'?"),
        ("datasets.name = 'x'", 1, "metrics, params, tags or attributes"),
        ("status = 'Complete'", 10, "Did you mean 'Completed'?"),
        ("metrics.val loss < 1", 13, "in back quotes"),
        ("metrics. a = 1", 10, "a name after the dot"),
        ("tags.'a' = 'x'", 6, "a name after the dot"),
        ("tags.`` = 'x'", 6, "a name after the dot"),
        ("tags.a = 'it's'", 14, "is written twice"),
        ("tags.a = 'it", 10, "no closing '"),
        ("tags.`a = 'x'", 6, "no closing `"),
        ("tags.a IN 'x'", 11, "IN ('a', 'b')"),
        ("tags.a IN ()", 12, "a text in quotes"),
        ("tags.a IN ('x',)", 16, "a text in quotes"),
        ("tags.a IN ('x' 'y')", 16, "',' or ')'"),
        ("tags.a NOT = 'x'", 12, "LIKE, ILIKE or IN after NOT"),
        ("tags.a IS 1", 11, "expected NULL"),
        ("metrics.a < ", 13, "found the end"),
        ("(metrics.a > 1", 15, "AND, OR or ')'"),
        ("metrics.a > 1)", 14, "AND, OR or the end"),
        ("metrics.a > 1 metrics.b > 2", 15, "AND, OR or the end"),
        ("AND", 1, "expected a field"),
        ("(" * 5000, 51, "at most 50 levels"),
        ("not " * 2000, 201, "at most 50 levels"),
        ("metrics.a>0 AND " * 51, 801, "at most 50 comparisons"),
    ],
)
def test_refusals_name_the_place_and_what_was_expected(text: str, position: int, says: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_filter(text)
    error = caught.value
    assert f"at position {position}:" in error.headline
    assert says in str(error)
    line, caret = str(error.detail).split("\n")
    if position <= 36:
        assert caret.index("^") == position - 1
    assert position > len(text) or line[caret.index("^")] == text[position - 1]


def test_the_caret_of_a_late_error_points_into_the_text_around_it() -> None:
    with pytest.raises(InvalidError) as caught:
        parse_filter("metrics.a > 1 AND\n" * 20 + "metrics.b >> 1")
    line, caret = str(caught.value.detail).split("\n")
    assert line[caret.index("^") :].startswith(">> 1")
    assert "metrics.b" in line


@pytest.mark.parametrize(
    "text", ["x" * 10_001, "metrics.a>0 AND " * 5000, "tags.a = '\0'", "tags.a = '\ud800'"]
)
def test_what_cannot_be_a_filter_at_all(text: str) -> None:
    with pytest.raises(InvalidError, match="filter"):
        parse_filter(text)


def test_orderings() -> None:
    assert parse_orderings(["metrics.rmse ASC", "start_time DESC", "tags.`a b`"]) == [
        Ordering(RMSE, descending=False),
        Ordering(Field("attribute", "created_at"), descending=True),
        Ordering(Field("tag", "a b"), descending=False),
    ]


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        ([""], "ordering cannot be read at position 1"),
        (["rmse"], "as in metrics.rmse"),
        (["metrics.a up"], "expected ASC, DESC or the end, found 'up'"),
        (["metrics.a, metrics.b"], "position 10"),
        (["metrics.a ASC; DROP TABLE runs"], "position 14"),
        (["metrics.a", "metric.a DESC"], "twice"),
        ([f"metrics.a{n}" for n in range(limits.ORDER_BY_MAX + 1)], "at most 10"),
        (["metrics." + "a" * limits.FILTER_LENGTH], "at most 10,000"),
    ],
)
def test_refused_orderings(texts: list[str], says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        parse_orderings(texts)


@pytest.mark.parametrize(
    "unit",
    ["metrics.a > 1 AND ", "tags.a = '''", "'", "(", "not ", "1", "a.", "-", "<", "tags.a IN ('x','y',"],
)
def test_reading_takes_steps_in_proportion_to_the_length(unit: str) -> None:
    def steps(length: int) -> int:
        count = 0

        def profile(*_event: object) -> None:
            nonlocal count
            count += 1

        text = (unit * length)[:length]
        sys.setprofile(profile)
        try:
            parse_filter(text)
        except InvalidError:
            pass
        finally:
            sys.setprofile(None)
        return count

    assert steps(8_000) <= 10 * steps(1_000) + 1_000


def test_long_lists_and_texts_are_read_in_proportion_to_the_length() -> None:
    listed = ",".join(["'x'"] * 2_000)
    assert parse_filter(f"tags.a IN ({listed})") == Comparison(Field("tag", "a"), "IN", ("x",) * 2_000)
    assert parse_filter("tags.a = '" + "''" * 4_000 + "'") == Comparison(Field("tag", "a"), "=", "'" * 4_000)
