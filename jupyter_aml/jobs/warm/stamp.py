"""Whether the packages a process imported are still those that are installed.

Installing, removing or upgrading a package changes the modification time of its ``site-packages`` folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def import_folders() -> list[str]:
    """The interpreter, and the folders that packages this process can import are installed in."""
    installed = [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]
    return [sys.executable, *installed]


def stamp(paths: Sequence[str]) -> list[int]:
    """The modification times of ``paths`` in nanoseconds; 0 for what is gone."""
    return [_modified(path) for path in paths]


def _modified(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0
