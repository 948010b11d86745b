"""No field of the API is a location, and none is taken that the API does not name (cases B, G12, G13)."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from jupyter_aml import command
from jupyter_aml.core.blobs import bytes_digest
from jupyter_aml.tracking.run import Run
from tests.security.conftest import ABSENT_RUN, Service, payloads

# Fields whose name sounds like a location, each with the reason why it is none.
LOGICAL = {
    "path": "a logical path inside a run or a snapshot, by the one path grammar",
    "notebook": "the logical path of a notebook in the snapshot that is submitted with it",
    "files": "the snapshot's logical paths and digests",
    "resources": "how many nodes a job asks for",
    "host": "the address of a machine the owner attaches; only the owner may",
    "host_key": "the public key of an attached machine, compared with what it shows",
    "accept_host_key": "whether an attached machine's key is accepted as it is shown",
    "source": "facts about the submitter, shown and never used",
    "root": "a folder of the machine that the owner makes a datastore of; only the owner may, never the workspace's",
    "url": "where a datastore of the owner's is; only the owner may, and its secrets lie in the vault",
    "paths": "logical paths below a data asset or a datastore, by the one path grammar",
    "include_path": "the name of the column that says which file a row is of",
    "datasets": "names and versions of data assets that a model was made of",
    "extra_index_urls": "where the owner's jobs look for packages: given to uv, http(s) only, never opened by us",
}
SUSPECT = (
    "uri",
    "url",
    "path",
    "location",
    "source",
    "file",
    "folder",
    "directory",
    "root",
    "host",
    "address",
    "dataset",
    "notebook",
)
EMPTY_NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(scope="module")
def openapi(owner: httpx.Client) -> dict[str, Any]:
    """What the service says of itself."""
    found: dict[str, Any] = owner.get("/openapi.json").json()
    return found


def schema_fields(openapi: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every field a caller can send: the schema or route, and the field's name."""
    schemas = openapi["components"]["schemas"]

    def below(schema: Any) -> Iterator[str]:
        if isinstance(schema, dict):
            if "$ref" in schema:
                yield schema["$ref"].rpartition("/")[2]
            for value in schema.values():
                yield from below(value)
        elif isinstance(schema, list):
            for value in schema:
                yield from below(value)

    seen: set[str] = set()
    for path, methods in openapi["paths"].items():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                yield path, parameter["name"]
            waiting = list(below(operation.get("requestBody", {})))
            while waiting:
                name = waiting.pop()
                if name not in seen:
                    seen.add(name)
                    waiting += below(schemas[name])
                    for field in schemas[name].get("properties", ()):
                        yield name, field


def test_no_field_is_a_location(openapi: dict[str, Any]) -> None:
    fields = set(schema_fields(openapi))
    assert {("SubmitJob", "files"), ("SubmittedFile", "digest"), ("NotebookModel", "notebook")} <= fields
    found = {field for _, field in fields if any(part in field.lower() for part in SUSPECT)}
    assert found == set(LOGICAL)


def test_every_body_refuses_fields_it_does_not_know(openapi: dict[str, Any]) -> None:
    schemas = openapi["components"]["schemas"]
    for name in {name for name, _ in schema_fields(openapi) if name in schemas}:
        assert schemas[name].get("additionalProperties") is False, name


FOREIGN = {
    "artifact_location": "file:///etc", "artifact_uri": "file:///etc", "source_uri": "http://127.0.0.1:1/",
    "model_uri": "models:/x/1", "code": "git::https://127.0.0.1/x", "url": "file:///etc/passwd", "id": "0" * 32,
    "user": "root", "user_id": "root", "owner_id": "root", "role": "owner", "attempt": 9, "start_time": 0,
    "started_at": 0, "ended_at": 0, "created_at": 0, "lifecycle_stage": "deleted", "snapshot": "0" * 64, "spec": {},
    "__class__": "x", "__proto__": {"admin": True}, "output": "{a.__class__}", "output_path": "../x", "cwd": "/",
    "metrics": {"a": 1}, "number": 1, "run_id": "0" * 32, "environment": {"PATH": "/"}, "request_digest": "x",
}  # fmt: skip


def bodies() -> list[tuple[str, str, dict[str, Any]]]:
    """A good body of each route that takes one."""
    job = command("true").spec.model_dump(mode="json")
    return [
        ("POST", "/experiments", {"name": "new", "exist_ok": True}),
        ("PATCH", "/experiments/attacked", {"description": "x"}),
        ("POST", "/runs", {"experiment": "attacked"}),
        ("POST", "/runs/search", {"filter": ""}),
        ("PATCH", f"/runs/{ABSENT_RUN}", {"display_name": "x"}),
        ("PATCH", f"/runs/{ABSENT_RUN}/tags", {"tags": {}}),
        ("POST", f"/runs/{ABSENT_RUN}/finish", {"status": "Completed"}),
        ("POST", f"/runs/{ABSENT_RUN}/rerun", {}),
        ("POST", "/jobs", {"job": job}),
        ("POST", "/blobs/missing", {"digests": []}),
        ("POST", "/notebooks/inspect", {"notebook": EMPTY_NOTEBOOK}),
    ]


@pytest.mark.parametrize(("method", "path", "body"), bodies(), ids=[path for _, path, _ in bodies()])
@pytest.mark.usefixtures("unchanged")
def test_what_only_the_service_may_say_is_refused(
    owner: httpx.Client, method: str, path: str, body: dict[str, Any]
) -> None:
    for field, value in FOREIGN.items():
        answer = owner.request(method, path, json={**body, field: value})
        assert answer.status_code == 422 and field in answer.json()["error"]["detail"], (field, answer.text)
    for field in ("status", "user", "command_line", "entry_point", "code", "image", "docker_args"):
        if path == "/jobs":
            answer = owner.post(path, json={"job": {**body["job"], field: "x"}})
            assert answer.status_code == 422


def test_a_run_belongs_to_who_made_it_in_the_state_it_is_in(owner: httpx.Client, run: Run) -> None:
    import getpass

    made = owner.get(f"/runs/{run.id}").json()
    assert (made["user"], made["status"], made["attempt"]) == (getpass.getuser(), "Running", 1)
    claims = {"user": "root", "status": "Completed", "id": ABSENT_RUN}
    made = owner.post("/runs", json={"experiment": "attacked", "source": claims}).json()
    assert made["user"] == getpass.getuser() and made["status"] == "Running" and made["id"] != ABSENT_RUN
    assert owner.post(f"/runs/{made['id']}/finish", json={"status": "Completed"}).status_code == 200
    for status in ("Running", "Queued", "Finalizing", "completed", "", "FINISHED", None):
        assert owner.post(f"/runs/{run.id}/finish", json={"status": status}).status_code == 422


@pytest.fixture(scope="module")
def sink() -> Iterator[tuple[int, list[str]]]:
    """A server that must hear nothing: its port, and what it heard."""
    heard: list[str] = []

    class Ear(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)

    server = HTTPServer(("127.0.0.1", 0), Ear)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, heard
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("unchanged")
def test_a_location_is_no_notebook_no_file_and_no_compute(
    owner: httpx.Client, sink: tuple[int, list[str]], openapi: dict[str, Any]
) -> None:
    port, heard = sink
    local = f"http://127.0.0.1:{port}"
    locations = [
        *payloads("location_uri"),
        f"{local}/x.ipynb",
        "github://a/b/c.ipynb",
        "abs://x/y.ipynb",
        "s3://b/x.ipynb",
    ]
    locations += [
        "../x.ipynb",
        "/etc/passwd.ipynb",
        "a/../../x.ipynb",
        "{a.__class__.__mro__}",
        "{a:>2000000000}",
    ]
    job = command("true").spec.model_dump(mode="json")
    notebook = {"type": "notebook", "notebook": "a.ipynb"}
    for location in locations:
        named = location if location.endswith(".ipynb") else location + ".ipynb"
        attacks = [
            ("/jobs", {"job": {**notebook, "notebook": location}}),
            ("/jobs", {"job": {**notebook, "notebook": named}}),
            ("/jobs", {"job": {**notebook, "code": location}}),
            ("/jobs", {"job": job, "compute": location}),
            ("/jobs", {"job": job, "experiment": location + "/x"}),
            ("/jobs", {"job": job, "parent_id": location}),
            ("/jobs", {"job": job, "files": [{"path": "a", "digest": location, "size": 1}]}),
            ("/blobs/missing", {"digests": [location]}),
            ("/notebooks/inspect", {"notebook": location}),
            ("/notebooks/inspect", {"notebook": {"path": location}}),
        ]
        for path, body in attacks:
            answer = owner.post(path, json=body)
            assert answer.status_code in (400, 404, 422), (location, path, answer.text)
    assert heard == []


@pytest.mark.parametrize(
    "path", [path for path in payloads("location_uri") if ":" in path or ".." in path or "//" in path]
)
def test_a_location_is_no_name_in_a_snapshot(owner: httpx.Client, service: Service, path: str) -> None:
    digest = bytes_digest(b"x")
    assert owner.put(f"/blobs/{digest}", content=b"x").status_code == 201
    before = service.state()
    job = command("true").spec.model_dump(mode="json")
    answer = owner.post("/jobs", json={"job": job, "files": [{"path": path, "digest": digest, "size": 1}]})
    assert answer.status_code == 400
    assert service.state() == before


def test_a_snapshot_is_of_stored_bytes_and_no_file_is_a_folder(owner: httpx.Client, service: Service) -> None:
    digest = bytes_digest(b"x")
    owner.put(f"/blobs/{digest}", content=b"x")
    before = service.state()
    job = command("true").spec.model_dump(mode="json")
    good = {"path": "a", "digest": digest, "size": 1}
    bad = [
        [{**good, "digest": "f" * 64}], [{**good, "size": 2}], [{**good, "size": -1}], [{**good, "size": 2**70}],
        [good, good], [good, {**good, "path": "a/b"}], [{**good, "path": "../a"}], [{**good, "mode": "04755"}],
        [{**good, "target": "/etc/passwd"}], [{**good, "executable": "yes please"}], [{**good, "path": "a\0"}],
    ]  # fmt: skip
    for files in bad:
        assert owner.post("/jobs", json={"job": job, "files": files}).status_code in (400, 404, 422), files
    assert service.state() == before


@pytest.mark.parametrize("name", ["aml.rerun_of", "aml.", "aml.x", "aml.system.trusted"])
def test_tags_of_the_service_are_the_service_s(
    owner: httpx.Client, service: Service, run: Run, name: str
) -> None:
    job = command("true").spec.model_dump(mode="json")
    before = service.state()
    attacks: list[tuple[str, str, dict[str, Any]]] = [
        ("PATCH", f"/runs/{run.id}/tags", {"tags": {"good": "x", name: "x"}}),
        ("PATCH", f"/runs/{run.id}/tags", {"tags": {name: None}}),
        ("POST", "/runs", {"experiment": "attacked", "tags": {name: "x"}}),
        ("POST", "/jobs", {"job": job, "tags": {name: "x"}}),
        ("POST", "/experiments", {"name": "tagged", "tags": {name: "x"}}),
        ("PATCH", "/experiments/attacked", {"tags": {name: "x"}}),
    ]
    for method, path, body in attacks:
        answer = owner.request(method, path, json=body)
        assert answer.status_code == 400 and "aml." in answer.json()["error"]["message"]
    assert service.state() == before and run.tags == {}


def test_a_rerun_is_marked_by_the_service_alone(owner: httpx.Client) -> None:
    job = command("true").spec.model_dump(mode="json")
    first = owner.post("/jobs", json={"job": job, "experiment": "attacked", "tags": {"mine": "x"}}).json()
    again = owner.post(f"/runs/{first['id']}/rerun", json={}).json()
    assert again["tags"] == {"mine": "x", "aml.rerun_of": first["id"]}
    third = owner.post(f"/runs/{again['id']}/rerun", json={}).json()
    assert third["tags"] == {"mine": "x", "aml.rerun_of": again["id"]}
    for tags in ({"aml.rerun_of": None}, {"aml.rerun_of": "x"}):
        assert owner.patch(f"/runs/{again['id']}/tags", json={"tags": tags}).status_code == 400
    assert owner.get(f"/runs/{again['id']}").json()["tags"] == again["tags"]


def test_a_hostile_notebook_is_looked_at_and_not_run(owner: httpx.Client, service: Service) -> None:
    pwned = service.folder.root / "pwned"
    attack = f"__import__('os').system('touch {pwned}')"
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": ["parameters"]},
        "outputs": [],
        "id": "a",
    }
    sources = [f"a = {attack}", f"a: {attack} = 1", f"a = 1  # type: {attack}", f"a = f'{{{attack}}}'", f"{attack}\na = 1",
               "a = (" * 5000, "a = " + "[" * 3000 + "]" * 3000, "a = 1\0", "a" * 10**6 + " = 1", "a = " + "9" * 10_000,
               "a = " + "-" * 20_000 + "1", "a = (\n" + "-" * 500 + "1)", "a = (\nb" + ".c" * 900 + ")", "\n".join(f"a{n} = {n}" for n in range(5000))]  # fmt: skip
    for source in sources:
        document = {**copy.deepcopy(EMPTY_NOTEBOOK), "cells": [{**cell, "source": source}]}
        assert owner.post("/notebooks/inspect", json={"notebook": document}).status_code in (200, 400), (
            source[:50]
        )
    odd: list[Any] = [
        {}, {"nbformat": 4}, {"nbformat": "4"}, {"nbformat": True}, {"nbformat": 10**9}, {"nbformat": -1}, {"nbformat": 4, "cells": 5},
        {**EMPTY_NOTEBOOK, "cells": [5]}, {**EMPTY_NOTEBOOK, "cells": {}}, {**EMPTY_NOTEBOOK, "metadata": []},
        {**EMPTY_NOTEBOOK, "nbformat_minor": "x"}, {**EMPTY_NOTEBOOK, "nbformat_minor": 10**9}, {**EMPTY_NOTEBOOK, "nbformat": 3},
        {**EMPTY_NOTEBOOK, "cells": [{**cell, "source": "", "metadata": {"tags": 5}}]},
        {**EMPTY_NOTEBOOK, "cells": [{**cell, "source": 5}]},
        {**EMPTY_NOTEBOOK, "cells": [{**cell, "source": "", "id": []}]},
        {**EMPTY_NOTEBOOK, "cells": [{**cell, "source": "", "id": {}}] * 2},
        {**EMPTY_NOTEBOOK, "metadata": {"kernelspec": 5}}, {**EMPTY_NOTEBOOK, "metadata": {"kernelspec": {"name": 5, "language": []}}},
        {**EMPTY_NOTEBOOK, "metadata": {"language_info": {"name": {}}}}, {**EMPTY_NOTEBOOK, "metadata": {"language_info": []}},
    ]  # fmt: skip
    for document in odd:
        assert owner.post("/notebooks/inspect", json={"notebook": document}).status_code in (200, 400, 422), (
            document
        )
        data = json.dumps(document).encode()
        digest = bytes_digest(data)
        owner.put(f"/blobs/{digest}", content=data)
        file = {"path": "a.ipynb", "digest": digest, "size": len(data)}
        job = {"type": "notebook", "notebook": "a.ipynb"}
        answer = owner.post("/jobs", json={"job": job, "files": [file], "experiment": "attacked"})
        assert answer.status_code in (201, 400), (document, answer.text)
        if answer.status_code == 201:
            owner.post(f"/runs/{answer.json()['id']}/cancel", json={})
    assert not pwned.exists()


KERNELS = [
    "../../x",
    "x/../python3",
    "/bin/sh",
    "python3;touch pwn",
    "no-such",
    "ir",
    "a" * 10_000,
    "\u202epython3",
    "-f",
    "",
]


@pytest.mark.parametrize("name", KERNELS, ids=[ascii(name)[:20] for name in KERNELS])
def test_only_an_installed_kernel_runs_a_notebook(owner: httpx.Client, service: Service, name: str) -> None:
    document = {
        **EMPTY_NOTEBOOK,
        "metadata": {"kernelspec": {"name": name, "display_name": "x", "language": "R"}},
    }
    data = json.dumps(document).encode()
    digest = bytes_digest(data)
    owner.put(f"/blobs/{digest}", content=data)
    before = service.state()
    body = {
        "job": {"type": "notebook", "notebook": "a.ipynb"},
        "files": [{"path": "a.ipynb", "digest": digest, "size": len(data)}],
    }
    answer = owner.post("/jobs", json=body)
    if name:
        assert answer.status_code == 400 and "kernel" in answer.json()["error"]["message"]
        assert service.state() == before
    else:
        owner.post(f"/runs/{answer.json()['id']}/cancel", json={})
