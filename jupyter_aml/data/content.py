"""What a version of a data asset consists of: checked, and its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from jupyter_aml.core.blobs import BlobStore
from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.data.model import DataFile, Location, RegisterData
from jupyter_aml.errors import InvalidError, NotFoundError


def check_files(blobs: BlobStore, files: Sequence[DataFile]) -> None:
    """Refuse files that are not stored, named twice, or named as no file may be."""
    seen: set[str] = set()
    for file in files:
        check_logical_path(file.path)
        if file.path in seen:
            raise InvalidError(f"The data names {file.path!r} twice.")
        seen.add(file.path)
        if not blobs.has(file.digest):
            raise NotFoundError(f"The bytes of {file.path!r} were not sent.", hint="Send them first.")
        if blobs.size(file.digest) != file.size:
            raise InvalidError(f"The file {file.path!r} does not have the {file.size:,} bytes announced.")
    for path in seen:
        parents = path.split("/")
        if any("/".join(parents[:depth]) in seen for depth in range(1, len(parents))):
            raise InvalidError(f"The data names a file above {path!r} that would have to be a folder.")


def check_shape(body: RegisterData) -> None:
    """Refuse content that does not go with the type."""
    if (body.place is None) == (not body.files):
        raise InvalidError(
            "A data asset consists of files or of a place in a datastore, and of one of them.",
            hint="Give it path=..., frame=..., or a path of a datastore.",
        )
    if body.type == "uri_file" and body.place is None and len(body.files) != 1:
        raise InvalidError(
            f"A data asset of type uri_file is one file, not {len(body.files):,}.",
            hint="Use type uri_folder.",
        )
    if body.type == "mltable" and body.definition is None:
        raise InvalidError("A data asset of type mltable must say how it is read as a table.")
    is_query = body.definition is not None and body.definition.format == "sql"
    if is_query and (body.place is None or body.definition is None or body.definition.query is None):
        raise InvalidError("A table by SQL needs a datastore and a query.")


def content_digest(body: RegisterData, location: Location | None) -> str:
    """The sha256 of everything that makes two versions different."""
    whole = {
        "type": body.type,
        "files": sorted((file.path, file.digest) for file in body.files),
        "location": None if location is None else location.model_dump(mode="json"),
        "definition": None if body.definition is None else body.definition.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
