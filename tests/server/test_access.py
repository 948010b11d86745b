"""Every route asks who calls and what they may do, before it reads a body (cases F11, G01, G02, G21, H*)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ClassVar

import httpx
import pytest
from jupyter_server.auth import Authorizer
from jupyter_server.serverapp import ServerApp
from tornado.routing import RuleRouter

from jupyter_aml.core.paths import WorkspaceFolder
from jupyter_aml.server.handler import SECURITY_HEADERS, AmlHandler
from jupyter_aml.server.routes import RouteTable
from jupyter_aml.service.gate import SECURITY_HEADERS as SERVICE_HEADERS

OWN_ROUTES = [("GET", "openapi.json"), ("POST", "notebooks/submit")]
Browser = Callable[..., Any]
RawRequest = Callable[[bytes], Awaitable[tuple[int, dict[str, str], bytes]]]


class DenyAll(Authorizer):
    """Nobody may do anything."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return False


class ReadOnly(Authorizer):
    """Everybody may read; what was asked is kept."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        self.asked.append((action, resource))
        return action == "read"


class Broken(Authorizer):
    """An authorizer whose database has gone."""

    async def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        raise RuntimeError("no database")


def example_path(segments: tuple[str, ...]) -> str:
    """A well-formed path for a route."""
    examples = {"{run_id}": "0" * 32, "{digest}": "0" * 64, "{path:path}": "a/b.txt"}
    return "/".join(examples.get(part, "x" if part.startswith("{") else part) for part in segments)


def routes(table: RouteTable) -> list[tuple[str, str]]:
    return [(route.method, example_path(route.segments)) for route in table] + OWN_ROUTES


def assert_refused(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, (response.request.method, response.request.url, response.text)
    error = response.json()["error"]
    assert set(error) == {"code", "message", "detail", "hint"}
    assert error["code"] == code
    for name, value in SECURITY_HEADERS.items():
        assert response.headers[name] == value


def test_every_handler_of_ours_in_the_router_makes_every_check(jp_serverapp: ServerApp) -> None:
    """Case G01: a handler that is added later is found here, and in no list that somebody has to keep."""
    handlers = all_handlers(jp_serverapp.web_app.default_router)
    found = {
        pattern: handler for pattern, handler in handlers if handler.__module__.startswith("jupyter_aml.")
    }
    assert len(found) == 4
    for pattern, handler in found.items():
        assert issubclass(handler, AmlHandler) and handler.needs is not AmlHandler.needs, pattern
        assert handler.prepare is AmlHandler.prepare, pattern


def all_handlers(router: RuleRouter) -> Iterator[tuple[str, type]]:
    """The patterns and handlers of a router and of those in it."""
    for rule in router.rules:
        if isinstance(rule.target, RuleRouter):
            yield from all_handlers(rule.target)
        elif isinstance(rule.target, type):
            yield rule.matcher.regex.pattern, rule.target


def test_the_headers_are_the_service_s_own() -> None:
    assert SECURITY_HEADERS == SERVICE_HEADERS


async def test_no_route_is_open_to_the_anonymous(
    browser: Browser, route_table: RouteTable, folder: WorkspaceFolder
) -> None:
    async with browser(anonymous=True) as http:
        for method, path in routes(route_table):
            for headers in ({}, {"Authorization": "token wrong"}, {"Authorization": "Bearer wrong"}):
                assert_refused(await http.request(method, path, headers=headers), 403, "forbidden")
        for path in ("", "nothing", "events", "../../aml", "workspace/", "workspace%2f", "a%ff"):
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
                assert (await http.request(method, path)).status_code == 403
    assert not folder.lock.exists(), "an anonymous request started the service"


async def test_a_websocket_gets_no_further_than_a_request(raw_request: RawRequest, jp_base_url: str) -> None:
    status, _, _ = await raw_request(
        f"GET {jp_base_url}aml/api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert status == 403


async def test_two_gigabytes_of_an_anonymous_are_not_read(raw_request: RawRequest, jp_base_url: str) -> None:
    status, headers, _ = await raw_request(
        f"PUT {jp_base_url}aml/api/v1/runs/{'0' * 32}/artifacts/x HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Length: {2 << 30}\r\n\r\n".encode()
    )
    assert status == 403
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("authorizer", [DenyAll])
async def test_an_authorizer_that_denies_is_heard_on_every_route(
    browser: Browser, route_table: RouteTable
) -> None:
    async with browser() as http:
        for method, path in routes(route_table):
            assert_refused(await http.request(method, path, json=None), 403, "forbidden")


@pytest.mark.parametrize("authorizer", [Broken])
async def test_an_authorizer_that_fails_allows_nothing(browser: Browser, route_table: RouteTable) -> None:
    async with browser() as http:
        for method, path in routes(route_table):
            assert_refused(await http.request(method, path), 503, "unavailable")


@pytest.mark.parametrize("authorizer", [ReadOnly])
async def test_a_reader_reads_and_does_nothing_else(browser: Browser, route_table: RouteTable) -> None:
    async with browser() as http:
        for route in route_table:
            ReadOnly.asked.clear()
            response = await http.request(route.method, example_path(route.segments), json={})
            assert ReadOnly.asked == [(route.action, route.resource)]
            if route.action == "read":
                assert response.status_code != 403, (route.name, response.text)
            else:
                assert_refused(response, 403, "forbidden")
        ReadOnly.asked.clear()
        assert_refused(await http.post("notebooks/submit", json={"path": "x.ipynb"}), 403, "forbidden")
        assert ReadOnly.asked == [("write", "aml.jobs")]


@pytest.mark.parametrize(
    "alias",
    [
        "aml/api/v1//workspace",
        "aml/api/v1/./workspace",
        "aml/api/v1/x/../workspace",
        "aml/api/v1/workspace/",
        "aml/api/v1/workspace%2f",
        "aml/api/v1/%2e/workspace",
        "aml/api/v1/%77orkspace",
        "aml/api/v1/WORKSPACE",
        "aml/api/v1/workspace;a=b",
        "aml/api%2fv1/workspace",
        "aml/api/v2/workspace",
        "aml//api/v1/workspace",
        "aml/./api/v1/workspace",
        "/aml/api/v1/workspace",
        "AML/api/v1/workspace",
        "aml%2fapi/v1/workspace",
        "x/../aml/api/v1/workspace",
        "aml",
        "aml/",
        "aml/api/v1/",
    ],
)
async def test_no_alias_of_a_route_is_served(
    raw_request: RawRequest, jp_base_url: str, jp_auth_header: dict[str, str], alias: str
) -> None:
    head = f"HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {jp_auth_header['Authorization']}\r\n\r\n"
    status, _, body = await raw_request(f"GET {jp_base_url}{alias} {head}".encode())
    assert status in (400, 404)
    assert b"experiments" not in body


async def test_only_the_request_s_own_method_counts(browser: Browser) -> None:
    async with browser() as http:
        for name in ("X-HTTP-Method-Override", "X-Method-Override"):
            assert (await http.get("workspace", headers={name: "DELETE"})).status_code == 200
        response = await http.head("workspace")
        assert (response.status_code, response.headers["Allow"]) == (405, "GET")
        assert_refused(await http.delete("workspace"), 405, "method_not_allowed")


async def test_a_cookie_alone_changes_nothing(browser: Browser, jp_auth_header: dict[str, str]) -> None:
    token = jp_auth_header["Authorization"].removeprefix("token ")
    async with browser(anonymous=True) as http:
        first = await http.get("workspace", params={"token": token})
        assert first.status_code == 200
        assert http.cookies
        bodies: list[dict[str, Any]] = [
            {"json": {"name": "x"}},
            {"data": {"name": "x"}},
            {"content": b'{"name": "x"}', "headers": {"Content-Type": "text/plain"}},
            {"content": b'{"name": "x"}'},
            {"json": {"name": "x"}, "headers": {"Origin": "https://evil.example"}},
            {"json": {"name": "x"}, "headers": {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "no-cors"}},
        ]
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            for body in bodies:
                response = await http.request(method, "experiments", **body)
                assert response.status_code in (403, 404), (method, body)
        assert (await http.get("experiments")).json()["items"] == []
        cross = await http.get("workspace", headers={"Origin": "https://evil.example"})
        assert cross.status_code == 404
        assert "Access-Control-Allow-Origin" not in cross.headers


async def test_the_page_with_its_xsrf_token_may_write(
    browser: Browser, jp_auth_header: dict[str, str], jp_base_url: str, jp_http_port: int
) -> None:
    token = jp_auth_header["Authorization"].removeprefix("token ")
    async with browser(anonymous=True) as http:
        await http.get("workspace", params={"token": token})
        page = await http.get(f"http://127.0.0.1:{jp_http_port}{jp_base_url}a-page-of-jupyter")
        assert page.headers["Content-Type"] == "text/html"
        created = await http.post(
            "experiments", json={"name": "from-a-page"}, headers={"X-XSRFToken": http.cookies["_xsrf"]}
        )
        assert created.status_code == 201, created.text


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "169.254.169.254", "a b", "0.0.0.0"]
)
async def test_a_rebound_name_is_turned_away(
    raw_request: RawRequest, jp_base_url: str, jp_auth_header: dict[str, str], host: str
) -> None:
    status, _, _ = await raw_request(
        f"GET {jp_base_url}aml/api/v1/workspace HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: {jp_auth_header['Authorization']}\r\n\r\n".encode()
    )
    assert status in (400, 403)
