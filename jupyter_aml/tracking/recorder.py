"""What a process writes of its run: the journal, and the bytes of artifacts beside it.

No service is needed to write. `interactive_recorder` also holds the run's lock for the life of the
process, which is how everybody else knows that the run is alive.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any, BinaryIO

from jupyter_aml import limits
from jupyter_aml.core.blobs import Blob, file_digest, open_regular
from jupyter_aml.core.durable import sync_folder
from jupyter_aml.core.failpoints import failpoint
from jupyter_aml.core.journal import JournalWriter, LifeLock
from jupyter_aml.core.paths import RunFolder, check_logical_path, check_text, make_private
from jupyter_aml.errors import InvalidError, NotFoundError

OWN_TAGS = "aml."
_CHUNK = 1024 * 1024


class Recorder:
    """Writes to one attempt of a run from this process."""

    def __init__(self, folder: RunFolder, attempt: int, lock: LifeLock | None = None) -> None:
        self._folder = folder
        self._lock = lock
        self._writer = JournalWriter(folder.journal, attempt)
        self.metric = self._writer.metric
        self.write = self._writer.write

    def add_bytes(self, path: str, data: bytes) -> None:
        """Make ``data`` a file of the run."""
        check_logical_path(path)
        temporary = self._temporary()
        with _private(temporary) as file:
            file.write(data)
        self._stage(temporary, path)

    def add_file(self, path: str, source: Path, *, follow: bool = True) -> None:
        """Make a copy of the file ``source`` a file of the run, as ``path``; ``follow``: it may be a link."""
        check_logical_path(path)
        if not source.is_file():
            raise NotFoundError(
                f"There is no file {str(source)!r} to upload.", hint=f"Looked in {Path.cwd()}."
            )
        temporary = self._temporary()
        with source.open("rb") if follow else open_regular(source) as found, _private(temporary) as file:
            shutil.copyfileobj(found, file, _CHUNK)
        self._stage(temporary, path)

    def take_file(self, path: str, source: Path) -> None:
        """As `add_file`, moving the file instead of copying it."""
        check_logical_path(path)
        temporary = self._temporary()
        try:
            os.rename(source, temporary)
        except OSError:  # another file system
            with open_regular(source) as found, _private(temporary) as file:
                shutil.copyfileobj(found, file, _CHUNK)
        self._stage(temporary, path)

    def _temporary(self) -> Path:
        make_private(self._folder.staging)
        return self._folder.staging / f".{secrets.token_hex(8)}"

    def _stage(self, temporary: Path, path: str) -> None:
        try:
            blob: Blob = file_digest(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.rename(temporary, self._folder.staging / blob.digest)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(self._folder.staging)
        failpoint("artifact.staged")
        now = time.time_ns() // 1_000_000
        self.write({"op": "artifact", "path": path, "digest": blob.digest, "size": blob.size, "time": now})

    def close(self) -> None:
        """Stop writing and let go of the run's lock."""
        self._writer.close()
        if self._lock is not None:
            self._lock.release()


def _private(path: Path) -> BinaryIO:
    """A new file, for nobody else to read whatever the umask says."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def interactive_recorder(folder: RunFolder) -> Recorder:
    """The recorder of the process that started an interactive run; it holds the run's lock."""
    make_private(folder.root)
    lock = LifeLock(folder.lock)
    lock.take(wait=5.0)
    return Recorder(folder, 1, lock)


def context_recorder() -> Recorder:
    """The recorder of a process inside a job, from the environment the runner gave it."""
    return Recorder(RunFolder(Path(os.environ["AML_RUN_DIR"])), int(os.environ.get("AML_ATTEMPT", "1")))


def check_tag_name(name: object) -> str:
    """``name`` if a caller may set a tag of this name; those that begin with ``aml.`` are the service's."""
    text = check_text(name, "tag's name", limits.TAG_NAME_LENGTH)
    if text.startswith(OWN_TAGS):
        raise InvalidError(
            f"The tag {text!r} is set by the service alone.",
            hint=f"Choose a name that does not begin with {OWN_TAGS!r}.",
        )
    return text


def check_object(name: str, value: Any, size: int) -> None:
    """Refuse a structured metric that is too large, before it is written."""
    if size > limits.OBJECT_JSON_BYTES:
        raise InvalidError(
            f"The value of {name!r} has {size:,} bytes as JSON; "
            f"at most {limits.OBJECT_JSON_BYTES:,} are kept.",
            hint="Write it to a file and keep that: run.upload_file(name, path).",
        )
    if _is_deep(value, limits.JSON_DEPTH):
        raise InvalidError(f"The value of {name!r} is nested deeper than {limits.JSON_DEPTH} levels.")
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidError(f"The value of {name!r} holds a lone surrogate, which is no text.") from None


def _is_deep(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deep(item, levels - 1) for item in inner if isinstance(item, dict | list))
