"""The long parts of a run's source, kept as files of the run: its packages and what was not committed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from jupyter_aml import limits
from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.errors import TooLargeError
from jupyter_aml.tracking import states
from jupyter_aml.tracking.records import add_artifact

_FILES = {"packages": "source/packages.txt", "diff": "source/uncommitted.diff"}


@dataclass(frozen=True)
class StoredSource:
    """Blobs to be recorded as files of a run."""

    files: list[dict[str, Any]]

    def record(self, connection: sa.Connection, run: int) -> None:
        """Name the blobs as files of run number ``run``."""
        for file in self.files:
            add_artifact(connection, run, file)


def split_source(source: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The short facts, and the long texts by the path they are kept at."""
    texts = {path: str(source[key]) for key, path in _FILES.items() if source.get(key)}
    facts = {key: value for key, value in source.items() if key not in _FILES}
    check_json_size(facts, "source", limits.SOURCE_JSON_BYTES)
    return facts, texts


def check_json_size(value: Any, what: str, most: int) -> None:
    """Refuse what is shown with a run wherever the run is, and would be too much for a list of runs."""
    size = len(json.dumps(value))
    if size > most:
        raise TooLargeError(f"The run's {what} has {size:,} bytes as JSON; at most {most:,} are kept.")


def store_source(blobs: BlobStore, texts: dict[str, str]) -> StoredSource:
    """Store the long texts."""
    at = states.now()
    files = []
    for path, text in texts.items():
        blob = blobs.put(text.encode("utf-8", "replace"))
        files.append({"path": path, "digest": blob.digest, "size": blob.size, "time": at})
    return StoredSource(files)
