"""Taking what a job left in its folders: ``outputs/`` at the end, ``logs/`` and the notebook while it runs.

Only regular files are taken; links, pipes, sockets and devices are named in the log and left. Nothing of
the run is alive when ``outputs/`` is walked, so nobody can exchange a folder for a link underneath.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from jupyter_aml import limits
from jupyter_aml.core.paths import check_logical_path
from jupyter_aml.errors import AmlError
from jupyter_aml.tracking.recorder import Recorder

_HOLLOW_BYTES = 2**30  # a sparse file over this would be written out in full


def regular_files(root: Path, complain: Callable[[str], None]) -> Iterator[tuple[str, Path, os.stat_result]]:
    """The regular files below ``root``: their paths from it, where to open them now, and what they are.

    Where to open them is said by the descriptor of their folder, so that it is the folder that was looked at
    though a job that still runs may have put a link in its place. ``root`` itself may be no link either.
    """
    if root.is_symlink():
        complain(f"{root.name} is a link and was left out")
        return
    count = 0

    def unread(error: OSError) -> None:
        if root.is_dir():
            complain(f"the folder {error.filename} was left out: {error.strerror}")

    for folder, folders, names, descriptor in os.fwalk(root, onerror=unread, follow_symlinks=False):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        folders[:] = sorted(set(folders) - set(links))
        for name in sorted(names + links):
            path = Path(f"/proc/self/fd/{descriptor}", name)
            inside = Path(folder, name).relative_to(root).as_posix()
            try:
                status = path.lstat()
            except OSError:
                continue
            if not stat.S_ISREG(status.st_mode):
                complain(f"{inside} is no regular file and was left out")
                continue
            if status.st_size > _HOLLOW_BYTES and status.st_blocks * 512 < status.st_size // 10:
                complain(f"{inside} is almost all holes ({status.st_size:,} bytes) and was left out")
                continue
            count += 1
            if count > limits.ARTIFACT_FILES:
                complain(f"there are more than {limits.ARTIFACT_FILES:,} files; the rest was left out")
                return
            yield inside, path, status


def take_outputs(work: Path, recorder: Recorder, complain: Callable[[str], None]) -> None:
    """Make every file below ``work/outputs`` a file of the run."""
    for inside, path, status in regular_files(work / "outputs", complain):
        try:
            name = check_logical_path(f"outputs/{inside}")
            if status.st_nlink > 1:  # moving it would share bytes with a file somebody can still write
                recorder.add_file(name, path, follow=False)
            else:
                os.chmod(path, 0o600)
                recorder.take_file(name, path)
        except (AmlError, OSError) as error:
            complain(f"outputs/{inside} was left out: {error}")


class LiveFiles:
    """Copies files of the work folder that change while the job runs: ``logs/`` and the executed notebook."""

    def __init__(self, work: Path, recorder: Recorder, complain: Callable[[str], None]) -> None:
        self._work = work
        self._recorder = recorder
        self._complain = complain
        self._seen: dict[str, tuple[int, int]] = {}

    def take_logs(self) -> None:
        """Copy what is new or changed below ``logs/``."""
        if (self._work / "logs").is_dir():
            for inside, path, status in regular_files(self._work / "logs", self._complain):
                self._take(f"logs/{inside}", path, status)

    def take(self, name: str, path: Path) -> None:
        """Copy ``path`` as the run's file ``name``, if it is there and has changed."""
        with contextlib.suppress(FileNotFoundError):
            self._take(name, path, path.lstat())

    def _take(self, name: str, path: Path, status: os.stat_result) -> None:
        state = (status.st_mtime_ns, status.st_size)
        if self._seen.get(name) == state:
            return
        try:
            self._recorder.add_file(check_logical_path(name), path, follow=False)
        except (AmlError, OSError) as error:
            self._complain(f"{name} was left out: {error}")
        self._seen[name] = state
