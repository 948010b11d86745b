"""The host key: fetched before anything is sent, shown, and pinned once somebody has confirmed it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jupyter_aml.compute.engines.ssh.channel import ConnectionLostError, printable
from jupyter_aml.compute.engines.ssh.connection import PLAIN, Target, host_key_options, ssh_start

_FETCH_SECONDS = 45.0
# Nothing of ours is offered before the key is known: the connection ends at "Permission denied".
_NO_LOGIN = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "accept-new",
    "PreferredAuthentications": "none",
    "PubkeyAuthentication": "no",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
}


@dataclass(frozen=True)
class HostKey:
    """A host's public key: its line for a file of known hosts, its kind and its fingerprint."""

    line: str
    kind: str
    fingerprint: str


def fetch_host_key(target: Target, folder: Path, environment: Mapping[str, str]) -> HostKey:
    """The key the host shows now; ``folder`` is an empty one to work in."""
    known = folder / "known_hosts"
    options = {**_NO_LOGIN, **host_key_options(target, known), **PLAIN}
    try:
        answer = subprocess.run(
            [*ssh_start(target, options), "--", target.host, "true"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
            timeout=_FETCH_SECONDS, env=dict(environment),
        )  # fmt: skip
        said = printable(answer.stderr).strip()
    except subprocess.TimeoutExpired:
        said = f"no answer in {_FETCH_SECONDS:g} s"
    if not known.is_file():
        raise ConnectionLostError(
            f"{target.shown} cannot be reached: {said.splitlines()[-1] if said else 'no host key came'}",
            hint="Check the host and the port: they are what you would give to ssh.",
        )
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-E", "sha256", "-f", str(known)],  # noqa: S607 - the one on PATH, as ssh is
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, timeout=20,
    ).stdout.split()  # fmt: skip
    return HostKey(known.read_text(), shown[-1].strip("()"), shown[1])
