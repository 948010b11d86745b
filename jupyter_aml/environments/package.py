"""Our own package inside an environment that does not have it: it, and nothing that is installed beside it.

``.package/`` below the built environments holds one link, to this very package. An environment finds it by a
``.pth`` file, so ``from jupyter_aml import Run`` works in a job, with the standard library alone.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import jupyter_aml
from jupyter_aml.core.paths import make_private

SUPPORTED = (3, 10)  # of the part that jobs log with; the rest of the package needs 3.11


def package_folder(environments: Path) -> Path:
    """The folder that holds the link to this package, made or set right where it must be."""
    folder = make_private(environments / ".package")
    target = str(Path(jupyter_aml.__file__).parent)
    link = folder / "jupyter_aml"
    if not link.is_symlink() or os.readlink(link) != target:
        temporary = folder / f".{secrets.token_hex(4)}"
        temporary.symlink_to(target)
        temporary.rename(link)
    return folder


def can_import(version: str) -> bool:
    """Whether a Python of this version can import the package."""
    major, minor = version.split(".")[:2]
    return (int(major), int(minor)) >= SUPPORTED
