"""Secrets of a workspace: one file that only its owner can read, never a column of the database.

Nothing here is answered by any operation; who may read the file reads it. Only the service writes it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from jupyter_aml.core.durable import write_durably
from jupyter_aml.errors import AmlError

_SHORT = 4  # masking a text so short would garble what it is masked in
_lock = threading.Lock()


class Vault:
    """The vault in the file ``path``: named sets of secrets."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, name: str) -> dict[str, str]:
        """The secrets kept under ``name``; none where there are none."""
        return self._read().get(name, {})

    def put(self, name: str, secrets: Mapping[str, str]) -> None:
        """Keep ``secrets`` under ``name``, in place of what was there; durable on return."""
        with _lock:
            found = self._read()
            found.pop(name, None)
            if secrets:
                found[name] = dict(secrets)
            write_durably(self._path, json.dumps(found, indent=1).encode())

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            found = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise AmlError(f"{self._path} is damaged.", hint="Give the credentials again, or restore it.")
        return found


def masked(text: str, secrets: Iterable[str]) -> str:
    """``text`` with every secret in it replaced by ``***``."""
    for secret in sorted((value for value in secrets if len(value) >= _SHORT), key=len, reverse=True):
        text = text.replace(secret, "***")
    return text
