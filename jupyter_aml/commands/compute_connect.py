"""``aml compute connect``: the user's shell on a compute instance."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from jupyter_aml.commands.compute import NAME
from jupyter_aml.commands.declare import Commands
from jupyter_aml.commands.session import Session
from jupyter_aml.errors import InvalidError, UnavailableError, UsageError

commands = Commands()
_RC = """\
if [ -f ~/.bashrc ]; then . ~/.bashrc; fi
PS1={prompt}"$PS1"
"""


@commands.add("compute connect", NAME)
def connect(session: Session, *, name: str) -> None:
    """Open a shell on a running instance: what you start there is held to the instance's size.

    aml compute connect -n ci-ada
    """
    from jupyter_aml.compute.kernels.entrance import enter_instance
    from jupyter_aml.compute.kernels.folder import InstanceFolder

    if session.face == "magic":
        raise UsageError(
            "A notebook is no terminal.", hint=f"In one of JupyterLab's: aml compute connect -n {name}"
        )
    client = session.workspace.client
    if session.workspace.path is None:
        raise InvalidError("The workspace is on another machine.", hint="Connect over there.")
    found = session.workspace.compute[name]
    entered, variables = enter_instance(client, found.name)
    environment = {**os.environ, **variables}
    folder = InstanceFolder(client.location.folder, found.name)
    words = _shell(found.name, folder.root / "bashrc", environment)
    client.close()
    sys.stdout.flush()
    try:
        os.execvpe("/bin/sh", entered.wrapped(words), environment)  # noqa: S606 (this is it)
    except OSError as error:
        raise UnavailableError(f"No shell could be started on {found.name}: {error}.") from error


def _shell(name: str, rc_file: Path, environment: dict[str, str]) -> list[str]:
    """The user's shell with a prompt that names the instance."""
    shell, prompt = environment.get("SHELL") or "/bin/sh", f"({name}) "
    if not sys.stdin.isatty():
        return [shell]
    if Path(shell).name == "bash":
        rc_file.write_text(_RC.format(prompt=shlex.quote(prompt)))
        return [shell, "--rcfile", str(rc_file), "-i"]
    environment["PS1"] = f"{prompt}{environment.get('PS1', '$ ')}"
    return [shell, "-i"]
