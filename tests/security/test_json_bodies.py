"""Bodies that are no JSON, or JSON that Python alone would take: refused with a reason, on every route (cases M, E02)."""

from __future__ import annotations

import gzip
import http.client
import json
from typing import Any

import httpx
import pytest

from jupyter_aml import limits
from jupyter_aml.service.process import all_operations
from jupyter_aml.tracking.run import Run
from tests.security.conftest import ABSENT_RUN, API, Service, payloads, read_answer

JSON_ROUTES = [
    (operation.method, operation.path.replace("{run_id}", ABSENT_RUN).replace("{name}", "nothing"))
    for operation in all_operations()
    if operation.method in ("POST", "PATCH")
    and operation.name not in ("stop_service", "warm_up", "open_mlflow")
]


def raw_bodies() -> list[bytes]:
    """The bodies of the payloads, as bytes."""
    found = []
    for text in payloads("json_raw"):
        if text.startswith("LATIN1:"):
            found.append(text.removeprefix("LATIN1:").encode("latin-1"))
        elif text.startswith("UTF16:"):
            found.append(text.removeprefix("UTF16:").encode("utf-16"))
        else:
            found.append(text.encode())
    deep = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
    return [
        *found,
        deep,
        b'{"a": "\\ud800"}',
        b'{"\\ud800": 1}',
        b"\xff",
        b"{'a': 1}",
        b'{"a": 01}',
        b"[1,]",
        b"\0",
    ]


def number_tokens() -> list[str]:
    """The numbers of the payloads, and what is none, as JSON."""
    found = []
    for value in payloads("numbers"):
        raw = isinstance(value, str) and value.startswith("RAW:")
        found.append(value.removeprefix("RAW:") if raw else json.dumps(value))
    return [*found, "1e308", "-1e999", "9" * 400, "0.1e-400", "2e19", "-0", "null", "NaN"]


FIELDS = sorted(
    {
        "name",
        "limit",
        "order_by",
        "experiments",
        "page_token",
        "parent_id",
        "tags",
        "status",
        "error",
        "key",
        "archived",
    }
    | {
        "job",
        "files",
        "digests",
        "notebook",
        "parameters",
        "display_name",
        "description",
        "source",
        "kind",
        "filter",
    }
)


@pytest.mark.parametrize("route", JSON_ROUTES, ids=[" ".join(route) for route in JSON_ROUTES])
@pytest.mark.usefixtures("unchanged")
def test_what_is_no_json_object_is_refused(owner: httpx.Client, route: tuple[str, str]) -> None:
    method, path = route
    takes_nothing = path.endswith("/cancel")  # a body nobody reads
    for body in raw_bodies():
        answer = owner.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500, body[:40]
        assert takes_nothing or answer.status_code in (400, 404, 413, 422), body[:40]


@pytest.mark.parametrize("route", JSON_ROUTES, ids=[" ".join(route) for route in JSON_ROUTES])
@pytest.mark.usefixtures("unchanged")
def test_a_number_in_any_field_is_taken_as_one_or_refused(
    owner: httpx.Client, route: tuple[str, str]
) -> None:
    method, path = route
    if path == "/experiments":
        path = path + "/nothing"
    for token in number_tokens():
        body = "{" + ", ".join(f'"{field}": {token}' for field in FIELDS) + "}"
        answer = owner.request(
            method, path, content=body.encode(), headers={"Content-Type": "application/json"}
        )
        assert 400 <= answer.status_code < 500, token


@pytest.mark.parametrize("token", number_tokens())
def test_a_number_as_a_limit(owner: httpx.Client, run: Run, token: str) -> None:
    header = {"Content-Type": "application/json"}
    for field in ("limit", "parent_id", "page_token", "archived", "filter"):
        body = f'{{"{field}": {token}}}'.encode()
        assert owner.post("/runs/search", content=body, headers=header).status_code in (200, 400, 422)
    for name in ("limit", "offset", "max_points", "page_token"):
        for path in ("/experiments", f"/runs/{run.id}/log", f"/runs/{run.id}/artifacts"):
            assert owner.get(path, params={name: token.strip('"')}).status_code in (200, 400, 422)
        history = owner.get(f"/runs/{run.id}/metrics/history", params={"name": "x", name: token.strip('"')})
        assert history.status_code in (404, 422)


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.bentoml+pickle", "application/octet-stream", "application/x-python-pickle", "text/plain",
        "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/xml", "application/yaml",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("unchanged")
def test_only_json_is_read_as_json(owner: httpx.Client, kind: str) -> None:
    pickled = b"cos\nsystem\n(S'touch pwn'\ntR."
    headers = {"Content-Type": kind, "Payload-Container": "NdarrayContainer", "Buffer-Lengths": "1,2"}
    for method, path in JSON_ROUTES:
        for body in (pickled, b'{"name": "x", "experiment": "x", "tags": {}, "archived": true}'):
            if not path.endswith("/cancel"):
                answer = owner.request(method, path, content=body, headers=headers)
                assert answer.status_code in (400, 404, 415, 422), (path, answer.text)
                assert answer.status_code != 404 or "nothing" in path or ABSENT_RUN in path


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "deflate", "gzip, gzip", "identity, gzip"])
@pytest.mark.usefixtures("unchanged")
def test_no_compressed_body_is_taken(owner: httpx.Client, encoding: str) -> None:
    body, headers = gzip.compress(b'{"name": "x"}'), {"Content-Encoding": encoding}
    assert owner.post("/experiments", content=body, headers=headers).status_code == 400


def chunked(service: Service, size: int, path: str = "/experiments") -> Any:
    """Send ``size`` bytes in chunks, with no length announced; the answer, and how much went out."""
    head = f"POST {API}{path} HTTP/1.1\r\nHost: aml\r\nAuthorization: Bearer {service.token}\r\n"
    piece = b" " * 65536
    sent = 0
    with service.connect() as connection:
        connection.sendall(
            (head + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
        )
        try:
            while sent < size:
                connection.sendall(b"10000\r\n" + piece + b"\r\n")
                sent += len(piece)
            connection.sendall(b"0\r\n\r\n")
        except OSError:  # it has answered and hung up
            pass
        return read_answer(connection), sent


@pytest.mark.usefixtures("unchanged")
def test_a_body_without_a_length_is_bounded_while_it_comes(service: Service) -> None:
    answer, _ = chunked(service, limits.REQUEST_JSON_BYTES + 4 * 2**20)
    assert answer.status == 413
    service.check_refusal(answer.headers["content-type"], answer.body.decode())


@pytest.mark.parametrize(
    "length", ["33554433", "999999999999999999999", "-1", "1e3", "٣", "0x10", "+5", "9" * 5000, "", "5, 6"]
)
@pytest.mark.usefixtures("unchanged")
def test_an_announced_length_is_believed_only_as_a_number_within_the_limit(
    service: Service, length: str
) -> None:
    head = f"POST {API}/experiments HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {length}"
    assert service.raw(head, b"{}").status in (400, 411, 413, 422, 431)


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: 2\r\nContent-Length: 40", "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked", "Transfer-Encoding: chunked, identity",
        "Content-Length : 2",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("unchanged")
def test_a_request_has_one_end(service: Service, framing: str) -> None:
    smuggled = (
        f"POST {API}/experiments HTTP/1.1\r\nHost: aml\r\nAuthorization: Bearer {service.token}\r\n"
        'Content-Type: application/json\r\nContent-Length: 19\r\n\r\n{"name":"smuggled"}'
    )
    head = f"POST {API}/experiments HTTP/1.1\r\nContent-Type: application/json\r\n{framing}"
    try:
        assert 400 <= service.raw(head, b"{}" + smuggled.encode()).status < 500
    except (http.client.HTTPException, OSError):
        pass  # it hung up


def test_long_texts_and_many_things_meet_their_limits(
    owner: httpx.Client, run: Run, service: Service
) -> None:
    before = service.state()
    long, many = "x" * 1_000_000, {f"t{n}": "v" for n in range(100_000)}
    refused: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/experiments", {"name": "x" * 10_000}),
        ("POST", "/experiments", {"name": "x", "description": long}),
        ("POST", "/experiments", {"name": "x", "tags": many}),
        ("POST", "/experiments", {"name": "x", "tags": {long: "v"}}),
        ("POST", "/experiments", {"name": "x", "tags": {"k": long}}),
        ("POST", "/runs", {"experiment": "x" * 10_000}),
        ("POST", "/runs", {"experiment": "attacked", "display_name": long}),
        ("POST", "/runs", {"experiment": "attacked", "tags": many}),
        ("POST", "/runs", {"experiment": "attacked", "tags": {"k": long}}),
        ("POST", "/runs", {"experiment": "attacked", "key": long}),
        ("POST", "/runs", {"experiment": "attacked", "source": {"python": long}}),
        ("PATCH", f"/runs/{run.id}", {"display_name": long}),
        ("PATCH", f"/runs/{run.id}", {"description": long}),
        ("PATCH", f"/runs/{run.id}/tags", {"tags": many}),
        ("PATCH", f"/runs/{run.id}/tags", {"tags": {"k" * 300: "v"}}),
        ("PATCH", f"/runs/{run.id}/tags", {"tags": {"k": long}}),
        ("POST", f"/runs/{run.id}/finish", {"status": "Failed", "error": {"message": long}}),
        ("POST", "/jobs", {"job": {"type": "command", "command": long}}),
        ("POST", "/jobs", {"job": {"type": "command", "command": "true", "description": long}}),
        ("POST", "/jobs", {"job": {"type": "command", "command": "true", "retries": 10**6}}),
        ("POST", "/jobs", {"job": {"type": "command", "command": "true", "timeout": 1e300}}),
        ("POST", "/jobs", {"job": {"type": "command", "command": "true", "environment_variables": {"A": long}}}),
        ("POST", "/jobs", {"job": {"type": "command", "command": "true", "inputs": {f"i{n}": 1 for n in range(20_000)}}}),
        ("POST", "/jobs", {"job": {"type": "command", "command": "true"}, "tags": many}),
        ("POST", "/jobs", {"job": {"type": "command", "command": "true"}, "source": {"python": long}}),
        ("POST", "/jobs", {"job": {"type": "command", "command": "true"}, "files": [{"path": "x", "digest": "0" * 64, "size": 0}] * 10_001}),
        ("POST", "/blobs/missing", {"digests": ["0" * 64] * 20_000}),
        ("POST", "/runs/search", {"filter": "x" * 1_000_000}),
        ("POST", "/runs/search", {"order_by": ["metrics.a"] * 1000}),
        ("POST", "/runs/search", {"limit": 10**9}),
        ("POST", "/runs/search", {"experiments": ["x"] * 10_000}),
        ("POST", "/runs/search", {"page_token": long}),
        ("POST", "/runs/search", {"filter": " AND ".join(["metrics.a > 0"] * 5000)}),
        ("POST", "/runs/search", {"filter": "(" * 5000 + "metrics.a > 0" + ")" * 5000}),
        ("POST", "/runs/search", {"filter": "NOT " * 2000 + "metrics.a > 0"}),
    ]  # fmt: skip
    for method, path, body in refused:
        answer = owner.request(method, path, json=body)
        assert answer.status_code in (400, 413, 422), (path, list(body), answer.text[:300])
        assert len(answer.content) < 10_000, (path, list(body))
    assert service.state() == before
    for part in range(3):  # in steps, too
        answer = owner.patch(f"/runs/{run.id}/tags", json={"tags": {f"{part}-{n}": "v" for n in range(400)}})
    assert answer.status_code == 400
    assert len(run.tags) == 800
    assert owner.post("/experiments", json={"name": "tagged"}).status_code == 201
    for part in range(3):
        tags = {f"{part}-{n}": "v" for n in range(400)}
        answer = owner.patch("/experiments/tagged", json={"tags": tags})
    assert answer.status_code == 400
    assert len(owner.get("/experiments/tagged").json()["tags"]) == 800
