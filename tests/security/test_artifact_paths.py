"""A path inside a run names a file of that run and nothing else, however it is written (cases A, I02, I12)."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

import httpx
import pytest

from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.security.conftest import API, Service, payloads, until

PATHS = [path for path in payloads("artifact_path") if path]
ROUTES = [("GET", "artifacts"), ("PUT", "artifacts"), ("GET", "snapshot")]


def lawful(path: str) -> bool:
    """Whether the grammar takes the path."""
    try:
        return check_logical_path(path) == path
    except InvalidError:
        return False


def spellings(path: str) -> list[str]:
    """How a client may write the path in a request: as it is, wholly escaped, and escaped twice."""
    whole = "".join(f"%{byte:02x}" for byte in path.encode("utf-8", "surrogatepass"))
    plain = path.replace(" ", "%20").replace("\n", "%0a").replace("\x1b", "%1b").replace("\0", "%00")
    return [plain, whole, quote(quote(path, safe="", errors="surrogatepass"), safe="")]


@pytest.mark.parametrize("path", PATHS, ids=[ascii(path)[:30] for path in PATHS])
def test_a_path_is_refused_or_is_the_name_of_one_file(service: Service, kept: Run, path: str) -> None:
    before = service.state()
    for spelling in spellings(path):
        seen = unquote(re.split("[?#]", spelling)[0])
        for method, kind in ROUTES:
            head = f"{method} {API}/runs/{kept.id}/{kind}/{spelling} HTTP/1.1\r\nContent-Length: 1"
            answer = service.raw(head, b"x")
            if answer.body == b"Invalid HTTP request received.":
                continue  # the parser has refused bytes that may not stand in a request's target
            if lawful(seen):
                assert answer.status == (201 if method == "PUT" else 200 if answer.body == b"x" else 404)
                continue
            assert answer.status in (400, 404), (method, spelling, answer)
            service.check_refusal(answer.headers["content-type"], answer.body.decode())
        removed = service.raw(f"DELETE {API}/runs/{kept.id}/artifacts/{spelling} HTTP/1.1")
        assert removed.status in (400, 404, 405)
    assert all(lawful(name) for name in kept.get_file_names())
    if not any(lawful(unquote(re.split("[?#]", spelling)[0])) for spelling in spellings(path)):
        assert service.state() == before


@pytest.mark.parametrize("path", PATHS, ids=[ascii(path)[:30] for path in PATHS])
def test_a_path_in_the_query_is_literal(owner: httpx.Client, kept: Run, path: str) -> None:
    given = path.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    owner.put(f"/runs/{kept.id}/artifacts/plots/a.txt", content=b"x")
    owner.put(f"/runs/{kept.id}/artifacts/etc/passwd", content=b"x")
    listed = owner.get(f"/runs/{kept.id}/artifacts", params={"prefix": given})
    assert listed.status_code in (200, 422)
    assert all(item["path"].startswith(given) for item in listed.json().get("items", []))
    log = owner.get(f"/runs/{kept.id}/log", params={"stream": given})
    assert log.status_code == (200 if lawful(given) else 422 if len(given) > 1000 else 400)
    if log.status_code == 200:
        assert log.json()["text"] == ""
    token = owner.get(f"/runs/{kept.id}/artifacts", params={"page_token": given})
    assert token.status_code in (200, 422)


@pytest.mark.parametrize(
    "stream",
    ["../../../etc/passwd", "..%2f..%2fetc/passwd", "/etc/passwd", "system_logs/../../lock", "user_logs"],
)
def test_a_log_is_a_stream_of_the_run_and_no_file(owner: httpx.Client, kept: Run, stream: str) -> None:
    answer = owner.get(f"/runs/{kept.id}/log", params={"stream": stream, "limit": 50_000})
    assert answer.status_code == 400 or answer.json()["text"] == ""


def test_a_run_whose_id_begins_another_s_cannot_reach_it(
    service: Service, owner: httpx.Client, kept: Run
) -> None:
    secret = service.folder.runs / f"{kept.id}-evil" / "logs"
    secret.mkdir(parents=True)
    (secret / "x").write_text("CANARY")
    sibling = service.folder.root.with_name(service.folder.root.name + "-evil")
    sibling.mkdir()
    (sibling / "x").write_text("CANARY")
    for path in (
        f"../{kept.id}-evil/logs/x",
        f"..%2f{kept.id}-evil%2flogs%2fx",
        f"../../../{sibling.name}/x",
    ):
        for route in (f"artifacts/{path}", f"snapshot/{path}", f"log?stream={path}"):
            answer = service.raw(f"GET {API}/runs/{kept.id}/{route} HTTP/1.1")
            assert answer.status == 400 and b"CANARY" not in answer.body
    for identity in (f"{kept.id}-evil", f"{kept.id}/../{kept.id}-evil", f"{kept.id}%00", f"{kept.id}%0a"):
        assert service.raw(f"GET {API}/runs/{identity}/log?stream=x HTTP/1.1").status in (400, 404, 422)
    for folder in (secret, secret.parent, sibling):
        (folder / "x").unlink(missing_ok=True)
        folder.rmdir()


@pytest.mark.parametrize("path", ["", "%2f", ".", "./", "%2e", "a/", "a//", "a/."])
def test_no_root_can_be_written_or_removed(service: Service, kept: Run, path: str) -> None:
    before = service.state()
    for method in ("PUT", "DELETE", "POST", "PATCH"):
        answer = service.raw(
            f"{method} {API}/runs/{kept.id}/artifacts/{path} HTTP/1.1\r\nContent-Length: 1", b"x"
        )
        assert answer.status in (400, 404, 405)
    assert service.state() == before


def test_a_name_is_a_file_or_a_folder(owner: httpx.Client, run: Run) -> None:
    assert owner.put(f"/runs/{run.id}/artifacts/a", content=b"1").status_code == 201
    assert owner.put(f"/runs/{run.id}/artifacts/a/b", content=b"2").status_code == 409
    assert owner.put(f"/runs/{run.id}/artifacts/c/d/e", content=b"3").status_code == 201
    assert owner.put(f"/runs/{run.id}/artifacts/c/d", content=b"4").status_code == 409
    assert owner.put(f"/runs/{run.id}/artifacts/c/d-e", content=b"5").status_code == 201
    run.log_text("a/b", "by the journal")
    assert run.get_file_names() == ["a", "c/d-e", "c/d/e", "source/packages.txt"]


def test_new_bytes_of_a_name_leave_the_old_ones_and_an_ended_run_takes_none(
    service: Service, owner: httpx.Client, run: Run
) -> None:
    first = owner.put(f"/runs/{run.id}/artifacts/model.bin", content=b"first").json()
    second = owner.put(f"/runs/{run.id}/artifacts/model.bin", content=b"second").json()
    assert owner.get(f"/runs/{run.id}/artifacts/model.bin").content == b"second"
    for found, data in ((first, b"first"), (second, b"second")):
        assert found["digest"] == hashlib.sha256(data).hexdigest()
        assert (service.folder.blobs / found["digest"][:2] / found["digest"]).read_bytes() == data
    run.complete()
    listed = owner.get(f"/runs/{run.id}/artifacts").json()
    for path in ("model.bin", "new.bin"):
        assert owner.put(f"/runs/{run.id}/artifacts/{path}", content=b"third").status_code == 409
    assert owner.get(f"/runs/{run.id}/artifacts").json() == listed


def test_a_prefix_is_no_pattern(owner: httpx.Client, run: Run) -> None:
    owner.put(f"/runs/{run.id}/artifacts/a/b.txt", content=b"x")
    for prefix in ("*", "%", "_", "[a-z]", "a%", "?", "A", "a/.", "{a,b}"):
        assert owner.get(f"/runs/{run.id}/artifacts", params={"prefix": prefix}).json()["items"] == []


@pytest.mark.parametrize(
    "ranges",
    [
        "bytes=0-0", "bytes=-1", "bytes=2-", "bytes=1-999999999999999999", "bytes=-999999999999999999", "bytes=-0",
        "bytes=5-", "bytes=9-3", "bytes=9000000000000000000-", "bytes=0-0,2-3", "bytes=" + ",".join(["0-0"] * 1000),
        "bytes=0-,0-,0-", "bytes=--1", "bytes=٣-", "items=0-1", "bytes=0x0-1", "bytes=1_0-", "", "bytes=-", "bytes= 0-1",
    ],
)  # fmt: skip
def test_a_range_gives_no_more_than_the_file(service: Service, kept: Run, ranges: str) -> None:
    kept.log_text("five", "12345")
    head = f"GET {API}/runs/{kept.id}/artifacts/five HTTP/1.1\r\nRange: {ranges}"
    answer = service.raw(head)
    assert answer.status in (200, 206, 416), answer
    if answer.status == 200:
        assert answer.body == b"12345"
    elif answer.status == 206:
        span, _, size = answer.headers["content-range"].removeprefix("bytes ").partition("/")
        first, _, last = span.partition("-")
        assert size == "5" and 0 <= int(first) <= int(last) <= 4
        assert answer.body == b"12345"[int(first) : int(last) + 1]
    else:
        service.check_refusal(answer.headers["content-type"], answer.body.decode())


SNIFFED = b"<!DOCTYPE html><script>alert(document.domain)</script>"


@pytest.mark.parametrize(
    "name",
    [
        "a.html", "a.HTML", "a.svg", "a.xml", "a.xhtml", "a.pdf", "a.mht", "a.js", "a.json", "a.csv", "a.txt", "a.png",
        "a.htm.", "html", "a.css", "a.wasm", "a.swf", "a.png.html", "a.html;x=.png", 'a";x=".html', "a'b.html",
        "ü.html", "файл.svg", "日本.html", "a b.html", "%.html", "=cmd.csv", "a" * 250, "a.;.html", "*=UTF-8''x.html",
    ],
)  # fmt: skip
def test_a_file_is_an_attachment_no_browser_runs(owner: httpx.Client, kept: Run, name: str) -> None:
    url = f"/runs/{kept.id}/artifacts/d/{quote(name)}"
    assert owner.put(url, content=SNIFFED, headers={"Content-Type": "text/html"}).status_code == 201
    for headers in ({}, {"Accept": "text/html"}, {"Range": "bytes=0-20"}):
        check_attachment(owner.get(url, headers=headers), name)


def check_attachment(answer: httpx.Response, name: str) -> None:
    """It is saved under the name, and a browser that is made to show it runs nothing of it."""
    assert answer.headers["content-type"].split(";")[0] in (
        "application/octet-stream", "text/plain", "image/png", "application/json", "text/csv",
    )  # fmt: skip
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    form = r"""attachment; filename="[A-Za-z0-9._-]+"; filename\*=UTF-8''([A-Za-z0-9._~%-]+)"""
    disposition = re.fullmatch(form, answer.headers["content-disposition"], re.ASCII)
    assert disposition is not None and unquote(disposition[1]) == name


def test_a_file_of_a_snapshot_is_an_attachment_too(owner: httpx.Client, workspace: Workspace) -> None:
    digest = hashlib.sha256(SNIFFED).hexdigest()
    assert owner.put(f"/blobs/{digest}", content=SNIFFED).status_code == 201
    names = ["a.html", "a.svg", 'a";x=".html', "ü.xhtml", "a.ipynb"]
    files = [{"path": f"d/{name}", "digest": digest, "size": len(SNIFFED)} for name in names]
    body = {"job": {"type": "command", "command": "true"}, "files": files}
    run = workspace.runs.get(owner.post("/jobs", json=body).json()["id"])
    for name in names:
        check_attachment(owner.get(f"/runs/{run.id}/snapshot/d/{quote(name)}"), name)
    until(lambda: run.is_final)


@pytest.mark.parametrize("name", ["a\r\nSet-Cookie: x=1", "a\nb", "a\rb", "a\0b", "a\x7fb"])
def test_no_name_ends_a_header(owner: httpx.Client, kept: Run, name: str) -> None:
    assert owner.put(f"/runs/{kept.id}/artifacts/{quote(name)}", content=b"x").status_code in (400, 404)
    assert owner.get(f"/runs/{kept.id}/artifacts/{quote(name)}").status_code in (400, 404)


@pytest.mark.parametrize("bad", ["%c0%ae%c0%ae/x", "%ff", "a/%80", "%ed%a0%80", "%f4%90%80%80", "a%fe%ff"])
def test_bytes_that_are_no_text_name_nothing(service: Service, kept: Run, bad: str) -> None:
    before = service.state()
    for method, kind in ROUTES:
        head = f"{method} {API}/runs/{kept.id}/{kind}/{bad} HTTP/1.1\r\nContent-Length: 1"
        assert service.raw(head, b"x").status == 400
    assert service.state() == before


def test_a_link_or_a_pipe_in_the_live_logs_is_not_read(
    service: Service, owner: httpx.Client, run: Run, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("CANARY")
    logs = run._folder().logs
    logs.mkdir()
    (logs / "link").symlink_to(secret)
    (logs / "folder").symlink_to(tmp_path)
    os.mkfifo(logs / "pipe")
    for stream in ("link", "folder/secret", "pipe"):
        answer = owner.get(f"/runs/{run.id}/log", params={"stream": stream})
        assert answer.json()["text"] == ""
    assert owner.get(f"/runs/{run.id}/logs").json()["items"] == []
    run.complete()
    assert run.get_file_names() == ["source/packages.txt"]
