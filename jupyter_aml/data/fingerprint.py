"""Whether data that the workspace does not keep is still what it was: by size, time and etag of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from jupyter_aml.data.model import Fingerprint
from jupyter_aml.data.stores import Entry


def fingerprint_of(entries: Iterable[Entry]) -> Fingerprint:
    """The fingerprint of files. An etag counts where there is one, the time of the last change elsewhere."""
    digest, size, count = hashlib.sha256(), 0, 0
    for entry in sorted(entries, key=lambda entry: entry.path):
        stamp = entry.etag if entry.etag is not None else entry.modified_at
        digest.update(f"{entry.path}\0{entry.size}\0{stamp}\n".encode("utf-8", "surrogatepass"))
        size += entry.size or 0
        count += 1
    return Fingerprint(digest=digest.hexdigest(), size=size, file_count=count)


def difference(before: Fingerprint, now: Fingerprint | None) -> str | None:
    """What is different, as the end of a sentence; None where nothing is."""
    if now is None:
        return "it is no longer there"
    if now == before:
        return None
    if now.file_count != before.file_count:
        return f"it has {now.file_count:,} files instead of {before.file_count:,}"
    if now.size != before.size:
        return f"it has {now.size:,} bytes instead of {before.size:,}"
    return "files in it were written since"
