"""Names and paths: one grammar for each, applied once, refusing instead of repairing.

The same functions check artifact paths and names in the service, in the runner and in the client
(rules R2 and R16 of the security cases), and this module says where a workspace's folders are.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

from jupyter_aml import limits
from jupyter_aml.errors import InvalidError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
# Format characters that change what a reader sees: zero widths, bidi marks and overrides, byte order mark.
_INVISIBLE = frozenset(
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)


def check_name(name: object, what: str) -> str:
    """``name`` if it may name ``what`` (experiment, workspace, ...), else `InvalidError`.

    The grammar is ``[A-Za-z0-9][A-Za-z0-9 ._-]{0,127}`` with no blank or dot at its end.
    """
    good = isinstance(name, str) and len(name) <= limits.NAME_LENGTH and _NAME.fullmatch(name)
    if isinstance(name, str) and good and name[-1] not in " .":
        return name
    raise InvalidError(
        f"{_shown(name)} is not a valid {what} name.",
        hint=f"Use letters, digits, blank, '.', '_' and '-', starting with a letter or digit, "
        f"at most {limits.NAME_LENGTH} characters.",
    )


def check_text(text: object, what: str, longest: int, *, empty: bool = False) -> str:
    """``text`` if it may be a key or a one-line free text: NFC, no control or invisible characters."""
    if not isinstance(text, str):
        raise InvalidError(f"The {what} must be text, not {type(text).__name__}.")
    if len(text) > longest:
        raise InvalidError(
            f"The {what} has {len(text):,} characters; at most {longest:,} are allowed.",
            hint="Long texts fit into an artifact: run.log_text(name, text).",
        )
    if not empty and not text.strip():
        raise InvalidError(f"The {what} is empty.")
    if unicodedata.normalize("NFC", text) != text:
        raise InvalidError(f"The {what} {_shown(text)} is not in Unicode normal form C.")
    if any(ord(c) < 32 or ord(c) == 127 or c in _INVISIBLE or 0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise InvalidError(f"The {what} {_shown(text)} holds control or invisible characters.")
    return text


def check_value(text: object, what: str, longest: int) -> str:
    """``text`` if it may be a stored value: any Unicode text without NUL or lone surrogates."""
    if not isinstance(text, str):
        raise InvalidError(f"The {what} must be text, not {type(text).__name__}.")
    if len(text) > longest:
        raise InvalidError(
            f"The {what} has {len(text):,} characters; at most {longest:,} are allowed.",
            hint="Long texts fit into an artifact: run.log_text(name, text).",
        )
    if "\0" in text or any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise InvalidError(f"The {what} holds a NUL or a lone surrogate, which cannot be stored.")
    return text


def check_logical_path(path: object) -> str:
    """``path`` if it may name a file inside a run, a snapshot or a model, else `InvalidError`.

    A logical path is relative, of segments joined by ``/``; no segment is empty, ``.`` or ``..``, or ends
    in a blank; there is no backslash, no percent escape, no scheme, no ``#``, ``?``, no control or
    invisible character, and the text is its own NFKC form (so that no look-alike dot or slash passes).
    """
    if not isinstance(path, str) or not path:
        raise InvalidError("A file path inside a run must be a text that is not empty.")
    problem = _path_problem(path)
    if problem:
        raise InvalidError(
            f"{_shown(path)} is not a valid path: {problem}.",
            hint="Use a relative path such as 'plots/roc.png'.",
        )
    return path


def _path_problem(path: str) -> str | None:
    if len(path.encode("utf-8", "surrogatepass")) > limits.PATH_LENGTH:
        return f"it is longer than {limits.PATH_LENGTH} bytes"
    if path.startswith("/"):
        return "it is absolute"
    if "\\" in path:
        return "it holds a backslash"
    if _SCHEME.match(path):
        return "it looks like a URL or a drive"
    if _ESCAPED.search(path):
        return "it holds a percent escape"
    if "#" in path or "?" in path:
        return "it holds '#' or '?'"
    if any(ord(c) < 32 or ord(c) == 127 or c in _INVISIBLE or 0xD800 <= ord(c) <= 0xDFFF for c in path):
        return "it holds control or invisible characters"
    if "\ufffd" in path:  # what decoders put in the place of bytes that are no text
        return "it is no valid UTF-8"
    if unicodedata.normalize("NFKC", path) != path:
        return "it is not in Unicode normal form KC"
    segments = path.split("/")
    if len(segments) > limits.PATH_DEPTH:
        return f"it is deeper than {limits.PATH_DEPTH} folders"
    return next((problem for problem in map(_segment_problem, segments) if problem), None)


def _segment_problem(segment: str) -> str | None:
    if segment in ("", ".", ".."):
        return "it has an empty, '.' or '..' part"
    if segment != segment.strip():
        return "a part begins or ends with a blank"
    if len(segment.encode()) > limits.PATH_SEGMENT_LENGTH:
        return f"a part is longer than {limits.PATH_SEGMENT_LENGTH} bytes"
    return None


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."


def aml_home() -> Path:
    """``$AML_HOME``, else the ``aml`` folder in Jupyter's data folder."""
    if home := os.environ.get("AML_HOME"):
        return Path(home).expanduser().absolute()
    from jupyter_core.paths import jupyter_data_dir

    return Path(jupyter_data_dir()).absolute() / "aml"


def workspaces_folder() -> Path:
    """The folder that holds the workspaces made by name."""
    return aml_home() / "workspaces"


class WorkspaceFolder:
    """Where everything of one workspace lies. Only this class joins path segments below the root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / "aml.db"
        self.blobs = root / "blobs"
        self.runs = root / "runs"
        self.run = root / "run"
        self.environments = root / "environments"
        self.computes = root / "compute"
        self.kernels = root / "kernels"
        self.data = root / "data"
        self.vault = root / "vault.json"
        self.description = root / "workspace.json"
        self.mirror = root / "mirror.json"  # in its place where this is a part of a workspace elsewhere
        self.lock = self.run / "service.lock"
        self.address = self.run / "service.json"
        self.token = self.run / "token"
        self.port = self.run / "port"
        self.service_log = self.run / "service.log"

    def run_folder(self, run_id: str) -> RunFolder:
        """The live folder of a run."""
        return RunFolder(self.runs / run_id)


class RunFolder:
    """The live folder of one run; it goes once its contents are in the blobs and the database."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lock = root / "lock"
        self.attempt = root / "attempt"
        self.journal = root / "journal"
        self.staging = root / "staging"
        self.logs = root / "logs"

    def attempt_folder(self, attempt: int) -> Path:
        """What one attempt works in: its spec, ``work/``, executed notebook and result."""
        return self.root / str(attempt)


def make_private(folder: Path) -> Path:
    """Make ``folder`` and its missing parents with mode 0700, whatever the umask says."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
    return folder
