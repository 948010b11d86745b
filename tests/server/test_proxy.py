"""What goes through the dispatcher, in both directions, and what does not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from tornado.httpserver import HTTPServer

from jupyter_aml.client import Client
from jupyter_aml.core.paths import WorkspaceFolder, check_logical_path
from jupyter_aml.errors import InvalidError, NotFoundError
from jupyter_aml.server.handler import SECURITY_HEADERS
from jupyter_aml.workspace import Workspace

Browser = Callable[..., Any]
RawRequest = Callable[[bytes], Awaitable[tuple[int, dict[str, str], bytes]]]
HOSTILE = json.loads((Path(__file__).parent / "hostile_paths.json").read_text())
MEBIBYTE = 1 << 20


@pytest.fixture
def workspace(aml_home: Path) -> Iterator[Workspace]:
    """The workspace in a user's hands."""
    workspace = Workspace.default()
    yield workspace
    workspace.client.close()


@pytest.fixture
def run(workspace: Workspace) -> Iterator[str]:
    """A running run's id."""
    with workspace.experiments["proxy"].start_run() as run:
        yield run.id


@pytest.fixture
def private_run(workspace: Workspace) -> Iterator[str]:
    """Another running run's id; it has a file ``model.pkl``."""
    with workspace.experiments["private"].start_run() as run:
        workspace.client.call("upload_artifact", run_id=run.id, path="model.pkl", content=b"CANARY")
        yield run.id


async def test_an_operation_answers_as_the_service_does(browser: Browser, client: Client, run: str) -> None:
    async with browser() as http:
        response = await http.get(f"runs/{run}")
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/json"
        assert response.json() == client.call("get_run", run_id=run)
        created = await http.post("experiments", json={"name": "made here"})
        assert created.status_code == 201
        again = await http.post("experiments", json={"name": "made here"})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
        assert (await http.delete("experiments/made%20here")).status_code == 204
        assert (await http.get("experiments/made%20here")).json()["error"]["code"] == "not_found"


async def test_arguments_of_the_query_reach_the_operation(browser: Browser, client: Client, run: str) -> None:
    client.call("upload_artifact", run_id=run, path="a/one.txt", content=b"1")
    client.call("upload_artifact", run_id=run, path="b/two.txt", content=b"2")
    async with browser() as http:
        listed = (await http.get(f"runs/{run}/artifacts", params={"prefix": "b/", "1699999": ""})).json()
        assert [item["path"] for item in listed["items"]] == ["b/two.txt"]


async def test_openapi_tells_what_is_served_here(browser: Browser, jp_base_url: str) -> None:
    async with browser() as http:
        document = (await http.get("openapi.json")).json()
    assert document["servers"] == [{"url": jp_base_url + "aml"}]
    paths = document["paths"]
    assert "/api/v1/events" not in paths
    assert "post" in paths["/api/v1/notebooks/submit"]
    assert {"RunModel", "SubmitNotebook"} <= document["components"]["schemas"].keys()
    for verbs in paths.values():
        assert all(operation["x-aml-action"] and operation["x-aml-resource"] for operation in verbs.values())


async def test_the_event_stream_is_not_fronted(browser: Browser) -> None:
    async with browser() as http:
        response = await http.get("events")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


async def test_neither_side_sees_the_other_s_secrets(
    browser: Browser, folder: WorkspaceFolder, jp_auth_header: dict[str, str], run: str
) -> None:
    token = folder.token.read_text()
    async with browser() as http:
        for path in ("workspace", "openapi.json", "handshake", f"runs/{run}", "runs/%00", "nothing"):
            response = await http.get(path)
            assert token not in response.text + str(response.headers)
            assert str(folder.root) not in response.text
    own = jp_auth_header["Authorization"].removeprefix("token ")
    assert own not in folder.service_log.read_text()


async def test_a_file_comes_as_an_attachment_no_browser_runs(
    browser: Browser, client: Client, run: str
) -> None:
    names = [
        "page.html",
        "image.svg",
        "data.json",
        "doc.pdf",
        'quo"ted.html',
        "naïve.xhtml",
        "x" * 200 + ".mht",
    ]
    content = b"<script>alert(1)</script>"
    for name in names:
        client.call("upload_artifact", run_id=run, path=name, content=content)
    async with browser() as http:
        for name in names:
            response = await http.get(f"runs/{run}/artifacts/{quote(name)}")
            assert (response.status_code, response.content) == (200, content)
            assert response.headers["Content-Disposition"].startswith("attachment")
            assert response.headers["Content-Type"] in ("application/octet-stream", "application/json")
            for header, value in SECURITY_HEADERS.items():
                assert response.headers[header] == value


async def test_a_range_is_served(browser: Browser, client: Client, run: str) -> None:
    client.call("upload_artifact", run_id=run, path="digits.bin", content=b"0123456789")
    async with browser() as http:
        response = await http.get(f"runs/{run}/artifacts/digits.bin", headers={"Range": "bytes=2-4"})
        assert (response.status_code, response.content) == (206, b"234")
        assert response.headers["Content-Range"] == "bytes 2-4/10"


async def test_a_wrong_checksum_is_refused(browser: Browser, run: str) -> None:
    headers = {"X-AML-SHA256": hashlib.sha256(b"other").hexdigest()}
    async with browser() as http:
        response = await http.put(f"runs/{run}/artifacts/x.bin", content=b"bytes", headers=headers)
        assert 400 <= response.status_code < 500, response.text
        assert (await http.get(f"runs/{run}/artifacts/x.bin")).status_code == 404


async def test_compressed_bodies_are_refused(browser: Browser) -> None:
    async with browser() as http:
        response = await http.post("experiments", content=b"x", headers={"Content-Encoding": "gzip"})
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid")


async def test_fifty_megabytes_go_through_in_pieces(
    browser: Browser, http_server: HTTPServer, aml_app: object, run: str
) -> None:
    http_server.conn_params.max_body_size = MEBIBYTE  # what holds for other handlers must not bind ours
    piece, count = bytes(range(256)) * 4096, 50
    expected = hashlib.sha256(piece * count).hexdigest()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield piece

    async with browser() as http:
        await http.get("workspace")
        tracemalloc.start()
        try:
            stored = await http.put(f"runs/{run}/artifacts/big.bin", content=pieces())
            assert (stored.status_code, stored.json()["digest"]) == (201, expected)
            received = hashlib.sha256()
            async with http.stream("GET", f"runs/{run}/artifacts/big.bin") as response:
                assert int(response.headers["Content-Length"]) == count * MEBIBYTE
                async for chunk in response.aiter_raw():
                    received.update(chunk)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert received.hexdigest() == expected
    assert peak < 12 * MEBIBYTE


async def test_an_upload_that_breaks_off_leaves_no_file(
    browser: Browser,
    run: str,
    folder: WorkspaceFolder,
    jp_http_port: int,
    jp_base_url: str,
    jp_auth_header: dict[str, str],
) -> None:
    async with browser() as http:
        await http.get("workspace")
    for length in ("Content-Length: 1000000", "Transfer-Encoding: chunked"):
        _, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
        head = (
            f"PUT {jp_base_url}aml/api/v1/runs/{run}/artifacts/part.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: {jp_auth_header['Authorization']}\r\n{length}\r\n\r\n"
        )
        writer.write(head.encode() + b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()
        await wait_until(lambda: any(folder.blobs.glob(".tmp-*")))  # the service has begun to store it
        writer.close()
        await writer.wait_closed()
        await wait_until(lambda: not any(folder.blobs.glob(".tmp-*")))  # it has seen the end of it
    async with browser() as http:
        assert (await http.get(f"runs/{run}/artifacts/part.bin")).status_code == 404
        assert (await http.get("workspace")).status_code == 200


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def test_a_refused_upload_still_gets_its_answer(browser: Browser) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield bytes(MEBIBYTE)

    async with browser() as http:
        response = await http.put(f"runs/{'0' * 32}/artifacts/x.bin", content=pieces())
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


async def test_a_reader_who_leaves_early_costs_nothing(browser: Browser, run: str) -> None:
    async with browser() as http:
        await http.put(f"runs/{run}/artifacts/big.bin", content=bytes(20 * MEBIBYTE))
        for _ in range(5):
            async with http.stream("GET", f"runs/{run}/artifacts/big.bin") as response:
                async for _chunk in response.aiter_raw(1000):
                    break
        assert (await http.get("workspace")).status_code == 200


def well_formed(path: str) -> bool:
    try:
        check_logical_path(path)
    except InvalidError:
        return False
    return True


async def test_hostile_paths_are_refused_in_one_voice(
    raw_request: RawRequest,
    client: Client,
    run: str,
    private_run: str,
    folder: WorkspaceFolder,
    jp_base_url: str,
    jp_auth_header: dict[str, str],
) -> None:
    """Security case A01, as path segments: sent as they are, and percent-encoded."""
    head = f"HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {jp_auth_header['Authorization']}\r\n"
    refusals = set()
    before = client.call("list_artifacts", run_id=private_run)
    for template in HOSTILE:
        payload = template.replace("{S}", str(folder.root)).replace("{R2}", private_run)
        forms = [quote(payload, safe="").encode()]
        if all(0x21 <= byte != 0x7F for byte in payload.encode()):
            forms.append(payload.encode())
        for form in forms:
            for method, extra in (("GET", b""), ("PUT", b"Content-Length: 1\r\n")):
                line = f"{method} {jp_base_url}aml/api/v1/runs/{run}/artifacts/".encode() + form
                status, headers, body = await raw_request(
                    line + b" " + head.encode() + extra + b"\r\n" + (b"x" if extra else b"")
                )
                assert headers["x-content-type-options"] == "nosniff"
                assert b"CANARY" not in body
                assert b"root:" not in body
                if status in (200, 201):
                    assert well_formed(unquote(form.partition(b"?")[0].decode())), form
                else:
                    assert status in (400, 404, 405), (form, status, body)
                    assert headers["content-type"] == "application/json"
                if status == 400:
                    refusals.add(body)
    assert len(refusals) == 1
    stored = {item["path"] for item in client.call("list_artifacts", run_id=run)["items"]}
    assert all(well_formed(path) for path in stored)
    assert client.call("list_artifacts", run_id=private_run) == before


async def test_hostile_paths_in_a_query_find_nothing(browser: Browser, run: str) -> None:
    async with browser() as http:
        for payload in filter(None, HOSTILE):
            log = await http.get(f"runs/{run}/log", params={"stream": payload})
            if log.status_code == 200:
                assert log.json()["text"] == ""
            else:
                assert log.status_code in (400, 404), log.text
            listed = await http.get(f"runs/{run}/artifacts", params={"prefix": payload})
            assert listed.status_code == 400 or listed.json()["items"] == []


async def test_unknown_routes_are_json_that_echoes_nothing(browser: Browser, jp_base_url: str) -> None:
    async with browser() as http:
        response = await http.get("<script>alert(1)</script>", headers={"Accept": "text/html"})
        assert response.status_code in (400, 404)
        assert response.headers["Content-Type"] == "application/json"
        assert "script" not in response.text


def test_the_client_meets_the_same_names(client: Client, run: str) -> None:
    with pytest.raises(NotFoundError):
        client.call("download_artifact", run_id=run, path="absent.txt")
