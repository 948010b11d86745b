"""What a job writes into its journal is hostile input: nothing of it stops the service, or moves a run's end."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import pytest

from jupyter_aml import command
from jupyter_aml.core.blobs import bytes_digest
from jupyter_aml.core.journal import MAGIC, NO_STEP
from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.security.conftest import Service, until

OPERATIONS: dict[str, Any] = {
    "no object": [1, 2],
    "a text": "x",
    "null": None,
    "no op": {},
    "an unknown op": {"op": "sudo"},
    "an op that is a list": {"op": ["end"]},
    "a param without a value": {"op": "param", "name": "x"},
    "a param that is a list": {"op": "param", "name": "x", "value": [1]},
    "a param with a NUL": {"op": "param", "name": "x", "value": "\0"},
    "a param with a surrogate": {"op": "param", "name": "x\ud800", "value": "\ud800"},
    "tags that are none": {"op": "tags", "tags": 3},
    "tags that are pairs": {"op": "tags", "tags": [["a"]]},
    "a tag of the server's": {"op": "tags", "tags": {"aml.rerun_of": "0" * 32}},
    "an object without a time": {"op": "object", "name": "o", "kind": "list", "value": []},
    "a time over 64 bits": {"op": "object", "name": "o", "kind": "list", "value": [], "step": 0, "time": 2**80},
    "a time without end": {"op": "object", "name": "o", "kind": "list", "value": [], "step": 0, "time": float("inf")},
    "a step over 64 bits": {"op": "object", "name": "o", "kind": "list", "value": [], "step": 2**80, "time": 0},
    "a step that is text": {"op": "object", "name": "o", "kind": "list", "value": [], "step": "x", "time": 0},
    "a step that is a list": {"op": "object", "name": "o", "kind": "list", "value": [], "step": [], "time": 0},
    "a kind that is none": {"op": "object", "name": "o", "kind": 7, "value": [], "step": 0, "time": 0},
    "a value with a surrogate": {"op": "object", "name": "v1", "kind": "list", "value": ["\ud800"], "step": 0, "time": 0},
    "a key with a surrogate": {"op": "object", "name": "v2", "kind": "row", "value": {"\udcff": 1}, "step": 0, "time": 0},
    "a value that is NaN": {"op": "object", "name": "v3", "kind": "list", "value": [float("nan")], "step": 0, "time": 0},
    "a huge integer": {"op": "object", "name": "v4", "kind": "list", "value": [10**400], "step": 0, "time": 0},
    "an artifact elsewhere": {"op": "artifact", "path": "a", "digest": "../../../../etc/passwd", "size": 1},
    "an artifact's path elsewhere": {"op": "artifact", "path": "../a", "digest": "0" * 64, "size": 1},
    "an artifact that is nowhere": {"op": "artifact", "path": "a", "digest": "0" * 64, "size": 1},
    "an artifact of a size over 64 bits": {"op": "artifact", "path": "a", "digest": [], "size": 2**80},
    "cells that are none": {"op": "cells", "cells": 5},
    "cells twice": {"op": "cells", "cells": [{"index": 0, "label": "a", "kind": "code"}] * 2},
    "a cell over 64 bits": {"op": "cells", "cells": [{"index": 2**80, "label": "a", "kind": "code"}]},
    "a label with a surrogate": {"op": "cells", "cells": [{"index": 0, "label": "\ud800", "kind": "\ud800"}]},
    "a cell's state over 64 bits": {"op": "cell", "index": 2**80, "state": "running", "time": 2**80},
    "a cell's state with a surrogate": {"op": "cell", "index": 0, "state": "\ud800", "time": 0},
    "a state that is none": {"op": "state", "status": "Owner", "time": 0},
    "a state at a time over 64 bits": {"op": "state", "status": "Finalizing", "time": 2**80},
    "a final state": {"op": "state", "status": "Completed", "time": 0},
    "an end": {"op": "end", "status": "Completed", "error": None, "time": 0},
    "a problem": {"op": "problem"},
    "a problem with a surrogate": {"op": "problem", "message": "\ud800"},
    "an op with a surrogate": {"op": "\ud800"},
}  # fmt: skip
DEEP = (
    b'{"op":"object","name":"deep","kind":"list","step":0,"time":0,"value":' + b"[" * 500 + b"]" * 500 + b"}"
)
PAYLOADS: dict[str, bytes] = {
    name: b"\x02" + json.dumps(value).encode() for name, value in OPERATIONS.items()
} | {
    "nothing": b"",
    "one byte": b"\x02",
    "an unknown type": b"\x07abc",
    "no JSON": b"\x02{",
    "no text": b"\x02\xff\xfe",
    "JSON without end": b"\x02" + b"[" * 200_000,
    "deep JSON": b"\x02" + DEEP,
    "many digits": b'\x02{"op":"object","name":"d","kind":"list","step":0,"time":0,"value":'
    + b"9" * 6000
    + b"}",
    "half a metric": b"\x01abc",
    "a metric without a name": struct.pack("<Bqqd", 1, 0, 0, 1.0),
    "a metric named badly": struct.pack("<Bqqd", 1, 0, 0, 1.0) + b"a\x1b[2J",
    "a metric in no UTF-8": struct.pack("<Bqqd", 1, 0, 0, 1.0) + b"\xff\xfe",
    "the first time": struct.pack("<Bqqd", 1, -(2**63), 0, 1.0) + b"t",
    "the last time": struct.pack("<Bqqd", 1, 2**63 - 1, 1, 1.0) + b"t",
    "the last step": struct.pack("<Bqqd", 1, 0, 2**63 - 1, 1.0) + b"s",
    "the step after the last": struct.pack("<Bqqd", 1, 0, NO_STEP, 2.0) + b"s",
}


def write_journal(run: Run, *payloads: bytes, name: str = "1.deadbeef.journal") -> Path:
    """A journal with these payloads, each in a record of its own that is sound."""
    data = MAGIC
    for sequence, payload in enumerate(payloads):
        body = struct.pack("<Q", sequence) + payload
        data += struct.pack("<II", len(payload), crc32(body)) + body
    path = run._folder().journal / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


GOOD = b"\x02" + json.dumps({"op": "param", "name": "after", "value": "taken"}).encode()
READS = [
    "",
    "/metrics",
    "/artifacts",
    "/cells",
    "/logs",
    "/metrics/values?name=v1",
    "/metrics/values?name=deep",
]


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=list(PAYLOADS))
def test_a_bad_record_is_passed_over_and_the_next_one_counts(
    run: Run, owner: httpx.Client, payload: bytes
) -> None:
    write_journal(run, payload, GOOD)
    for path in READS:
        assert owner.get(f"/runs/{run.id}{path}").status_code == 200
    found = owner.get(f"/runs/{run.id}").json()
    assert found["params"] == {"after": "taken"}
    assert found["status"] in ("Running", "Finalizing") and found["tags"] == {}
    assert owner.post("/runs/search", json={"limit": 1}).status_code == 200


def test_all_of_it_at_once_stops_nothing(run: Run, owner: httpx.Client) -> None:
    payloads = list(PAYLOADS.values())
    write_journal(run, *payloads, *reversed(payloads), GOOD)
    for path in READS:
        assert owner.get(f"/runs/{run.id}{path}").status_code == 200
    found = owner.get(f"/runs/{run.id}").json()
    assert found["params"] == {"after": "taken"} and found["tags"] == {}
    steps = owner.get(f"/runs/{run.id}/metrics/history", params={"name": "s"}).json()
    assert steps["steps"][0] >= 0 and steps["steps"] == sorted(steps["steps"])
    assert owner.get(f"/runs/{run.id}/metrics/history", params={"name": "t"}).status_code == 200


NAMES_OF_NONE = [
    "evil.journal",
    "1.journal",
    "-1.aa.journal",
    "٣.aa.journal",
    "1.AA.journal",
    "9" * 40 + ".aa.journal",
]


@pytest.mark.parametrize("name", NAMES_OF_NONE)
def test_a_file_that_is_no_journal_is_left_alone(run: Run, owner: httpx.Client, name: str) -> None:
    write_journal(run, GOOD, name=name)
    assert owner.get(f"/runs/{run.id}").json()["params"] == {}


def test_pipes_and_links_among_journals_and_staged_files_keep_nobody_waiting(
    run: Run, owner: httpx.Client, service: Service, tmp_path: Path
) -> None:
    folder = run._folder()
    folder.staging.mkdir(exist_ok=True)
    secret = tmp_path / "secret"
    secret.write_text("CANARY")
    digest = bytes_digest(b"CANARY")
    os.mkfifo(folder.journal / "1.aaaa.journal")
    (folder.journal / "1.bbbb.journal").symlink_to("/dev/zero")
    (folder.journal / "1.cccc.journal").mkdir()
    os.mkfifo(folder.staging / ("1" * 64))
    (folder.staging / ("2" * 64)).mkdir()
    (folder.staging / digest).symlink_to(secret)
    names = ["1" * 64, "2" * 64, digest, "3" * 64]
    records = [{"op": "artifact", "path": f"a{n}", "digest": name, "size": 6} for n, name in enumerate(names)]
    write_journal(run, *(b"\x02" + json.dumps(record).encode() for record in records), GOOD)
    assert owner.get(f"/runs/{run.id}", timeout=20).json()["params"] == {"after": "taken"}
    assert run.get_file_names() == ["source/packages.txt"]
    assert not (service.folder.blobs / digest[:2] / digest).exists()


def test_a_series_that_was_undone_gives_its_number_to_nobody(run: Run, owner: httpx.Client) -> None:
    bad = {"op": "object", "name": "undone", "kind": "list", "value": [], "step": 2**80, "time": 0}
    good = {"op": "object", "name": "undone", "kind": "list", "value": [7], "step": 0, "time": 0}
    point = struct.pack("<Bqqd", 1, 0, 0, 1.0) + b"other"
    write_journal(run, *(b"\x02" + json.dumps(bad).encode(), point, b"\x02" + json.dumps(good).encode()))
    metrics = {item["name"]: item for item in owner.get(f"/runs/{run.id}/metrics").json()["items"]}
    assert set(metrics) == {"undone", "other"}
    assert (metrics["undone"]["value"], metrics["undone"]["count"], metrics["other"]["last"]) == ([7], 1, 1.0)


def test_the_last_step_there_is_can_be_followed(run: Run) -> None:
    run.log("s", 1.0, step=2**63 - 1)
    run.log("s", 2.0)
    run.log("s", 3.0)
    assert run.metric_history("s")["values"] == [1.0, 2.0, 3.0]
    assert run.metrics == {"s": 3.0}


@pytest.mark.parametrize("value", [["\ud800"], {"\udcff": [1]}, "\ud800"])
def test_what_no_answer_could_carry_is_refused_where_it_is_logged(run: Run, value: Any) -> None:
    with pytest.raises(InvalidError):
        run.log_table("t", value) if isinstance(value, dict) else run.log_list("l", list(value))
    deep: list[Any] = []
    for _ in range(80):
        deep = [deep]
    with pytest.raises(InvalidError):
        run.log_list("deep", deep)
    run.log("after", 1.0)
    assert run.metrics == {"after": 1.0}


def test_a_run_that_cannot_be_read_stops_no_other(
    workspace: Workspace, owner: httpx.Client, tmp_path: Path
) -> None:
    with workspace.experiments["attacked"].start_run() as run:
        write_journal(run, *PAYLOADS.values())
        job = workspace.submit(command("true"))
        until(lambda: job.is_final)
        assert job.status == "Completed"
