"""Runs to show, as the REST API writes them, and the checks every output has to pass."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

START = 1_785_931_392_000
ELEMENTS = set(
    "div span strong bdi code br img table thead tbody tr th td details summary pre "
    "svg path circle rect text".split()
)
ATTRIBUTES = set(
    "style class title src width height alt scope colspan open xmlns viewbox font-family font-size "
    "font-weight d fill stroke stroke-width stroke-opacity stroke-dasharray stroke-linejoin stroke-linecap "
    "cx cy r rx x y dy text-anchor".split()
)
HARMFUL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def run(number: int = 0, **changes: Any) -> dict[str, Any]:
    """A completed notebook run, with changes."""
    return {
        "id": f"0198c0ffee{number:022x}",
        "experiment": "diabetes",
        "display_name": f"brave_heron_{number}",
        "description": "",
        "kind": "notebook",
        "status": "Completed",
        "attempt": 1,
        "parent_id": None,
        "user": "ada",
        "compute": "local",
        "created_at": START,
        "started_at": START,
        "ended_at": START + 83_000,
        "archived": False,
        "cancel_requested_at": None,
        "tags": {"stage": "first"},
        "params": {"alpha": f"0.{number}", "solver": "saga"},
        "metrics": {"rmse": 54.25 - number, "loss": 0.125},
        "progress": {"done": 8, "total": 8, "index": None, "label": None},
        "error": None,
        "source": {"git": None, "python": "3.11.7", "host": "secret-host", "folder": "/home/ada"},
        "spec": {"type": "notebook", "notebook": "train.ipynb", "environment_variables": {"KEY": "hunter2"}},
        **changes,
    }


def history(*values: Any) -> dict[str, Any]:
    """A metric's history with steps from 0."""
    return {"steps": list(range(len(values))), "values": list(values)}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"{tag} repeats an attribute"
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl!r}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data!r}")


def read_html(html: str) -> tuple[list[tuple[str, dict[str, str | None]]], str]:
    """The elements and the text of our HTML, with those of the drawings; fails on anything not our own."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    tags, text = list(reader.tags), "".join(reader.text)
    for tag, attributes in reader.tags:
        assert tag in ELEMENTS, tag
        assert attributes.keys() <= ATTRIBUTES, attributes
        if tag == "img":
            prefix, _, data = (attributes["src"] or "").partition(",")
            assert prefix == "data:image/svg+xml;base64"
            inner, _ = read_html(base64.b64decode(data, validate=True).decode())
            tags += inner
    assert not HARMFUL.search(text)
    for _, attributes in tags:
        assert not HARMFUL.search("".join(value or "" for value in attributes.values()))
    html.encode()
    return tags, text


def text_of(html: str) -> str:
    """The text of our HTML."""
    return read_html(html)[1]


def styles_of(html: str) -> set[str]:
    """All style attributes of our HTML."""
    return {attributes["style"] or "" for _, attributes in read_html(html)[0] if "style" in attributes}


def check_bundle(bundle: Mapping[str, Any]) -> None:
    """A mime bundle is safe to show and valid to store."""
    (mime,) = bundle.keys() - {"text/html", "text/plain"}
    assert mime.startswith("application/vnd.jupyter-aml.")
    stored = json.dumps(bundle[mime], allow_nan=False, ensure_ascii=False).encode()
    assert json.loads(stored) == bundle[mime]
    read_html(bundle["text/html"])
    bundle["text/plain"].encode()
    assert not HARMFUL.search(bundle["text/plain"])


def shape(html: str) -> list[str]:
    """The element names of our HTML without the drawings, in order."""
    return [tag for tag, _ in _only_html(html)]


def _only_html(html: str) -> Iterator[tuple[str, Mapping[str, str | None]]]:
    reader = _Reader()
    reader.feed(html)
    return iter(reader.tags)


def lines_with(text: str, *parts: str) -> Sequence[str]:
    """The lines of a text that hold all the parts."""
    return [line for line in text.split("\n") if all(part in line for part in parts)]
