"""Named places where a test can make this program die, fail, stop or wait.

A site is one line, ``failpoint("blob.renamed")``, at a moment where a crash must lose nothing. Without the
environment variable ``AML_FAILPOINTS`` it does nothing and costs a tenth of a microsecond; with it, and
without ``AML_TEST_MODE=1``, nothing of the program starts, so that nobody meets a fault by accident.

``AML_FAILPOINTS`` is a list of ``site=action`` parted by ``;``:

* ``kill9`` and ``stop`` send SIGKILL or SIGSTOP to this very process;
* ``eio``, ``enospc`` and ``erofs`` raise the `OSError` of that name;
* ``sleep:SECONDS`` waits; ``wait:FILE`` waits until FILE is there;
* ``note:FILE`` appends the site's name to FILE; the site ``*`` stands for every one.

After an action, ``@3`` means the third time this process comes by only (``@3+``: from then on), and
``!FILE`` once for all processes together: whoever can make FILE acts.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from jupyter_aml.errors import AmlError

SITES = frozenset(
    {
        "artifact.staged",  # the bytes lie in staging/, the journal does not name them yet
        "blob.written",  # a blob's bytes are written, not synced
        "blob.synced",
        "blob.renamed",  # it has its name, the folder is not synced
        "blob.kept",
        "compute.ended",  # what was on an instance is gone, the database says Stopping
        "compute.made",  # an instance's slice is there, the database says Creating or Starting
        "compute.on",  # the database says Running, nobody has been told
        "compute.removed",  # an instance and its files are gone, its row is there
        "courier.brought",  # the other machine has what the run needs
        "courier.collected",  # everything of a run that ended there is here, but for its result
        "courier.copied",
        "courier.sent",  # from here on the other machine may run it
        "courier.started",
        "db.commit",  # before the commit
        "db.committed",  # after it, nobody has been told
        "environment.installed",  # everything is there, under a name nobody looks for
        "environment.venv",  # an empty environment is there
        "finalize.logs",  # the logs are blobs, the run is not final
        "finalize.moved",  # the run is final, its live folder is there
        "folder.removed",
        "ingest.adopted",  # artifacts are blobs, their records are not applied
        "ingest.applied",
        "node.added",  # the database says preparing, there is no slice
        "node.ended",  # a node's slice is gone, its row is there
        "node.made",  # its slice is there, the database says preparing
        "result.written",  # the result file is there, the journal does not say it
        "run.assigned",  # everything is laid out for the runner, it is not started
        "run.claimed",  # the database says Preparing, there is no folder
        "run.fenced",  # an attempt is given up, the run is not queued again
        "run.inserted",  # before the commit
        "run.recorded",  # after it, the caller has no answer
        "run.spawned",
        "runner.begun",  # the journal is open
        "runner.collected",  # outputs are in the journal, there is no result
        "runner.end",  # all is said, the lock is held
        "runner.ended",  # the job's processes are gone, nothing is collected
        "runner.launched",  # the job's process is there, the journal is not
        "runner.locked",
        "runner.running",
    }
)
_ENTRY = re.compile(
    r"(?P<site>[a-z.]+|\*)=(?P<action>kill9|stop|eio|enospc|erofs|sleep|wait|note)(?::(?P<argument>[^;@!]+))?"
    r"(?:@(?P<count>[0-9]+)(?P<onward>\+)?)?(?:!(?P<once>[^;]+))?"
)
_ERRORS = {"eio": errno.EIO, "enospc": errno.ENOSPC, "erofs": errno.EROFS}


@dataclass
class _Point:
    action: str
    argument: str
    count: int
    onward: bool
    once: str
    passed: int = 0

    def is_due(self) -> bool:
        """Count that somebody comes by, and say whether to act."""
        self.passed += 1
        due = self.count in (0, self.passed) or (self.onward and self.passed > self.count)
        return due and self._is_first()

    def _is_first(self) -> bool:
        if not self.once:
            return True
        try:
            os.close(os.open(self.once, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return False
        return True

    def act(self, site: str) -> None:
        """Do it."""
        if self.action in _ERRORS:
            raise OSError(_ERRORS[self.action], f"{os.strerror(_ERRORS[self.action])} (failpoint {site})")
        if self.action == "sleep":
            time.sleep(float(self.argument))
        elif self.action == "wait":
            while not Path(self.argument).exists():
                time.sleep(0.005)
        elif self.action == "note":
            descriptor = os.open(self.argument, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.write(descriptor, f"{site}\n".encode())
            os.close(descriptor)
        else:
            os.kill(os.getpid(), signal.SIGKILL if self.action == "kill9" else signal.SIGSTOP)


def parse(text: str) -> dict[str, list[_Point]]:
    """The points that ``text``, of the form of ``AML_FAILPOINTS``, sets, by site."""
    points: dict[str, list[_Point]] = {}
    for entry in filter(None, text.split(";")):
        match = _ENTRY.fullmatch(entry)
        if match is None or (match["site"] != "*" and match["site"] not in SITES):
            raise AmlError(f"{entry!r} sets no failpoint.", hint="See jupyter_aml.core.failpoints.")
        point = (match["action"], match["argument"] or "", int(match["count"] or 0), bool(match["onward"]))
        for site in SITES if match["site"] == "*" else (match["site"],):
            points.setdefault(site, []).append(_Point(*point, match["once"] or ""))
    return points


def _from_environment() -> dict[str, list[_Point]]:
    text = os.environ.get("AML_FAILPOINTS")
    if not text:
        return {}
    if os.environ.get("AML_TEST_MODE") != "1":
        raise AmlError(
            "AML_FAILPOINTS is set, which makes this program fail on purpose.",
            hint="Unset it. Tests that mean it set AML_TEST_MODE=1 too.",
        )
    return parse(text)


_points = _from_environment()


def failpoint(site: str) -> None:
    """Do here what ``AML_FAILPOINTS`` says of ``site``, which is nothing outside of tests."""
    if _points:
        for point in [point for point in _points.get(site, ()) if point.is_due()]:
            point.act(site)
