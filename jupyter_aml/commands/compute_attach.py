"""``aml compute attach|detach``: machines that are reached by SSH."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from jupyter_aml.commands.compute import NAME, NO_WAIT, YES, described
from jupyter_aml.commands.declare import Commands, option, switch, whole_number
from jupyter_aml.commands.session import Session
from jupyter_aml.errors import UsageError

commands = Commands()


@commands.add(
    "compute attach",
    NAME,
    option("--host", help="its name, its address, or a Host of ~/.ssh/config", required=True),
    option("--port", convert=whole_number, help="its SSH port (default: as ~/.ssh/config says, else 22)"),
    option("-u", "--username", metavar="USER", help="the account there (default: as ssh would)"),
    option("--private-key", metavar="FILE", values="file", help="a key's file (default: as ssh would)"),
    switch("--ask-password", help="ask for the account's password, or the key's; from a pipe, read its line"),
    option("--python", help="the Python there: a name or a whole path (default: python3)"),
    option("--host-key", metavar="SHA256:...", help="the fingerprint that its host key must have"),
    switch("--accept-host-key", help="take whatever host key it shows now; for networks that you trust"),
    option("--max-runs", convert=whole_number, default=1, help="runs it takes at once"),
    option("--description", default="", help="what it is for"),
)
def attach(session: Session, *, name: str, ask_password: bool, **given: Any) -> dict[str, Any]:
    """Attach a machine that is reached by SSH, so that runs can be sent there.

    aml compute attach -n gpu-box --host gpu-box.lab --username ada
    aml submit -c gpu-box train.py

    Nothing needs to be installed on it but Python 3.11 or newer, with venv. The first time, it says which
    host key the machine shows: compare it, then give it with --host-key.
    """
    password = _password(name) if ask_password else None
    found = session.workspace.compute.attach_ssh(name, password=password, **given)
    return described(found.get_status())


def _password(name: str) -> str:
    if sys.stdin.isatty():
        return getpass.getpass(f"Password for {name}: ")
    line = sys.stdin.readline().rstrip("\n")
    if not line:
        raise UsageError("No password came.", hint="Type it when asked, or give it as a line of a pipe.")
    return line


@commands.add(
    "compute detach",
    NAME,
    YES,
    NO_WAIT,
    switch("--force", help="cancel the runs that are on it or wait for it"),
)
def detach(session: Session, *, name: str, yes: bool, no_wait: bool, force: bool) -> None:
    """Forget an attached machine. What was brought there stays, below ~/.aml of the account."""
    found = session.workspace.compute[name]
    if found.kind != "ssh":
        raise UsageError(f"{found.name} is no attached machine.", hint=f"aml compute delete -n {found.name}")
    if not yes:
        raise UsageError(f"To detach {found.name}, say --yes.")
    found.delete(force=force, wait=not no_wait)
