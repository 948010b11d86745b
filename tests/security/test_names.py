"""Names, ids, filters and orderings are text in a grammar, and reach SQL as values only (cases D02, D11, N05, O01, O03)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import unicodedata
from urllib.parse import quote

import httpx
import pytest

from jupyter_aml.core.paths import check_name, check_text, check_value
from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.security.conftest import API, Service, payloads

NAMES = list(
    dict.fromkeys(
        [*payloads("name"), *payloads("command_string"), *payloads("html"), *payloads("param_name")]
    )
)
IDS = [
    "-1", "1e3", "1_0", "٣", "+1", "true", "null", "[]", "1 OR 1=1", "../x", str(2**63), "0" * 31, "0" * 33, "A" * 32,
    "0x" + "0" * 30, "0" * 32 + "\n", "\n" + "0" * 32, "0" * 31 + "٣", "0" * 31 + "０", "*" * 32, "%" * 32, "'" * 32, " " * 32,
]  # fmt: skip


def sendable(text: str) -> bool:
    """Whether the text can be sent as JSON in UTF-8 at all."""
    return "\ud800" not in text


def passes(check: object, *arguments: object) -> bool:
    """Whether the grammar takes it."""
    try:
        check(*arguments)  # type: ignore[operator]
    except InvalidError:
        return False
    return True


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name)[:30] for name in NAMES])
def test_the_grammar_decides_what_is_a_name(owner: httpx.Client, service: Service, name: str) -> None:
    body = json.dumps({"name": name})
    before = service.state()
    made = owner.post("/experiments", content=body, headers={"Content-Type": "application/json"})
    if sendable(name) and passes(check_name, name, "experiment"):
        assert made.status_code in (201, 409) and (made.status_code == 409 or made.json()["name"] == name)
        assert owner.get(f"/experiments/{quote(name, safe='')}").json()["name"] == name
        return
    assert made.status_code == 400
    for path, body in (
        ("/runs", {"experiment": name}),
        ("/jobs", {"job": {"type": "command", "command": "true"}, "experiment": name}),
    ):
        answer = owner.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, path
    if sendable(name) and name not in ("", ".", ".."):
        assert owner.get(f"/experiments/{quote(name, safe='')}").status_code == 404
        assert owner.delete(f"/experiments/{quote(name, safe='')}").status_code == 404
    assert service.state() == before


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name)[:30] for name in NAMES])
def test_a_free_text_is_kept_as_it_is_or_refused(owner: httpx.Client, kept: Run, name: str) -> None:
    header = {"Content-Type": "application/json"}
    good = sendable(name) and passes(check_text, name, "display name", 250)
    answer = owner.patch(f"/runs/{kept.id}", content=json.dumps({"display_name": name}), headers=header)
    assert answer.status_code == (200 if good else 400)
    if good:
        assert answer.json()["display_name"] == name and unicodedata.is_normalized("NFC", name)
        assert [
            found["id"]
            for found in owner.post("/runs/search", json={"filter": f"name = {quoted(name)}"}).json()["items"]
        ] == [kept.id]
    tagged = owner.patch(f"/runs/{kept.id}/tags", content=json.dumps({"tags": {name: name}}), headers=header)
    if (
        not sendable(name)
        or not passes(check_text, name, "tag", 250)
        or not passes(check_value, name, "value", 8000)
    ):
        assert tagged.status_code == 400
        return
    assert tagged.json()["tags"] == {name: name}
    key = name.replace('"', '""')
    for text in (
        f'tags."{key}" = {quoted(name)}',
        f'tags."{key}" LIKE {quoted(name)}'
        if "%" not in name and "_" not in name
        else f"tags.\"{key}\" != 'x'",
    ):
        found = owner.post("/runs/search", json={"filter": text})
        assert [item["id"] for item in found.json().get("items", [])] == [kept.id], (text, found.text)
    ordered = owner.post("/runs/search", json={"order_by": [f'tags."{key}" DESC'], "limit": 1})
    assert [item["id"] for item in ordered.json()["items"]] == [kept.id]
    assert owner.patch(f"/runs/{kept.id}/tags", json={"tags": {name: None}}).json()["tags"] == {}


def quoted(text: str) -> str:
    """A text as a filter writes it."""
    return "'" + text.replace("'", "''") + "'"


FILTERS = [
    *payloads("filter"), "tags.x LIKE '" + "%a" * 2000 + "'", "tags.x LIKE '" + "a" * 5000 + "!'", "params.x = '" + "a" * 9000,
    "metrics.a > 1e999", "metrics.a = '1'", "status = 'x'; --", "(((((((((", "tags.`a` = 'b' UNION SELECT * FROM run_tokens",
    "attributes.request_digest = 'x'", "attributes.key = 'x'", "attributes.spec = 'x'", "run_tokens.digest = 'x'", "1", "'", "\0",
    "params.a IN ('a', (SELECT digest FROM run_tokens))", "tags.x = 'a' /* */", "tags.x = 'a' -- ", "tags.x = $1", "tags.x = ?", "tags.x = :x",
]  # fmt: skip


@pytest.mark.parametrize("text", FILTERS, ids=[ascii(text)[:30] for text in FILTERS])
@pytest.mark.usefixtures("unchanged")
def test_a_filter_is_read_by_its_own_grammar(owner: httpx.Client, text: str) -> None:
    answer = owner.post("/runs/search", json={"filter": text})
    assert answer.status_code in (200, 400) and answer.json().get("items", []) == []
    ordered = owner.post("/runs/search", json={"order_by": [text]})
    assert ordered.status_code == 400
    assert len(answer.text) < 2000 and len(ordered.text) < 2000


def test_no_word_of_a_filter_is_code(owner: httpx.Client, service: Service, kept: Run) -> None:
    for text in (
        "name = '%'",
        "name = '_____'",
        "name LIKE '[a-z]*'",
        "name LIKE '*'",
        "name = '' OR name = name",
        "tags.`%` = '%'",
    ):
        answer = owner.post("/runs/search", json={"filter": text})
        assert answer.status_code == 400 or answer.json()["items"] == [], text
    assert owner.get(f"/runs/{kept.id}").status_code == 200


@pytest.mark.parametrize("identity", IDS, ids=ascii)
@pytest.mark.usefixtures("unchanged")
def test_an_id_is_thirty_two_hex_digits(service: Service, owner: httpx.Client, identity: str) -> None:
    written = quote(identity, safe="")
    for method, rest in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("PATCH", "/tags"),
        ("POST", "/cancel"),
        ("GET", "/metrics"),
        ("PUT", "/artifacts/a"),
    ):
        head = f"{method} {API}/runs/{written}{rest} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2"
        answer = service.raw(head, b"{}")
        assert answer.status in (400, 404, 422), (method, rest)
        service.check_refusal(answer.headers["content-type"], answer.body.decode())
    assert owner.post("/runs/search", json={"parent_id": identity}).status_code == 422
    assert owner.post("/runs", json={"experiment": "x", "parent_id": identity}).status_code == 422
    assert owner.post(
        "/jobs", json={"job": {"type": "command", "command": "true"}, "parent_id": identity}
    ).status_code in (404, 422)
    assert owner.get("/resolve-run", params={"text": identity}).status_code == 404
    for digest in (identity, identity * 2):
        assert owner.put(f"/blobs/{quote(digest, safe='')}", content=b"x").status_code in (400, 404, 422)


def test_a_workspace_s_name_is_one_too(workspace: Workspace) -> None:
    for name in NAMES:
        if not passes(check_name, name, "workspace"):
            with pytest.raises(InvalidError):
                Workspace.create(name)


def forged(secret: str, search: list[object], place: object) -> str:
    """A page token as somebody who knew the secret would write it."""
    body = json.dumps(place).encode()
    about = hashlib.sha256(json.dumps(search).encode()).digest()
    mac = hmac.digest(secret.encode(), b"jupyter_aml search page token 1\0" + about + body, "sha256")[:16]
    return base64.urlsafe_b64encode(mac + body).decode().rstrip("=")


def test_a_page_token_is_what_was_given_out_or_nothing(
    owner: httpx.Client, service: Service, kept: Run
) -> None:
    for _ in range(3):
        made = owner.post("/runs", json={"experiment": "attacked"}).json()["id"]
        owner.post(f"/runs/{made}/finish", json={"status": "Completed"})
    body = {"limit": 1, "order_by": ["start_time"]}
    token = owner.post("/runs/search", json=body).json()["next_page_token"]
    assert owner.post("/runs/search", json={**body, "page_token": token}).status_code == 200
    for other in (
        token[:-1],
        token + "A",
        token.swapcase(),
        "A" + token,
        "",
        "=",
        "!!",
        "0",
        token + "=",
        "AAAA" * 1000,
    ):
        assert owner.post("/runs/search", json={**body, "page_token": other}).status_code == 400, other
    for change in (
        {"filter": "name != 'x'"},
        {"order_by": []},
        {"experiments": ["attacked"]},
        {"archived": None},
    ):
        assert owner.post("/runs/search", json={**body, **change, "page_token": token}).status_code == 400
    known = owner.get("/handshake").json()["workspace_id"]
    search = ["", ["start_time"], None, None, False]
    for place in (
        [{}, 1],
        [[], 1],
        ["x", "y"],
        [None, None],
        [1, 2**80],
        [1, True],
        [1.5, -1],
        {"a": 1},
        [],
        [1],
        [1, 2, 3],
        "x",
        None,
    ):
        answer = owner.post("/runs/search", json={**body, "page_token": forged(known, search, place)})
        assert answer.status_code in (200, 400), place
