"""Scratch space: a folder of an instance's own, held to its size where this account may mount file systems.

The size is that of a file system in a file beside the folder. The file is sparse: it takes of the disk what
is written into it. What is in it stays while the instance is off, and goes when that is deleted.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from jupyter_aml.compute.sizes import show_memory
from jupyter_aml.core.paths import make_private

_SECONDS = 60.0
_MOUNT_OPTIONS = "loop,nosuid,nodev"


def open_scratch(folder: Path, size: int | None) -> str | None:
    """Have the folder, of at most ``size`` bytes (None: no limit); what to say of that limit.

    Raises OSError where the disk has not that much.
    """
    make_private(folder)
    if size is None:
        return None
    if not os.path.ismount(folder):
        image = folder.with_suffix(".ext4")
        free = shutil.disk_usage(folder).free
        if not image.exists() and free < size:
            raise OSError(
                f"{show_memory(size)} of scratch space are asked for, the disk has {show_memory(free)}"
            )
        try:
            _mount(image, folder, size)
        except (OSError, subprocess.SubprocessError):
            return "scratch space is not limited: this account may not mount file systems"
    held = folder.with_suffix(".ext4").stat().st_size
    return f"scratch space is {show_memory(held)}, held by a file system of its own"


def close_scratch(folder: Path) -> None:
    """Take the file system away; what is in it stays in its file."""
    if os.path.ismount(folder):
        # Lazily: nothing of the instance lives any more, and who else looks into it must not hold it up.
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            _run("umount", "-l", str(folder))


def _mount(image: Path, folder: Path, size: int) -> None:
    if not image.exists():
        new = image.with_suffix(".new")
        with new.open("wb") as file:
            file.truncate(size)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "nodiscard,root_owner=0:0", str(new))
        new.rename(image)
    _run("mount", "-o", _MOUNT_OPTIONS, str(image), str(folder))
    folder.chmod(0o700)


def _run(*words: str) -> None:
    path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin{os.pathsep}/sbin"
    program = shutil.which(words[0], path=path)
    if program is None:
        raise FileNotFoundError(words[0])
    subprocess.run([program, *words[1:]], capture_output=True, timeout=_SECONDS, check=True)
