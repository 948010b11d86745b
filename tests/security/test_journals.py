"""What a job writes into its journal is hostile input: nothing of it stops the service, or moves a run's end."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import httpx
import pytest

from jupyter_aml.core.journal import MAGIC, NO_STEP
from jupyter_aml.tracking.run import Run

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
