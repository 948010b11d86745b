"""Attaching a machine: the service's side, and the call a handle makes of it."""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jupyter_aml.compute import records
from jupyter_aml.compute.engines.ssh.channel import printable
from jupyter_aml.compute.engines.ssh.connection import Target, TargetFolder
from jupyter_aml.compute.engines.ssh.hostkey import HostKey, fetch_host_key
from jupyter_aml.compute.engines.ssh.probe import probe
from jupyter_aml.compute.model import AttachSsh, ComputeModel
from jupyter_aml.compute.tables import computes
from jupyter_aml.core.operation import Context, Operations
from jupyter_aml.core.paths import make_private
from jupyter_aml.errors import ConflictError, InvalidError
from jupyter_aml.tracking import states

operations = Operations()


class HostKeyUnconfirmedError(ConflictError):
    """Nobody has confirmed the key the host shows; its fingerprint is in the message."""


@operations.add("POST", "/computes/attach", action="write", resource="aml.compute", status=201)
def attach_compute(context: Context, body: AttachSsh) -> ComputeModel:
    """Attach a machine that is reached by SSH, once its key is confirmed and it has what a runner needs."""
    target = _target(body)
    with context.database.read() as connection:
        _refuse_second(connection, body.name)
    root = make_private(context.store.folder.computes)
    with tempfile.TemporaryDirectory(prefix=".attach-", dir=root) as scratch:
        folder = TargetFolder(Path(scratch) / "place")
        key = fetch_host_key(target, Path(scratch), os.environ)
        _check_host_key(target, key, body)
        folder.save(target, key.line, body.password)
        found = probe(target, folder)
        target = replace(target, has_package=bool(found["package"]))
        details = _details(target, key, found)
        made = context.database.write(
            lambda connection: _insert(connection, body, target, details, context.principal.user)
        )
        # Whoever finds the row finds the folder a moment later; a run waits for it as for the connection.
        place = TargetFolder(root / body.name)
        place.save(target, key.line, body.password)
        place.given_up.unlink(missing_ok=True)
    context.store.signals.publish({"compute": made.name, "state": made.state})
    context.store.signals.wake()
    return made


def _target(body: AttachSsh) -> Target:
    given: dict[str, Any] = {"python": body.python} if body.python is not None else {}
    target = Target(body.name, body.host, body.port, body.username, body.private_key, **given)
    if target.private_key is not None:
        _check_key_file(Path(target.private_key))
    return target


def _check_key_file(path: Path) -> None:
    try:
        status = path.stat()
    except OSError as error:
        raise InvalidError(f"The private key {str(path)!r} cannot be used: {error.strerror}.") from None
    if not stat.S_ISREG(status.st_mode):
        raise InvalidError(f"The private key {str(path)!r} is no file.")
    if status.st_mode & 0o077:
        raise InvalidError(
            f"The private key {str(path)!r} can be read by others, so ssh does not use it.",
            hint=f"chmod 600 {path}",
        )


def _check_host_key(target: Target, key: HostKey, body: AttachSsh) -> None:
    if body.host_key is not None and body.host_key != key.fingerprint:
        raise ConflictError(
            f"{target.shown} shows the host key {key.fingerprint}, not {body.host_key}.",
            "Somebody may stand between you and the machine. Nothing was sent to it.",
        )
    if body.host_key is None and not body.accept_host_key:
        raise HostKeyUnconfirmedError(
            f"{target.shown} shows the {key.kind} host key {key.fingerprint}, which nobody has confirmed.",
            "On the machine itself, ssh-keygen -l -f /etc/ssh/ssh_host_*_key.pub shows what it should be.",
            f"If it is the same: --host-key {key.fingerprint} (scripts that trust the network: "
            "--accept-host-key).",
        )


def _details(target: Target, key: HostKey, found: dict[str, Any]) -> list[str]:
    version = ".".join(str(int(part)) for part in found["python"])
    free = f"{int(found['free']) // 1024**3} GiB free below {found['home']}"
    how = "is used as it is" if target.has_package else "an environment of its own is made with the first run"
    lines = [
        f"ssh {target.shown}",
        f"host key {key.kind} {key.fingerprint}",
        f"Python {version} ({found['executable']}), {found['machine']}: {how}",
        free,
    ]
    return [printable(line)[:400] for line in lines]


def _refuse_second(connection: sa.Connection, name: str) -> None:
    found = connection.execute(sa.select(computes).where(computes.c.folded == name.lower())).one_or_none()
    if found is not None:
        raise ConflictError(
            f"There is a compute {found.name!r} already ({found.kind}).",
            hint=f"Choose another name, or delete it: aml compute delete -n {found.name}",
        )


def _insert(
    connection: sa.Connection, body: AttachSsh, target: Target, details: list[str], user: str
) -> ComputeModel:
    _refuse_second(connection, body.name)
    now = states.now()
    connection.execute(
        sa.insert(computes).values(
            name=body.name, folded=body.name.lower(), kind="ssh", state="Running", state_since=now,
            user=user, description=body.description, tags=body.tags, created_at=now, last_used_at=now,
            spec={"max_runs": body.max_runs, "details": details, "host": target.shown},
        )
    )  # fmt: skip
    return records.model_of(connection, records.compute_row(connection, body.name), now)
