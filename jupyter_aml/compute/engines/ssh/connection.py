"""How a machine is reached: the parts of an SSH address, checked, and the ``ssh`` program they are given to.

The user's own configuration, jump hosts and agent count. Three things are ours alone: the host key, pinned
in a file of the compute's own; that nothing is forwarded; and that no connection of somebody else is shared,
whose host key we did not see.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path

from jupyter_aml.core.durable import write_durably
from jupyter_aml.core.paths import make_private
from jupyter_aml.errors import InvalidError

CONNECT_SECONDS = 15
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}|[0-9a-fA-F:]{2,45}(%[A-Za-z0-9_.]{1,16})?", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}", re.ASCII)
_PYTHON = re.compile(r"[A-Za-z0-9_/~][A-Za-z0-9_./+-]{0,399}", re.ASCII)
_KEY_FILE = re.compile(r"/[^\x00-\x1f\x7f%$\"'\\]{1,999}")
_ASKPASS = '#!/bin/sh\nexec cat "$AML_SSH_PASSWORD_FILE"\n'


def check_host(host: str) -> str:
    """``host`` if it is a name, an alias of the SSH configuration, or an address; else `InvalidError`."""
    return _checked(_HOST, host, "host", "Give a host name, an address, or a Host of your ~/.ssh/config.")


def check_username(name: str) -> str:
    """``name`` if it may name an account."""
    return _checked(_USER, name, "user name", "Use letters, digits, '_', '.', '@', '+' and '-'.")


def check_python(path: str) -> str:
    """``path`` if it may be a Python on the other machine: a program's name or a whole path."""
    return _checked(_PYTHON, path, "Python", "Give a name such as python3.12, or a whole path.")


def check_private_key(path: str) -> str:
    """``path`` if it may be the file of a private key on this machine."""
    hint = "Give the whole path of the key's file, without quotes, '%', '$' or backslashes."
    return _checked(_KEY_FILE, path, "path of a private key", hint)


def _checked(grammar: re.Pattern[str], text: str, what: str, hint: str) -> str:
    if isinstance(text, str) and grammar.fullmatch(text):
        return text
    raise InvalidError(f"{ascii(text)[:80]} is no {what}.", hint=hint)


@dataclass(frozen=True)
class Target:
    """A machine and how it is reached.

    Attributes:
        port, username, private_key: None leaves it to the user's SSH configuration.
        python: the Python there. ``has_package``: it has this package and is used as it is; else it makes
            an environment of its own for it.
    """

    name: str
    host: str
    port: int | None = None
    username: str | None = None
    private_key: str | None = None
    python: str = "python3"
    has_package: bool = False

    def __post_init__(self) -> None:
        check_host(self.host)
        check_python(self.python)
        if self.username is not None:
            check_username(self.username)
        if self.private_key is not None:
            check_private_key(self.private_key)

    @property
    def shown(self) -> str:
        """As people write it: ``ada@gpu-box:2222``."""
        user = f"{self.username}@" if self.username else ""
        return f"{user}{self.host}{f':{self.port}' if self.port else ''}"

    @property
    def alias(self) -> str:
        """The name its host key has in our own list of known hosts."""
        return f"aml-{self.name.lower()}"


class TargetFolder:
    """What is kept of an attached machine: ``compute/<name>/`` of the workspace, for the owner alone."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.target = root / "ssh.json"
        self.known_hosts = root / "known_hosts"
        self.password = root / "password"
        self.askpass = root / "askpass"
        self.given_up = root / "given-up"  # its user deleted it by force: it is waited for no more

    def save(self, target: Target, known_hosts: str, password: str | None) -> None:
        """Keep how the machine is reached; the password in a file of its own."""
        make_private(self.root)
        write_durably(self.known_hosts, known_hosts.encode())
        if password is None:
            self.password.unlink(missing_ok=True)
        else:
            write_durably(self.password, password.encode() + b"\n")
            write_durably(self.askpass, _ASKPASS.encode())
            self.askpass.chmod(0o700)
        write_durably(self.target, json.dumps(asdict(target)).encode())

    def load(self) -> Target:
        """How the machine is reached."""
        return Target(**json.loads(self.target.read_bytes()))


def ssh_arguments(target: Target, folder: TargetFolder, command: str) -> list[str]:
    """The ``ssh`` that runs ``command`` (for ``/bin/sh``) there, its input and output being ours."""
    options = {
        "BatchMode": "no" if folder.password.is_file() else "yes",
        "NumberOfPasswordPrompts": "1",
        "StrictHostKeyChecking": "yes",
        **host_key_options(target, folder.known_hosts),
        **PLAIN,
    }
    key = [] if target.private_key is None else ["-i", target.private_key, "-o", "IdentitiesOnly=yes"]
    return [*ssh_start(target, options), *key, "--", target.host, f"exec /bin/sh -c {shlex.quote(command)}"]


PLAIN = {
    "ConnectTimeout": str(CONNECT_SECONDS), "ServerAliveInterval": "5", "ServerAliveCountMax": "3",
    "ControlMaster": "no", "ControlPath": "none", "ClearAllForwardings": "yes", "ForwardAgent": "no",
    "ForwardX11": "no", "PermitLocalCommand": "no", "RemoteCommand": "none", "EscapeChar": "none",
    "LogLevel": "ERROR",
}  # fmt: skip


def host_key_options(target: Target, known_hosts: Path) -> dict[str, str]:
    """The options that look for the host's key in ``known_hosts`` alone, under our own name for it."""
    return {
        "UserKnownHostsFile": f'"{known_hosts}"',
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": target.alias,
        "HashKnownHosts": "no",
        "UpdateHostKeys": "no",
        "VerifyHostKeyDNS": "no",
    }


def ssh_start(target: Target, options: dict[str, str]) -> list[str]:
    """``ssh`` with these options, the port and the user, but not yet the host."""
    given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    port = [] if target.port is None else ["-p", str(target.port)]
    user = [] if target.username is None else ["-l", target.username]
    return ["ssh", "-T", "-a", "-x", *given, *port, *user]


def ssh_environment(folder: TargetFolder) -> dict[str, str]:
    """This process's environment, and how ``ssh`` asks for the password where one is kept."""
    if not folder.password.is_file():
        return dict(os.environ)
    return {
        **os.environ,
        "SSH_ASKPASS": str(folder.askpass),
        "SSH_ASKPASS_REQUIRE": "force",
        "DISPLAY": os.environ.get("DISPLAY", ":0"),
        "AML_SSH_PASSWORD_FILE": str(folder.password),
    }
