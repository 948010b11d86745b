"""Bytes on their way in: unread from strangers, whole or not there, bounded by what is true (cases F)."""

from __future__ import annotations

import hashlib
import socket

import httpx
import pytest

from jupyter_aml.tracking.run import Run
from tests.security.conftest import ABSENT_RUN, API, Service, read_answer, until

HALF = b"x" * 300_000


def upload_head(
    service: Service, path: str, length: int | None, token: str | None = None, **headers: str
) -> bytes:
    """The head of a PUT; a length of None means chunks."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [
        f"PUT {API}{path} HTTP/1.1",
        "Host: aml",
        framing,
        f"Authorization: Bearer {token or service.token}",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize("path", [f"/runs/{ABSENT_RUN}/artifacts/x", f"/blobs/{'0' * 64}", "/experiments"])
@pytest.mark.usefixtures("unchanged")
def test_two_gigabytes_of_a_stranger_are_not_read(service: Service, path: str) -> None:
    for expectation in ({}, {"Expect": "100-continue"}):
        with service.connect() as connection:
            connection.sendall(upload_head(service, path, 2 << 30, "wrong", **expectation))
            answer = read_answer(connection)  # though not a byte of the body was sent
            assert answer.status == 401
            service.check_refusal(answer.headers["content-type"], answer.body.decode())
            sent = 0
            with pytest.raises(OSError):  # nobody reads on: the rest does not even leave
                connection.settimeout(5)
                while sent < 64 * 2**20:
                    sent += connection.send(HALF)
            assert sent < 4 * 2**20


def test_a_run_that_cannot_be_written_is_said_before_the_body_is_kept(service: Service, run: Run) -> None:
    run.complete()
    before = service.state()
    with service.connect() as connection:
        connection.sendall(upload_head(service, f"/runs/{run.id}/artifacts/late", 5) + b"12345")
        assert read_answer(connection).status == 409
    after = service.state()
    assert {**after, "blobs": 0} == {**before, "blobs": 0}


@pytest.mark.parametrize("form", ["length", "chunks"])
@pytest.mark.parametrize("place", ["artifact", "blob"])
def test_an_upload_that_breaks_off_leaves_nothing(
    service: Service, owner: httpx.Client, run: Run, form: str, place: str
) -> None:
    digest = hashlib.sha256(HALF * 2).hexdigest()
    path = f"/runs/{run.id}/artifacts/torn.bin" if place == "artifact" else f"/blobs/{digest}"
    before = service.state()
    with service.connect() as connection:
        length = None if form == "chunks" else len(HALF) * 2
        body = b"%x\r\n" % len(HALF) + HALF + b"\r\n" if form == "chunks" else HALF
        connection.sendall(upload_head(service, path, length) + body)
        until(lambda: any(service.folder.blobs.glob(".tmp-*")))
        connection.shutdown(socket.SHUT_RDWR)
    until(lambda: not any(service.folder.blobs.glob(".tmp-*")), 20)
    assert service.state() == before
    assert owner.get(f"/runs/{run.id}/artifacts/torn.bin").status_code == 404
    again = owner.put(path, content=HALF * 2)
    assert again.status_code == 201 and again.json()["digest"] == digest


def test_bytes_that_are_not_those_announced_are_refused(
    service: Service, owner: httpx.Client, run: Run
) -> None:
    before = service.state()
    right, wrong = hashlib.sha256(b"right").hexdigest(), hashlib.sha256(b"wrong").hexdigest()
    path = f"/runs/{run.id}/artifacts/a"
    assert owner.put(path, content=b"right", headers={"X-AML-SHA256": wrong}).status_code == 400
    assert owner.put(f"/blobs/{wrong}", content=b"right").status_code == 400
    for digest in ("x", right.upper(), right[:-1], "../" * 20, "0x" + right):
        assert owner.put(path, content=b"right", headers={"X-AML-SHA256": digest}).status_code == 400
    for digest in (right.upper(), right[:-1], "..%2f" * 8, "%00" * 8, right + "%0a"):
        assert owner.put(f"/blobs/{digest}", content=b"right").status_code in (400, 404, 422)
    run_state = {**service.state(), "artifacts": 0, "blobs": 0}
    assert run_state == {**before, "artifacts": 0, "blobs": 0}


def test_a_slow_sender_keeps_nobody_waiting(service: Service, owner: httpx.Client, run: Run) -> None:
    connections = [service.connect() for _ in range(60)]
    try:
        for number, connection in enumerate(connections):
            connection.sendall(
                upload_head(service, f"/runs/{run.id}/artifacts/slow{number}", 10**6) + b"x" * 10
            )
        until(lambda: any(service.folder.blobs.glob(".tmp-*")))
        for _ in range(20):
            assert owner.get("/health").status_code == 200
            assert owner.get(f"/runs/{run.id}").status_code == 200
    finally:
        for connection in connections:
            connection.close()
    until(lambda: not any(service.folder.blobs.glob(".tmp-*")), 20)


def test_a_great_many_headers_are_refused(service: Service) -> None:
    for headers in (
        "X-A: b\r\n" * 20_000,
        "X-A: " + "b" * 2**20 + "\r\n",
        "Cookie: " + "\\" * 100_000 + "\r\n",
    ):
        with service.connect() as connection:
            try:
                connection.sendall(f"GET {API}/workspace HTTP/1.1\r\nHost: aml\r\n{headers}\r\n".encode())
            except OSError:
                pass  # it has hung up before the end
            try:
                assert read_answer(connection).status in (400, 401, 431)
            except OSError:
                pass  # it hung up
        assert service.raw(f"GET {API}/health HTTP/1.1").status == 200
