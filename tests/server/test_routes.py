"""One decode, one grammar, one spelling sent on: the dispatcher's table, without any process."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.errors import AmlError, InvalidError, NotFoundError
from jupyter_aml.server.routes import NOT_FRONTED, Route, RouteTable, WrongMethodError
from jupyter_aml.service.process import all_operations

RUN = "0" * 32
HOSTILE = json.loads((Path(__file__).parent / "hostile_paths.json").read_text())
TRICKS = st.sampled_from(
    "/ // . .. %2e %2E %2f %5c %00 %25 %252e ; ? # \\ ~ % %zz %c0%ae a A é %C3%A9 runs x.txt".split()
)


def find(table: RouteTable, path: str, query: str = "") -> tuple[Route, str] | AmlError:
    """The route and target of a GET, or how it is refused."""
    try:
        return table.find("GET", path, query)
    except AmlError as error:
        return error


def test_every_operation_but_the_events_is_a_route_with_its_own_rule(route_table: RouteTable) -> None:
    rules = {route.name: (route.action, route.resource) for route in route_table}
    expected = {
        operation.name: (operation.rule.action, operation.rule.resource) for operation in all_operations()
    }
    assert expected.keys() - rules.keys() == NOT_FRONTED
    assert rules == {name: rule for name, rule in expected.items() if name in rules}


def test_an_operation_without_a_rule_is_no_route() -> None:
    found = {"method": "GET", "path": "/bare", "query": []}
    table = RouteTable(
        {"bare": found, "unknown": found}, {"paths": {"/bare": {"get": {"operationId": "bare"}}}}
    )
    assert list(table) == []


def test_the_first_of_two_fitting_routes_wins_as_in_the_service(route_table: RouteTable) -> None:
    search, _ = route_table.find("POST", "runs/search", "")
    assert search.name == "search_runs"
    by_name, _ = route_table.find("GET", "runs/search", "")
    assert by_name.name == "get_run"


def test_a_path_is_written_anew_and_only_known_arguments_pass(route_table: RouteTable) -> None:
    _, target = route_table.find("GET", f"runs/{RUN}/artifacts/a%20b/%C3%A9;+.txt", "token=secret&1699=")
    assert target == f"/api/v1/runs/{RUN}/artifacts/a%20b/%C3%A9%3B%2B.txt"
    _, target = route_table.find("GET", f"runs/{RUN}/log", "stream=user_logs%2Fstd_log.txt&offset=-5&_xsrf=2")
    assert target == f"/api/v1/runs/{RUN}/log?stream=user_logs%2Fstd_log.txt&offset=-5"


def test_the_longest_artifact_path_the_service_takes_passes(route_table: RouteTable) -> None:
    path = "/".join(["d" * 14] * 64)
    check_logical_path(path)
    _, target = route_table.find("GET", f"runs/{RUN}/artifacts/{path}", "")
    assert target.endswith(path)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "TRACE"])
def test_a_wrong_method_is_told_the_right_ones(route_table: RouteTable, method: str) -> None:
    with pytest.raises(WrongMethodError) as refused:
        route_table.find(method, "workspace", "")
    assert list(refused.value.methods) == ["GET"]


@pytest.mark.parametrize(
    "path",
    ["events", "openapi.json", "Workspace", "%77orkspace", "workspace;x", "api/v1/workspace", "nothing"],
)
def test_another_spelling_is_another_route(route_table: RouteTable, path: str) -> None:
    with pytest.raises(NotFoundError):
        route_table.find("GET", path, "")


@pytest.mark.parametrize("form", [str, lambda text: quote(text, safe="")], ids=["raw", "encoded"])
@pytest.mark.parametrize("payload", HOSTILE)
def test_a_hostile_path_is_refused_or_sent_on_as_it_is(
    route_table: RouteTable, payload: str, form: type
) -> None:
    sent = form(payload).partition("?")[0]
    found = find(route_table, f"runs/{RUN}/artifacts/{sent}")
    if isinstance(found, AmlError):
        assert found.headline in ("The path of this request is not valid.", "There is no such route.")
        return
    _, target = found
    tail = target.removeprefix(f"/api/v1/runs/{RUN}/artifacts/")
    assert unquote(tail) == unquote(sent)
    check_logical_path(unquote(tail))


@given(st.lists(TRICKS | st.text(max_size=3), max_size=12).map("".join), st.text(max_size=20))
def test_what_is_sent_on_is_canonical(route_table: RouteTable, tail: str, query: str) -> None:
    found = find(route_table, f"runs/{RUN}/artifacts/{tail}", query)
    if isinstance(found, AmlError):
        assert found.http_status in (400, 404, 405)
        return
    route, target = found
    path, _, arguments = target.partition("?")
    assert route_table.find("GET", path.removeprefix("/api/v1/"), arguments) == (route, target)
    assert target.isascii()
    assert not any(trick in path.upper() for trick in ("%2F", "%2E", "%5C", "%00", "\\", ";"))
    assert not {"", ".", ".."} & set(path.split("/")[1:])


@given(st.text(max_size=200))
def test_any_query_is_taken_or_refused(route_table: RouteTable, query: str) -> None:
    found = find(route_table, f"runs/{RUN}/log", query)
    if isinstance(found, AmlError):
        assert isinstance(found, InvalidError)
        return
    _, target = found
    assert target.isascii()
    assert "token" not in target
