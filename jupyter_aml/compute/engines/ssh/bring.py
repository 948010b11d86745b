"""Having the package on the other machine, so that there is an agent and a runner to start.

A Python there that has the package is used as it is. Else this package is brought as a wheel and installed,
with what it needs from where that machine's pip finds packages, into ``~/.aml/runners/<version>-<digest>``:
an environment of its own for each state of the package, made once and by nobody twice.
"""

from __future__ import annotations

import base64
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib import resources

import jupyter_aml
from jupyter_aml.compute.engines.ssh.channel import (
    Channel,
    ConnectionLostError,
    NoRunnerError,
    RefusedError,
    explained,
    printable,
)
from jupyter_aml.compute.engines.ssh.connection import Target, TargetFolder, ssh_arguments, ssh_environment
from jupyter_aml.compute.engines.ssh.wheel import Wheel, own_wheel

_AGENT = "-P -m jupyter_aml.compute.engines.ssh.agent"
_BRING_SECONDS = 900.0
_LOOK_SECONDS = 0.25
_SSH_FAILED = 255
Say = Callable[[str], None]
Stop = Callable[[], bool]


def open_channel(target: Target, folder: TargetFolder, say: Say, stop: Stop) -> Channel:
    """A connection with an agent at its end, which is brought there where it is missing.

    Args:
        say: is told what goes on.
        stop: whether the wish to connect is gone; it is asked while something is brought.
    """
    if target.has_package:
        return Channel(target, folder, f"exec {target.python} {_AGENT}")
    wheel = own_wheel()
    runner = _runner_folder(wheel)
    command = f"[ -e {runner}/.ready ] && exec {runner}/bin/python {_AGENT}; printf '\\nAML-NO-RUNNER\\n'"
    try:
        return Channel(target, folder, command)
    except NoRunnerError:
        _set_up(target, folder, wheel, say, stop)
    return Channel(target, folder, command)


def runner_python(target: Target) -> str:
    """The Python there that has the package, or will once it was brought: a word for its ``/bin/sh``."""
    return target.python if target.has_package else f"{_runner_folder(own_wheel())}/bin/python"


def _runner_name(wheel: Wheel) -> str:
    return f"{jupyter_aml.__version__}-{wheel.digest[:12]}"


def _runner_folder(wheel: Wheel) -> str:
    return f'"${{AML_REMOTE_HOME:-$HOME/.aml}}"/runners/{_runner_name(wheel)}'


def _set_up(target: Target, folder: TargetFolder, wheel: Wheel, say: Say, stop: Stop) -> None:
    say(f"bringing jupyter_aml {jupyter_aml.__version__} to {target.name}: once, about a minute")
    script = resources.files("jupyter_aml.compute.engines.ssh").joinpath("setup_runner.py").read_text()
    given = (_runner_name(wheel), wheel.name, base64.b64encode(wheel.data).decode())
    code, said = _run(target, folder, f"{script}\n\nset_up{given!r}\n".encode(), stop)
    if said:
        say(said)
    if code == _SSH_FAILED:
        raise explained(target, code, said)
    if code != 0:
        raise RefusedError(
            f"jupyter_aml could not be installed on {target.name}: "
            f"{said.splitlines()[-1] if said else f'its Python ended with {code}'}",
            said or None,
            "Its pip must find packages (an index, or a mirror in its pip.conf); or install jupyter_aml "
            f"{jupyter_aml.__version__} in a Python there, and attach the machine again with --python.",
        )


def _run(target: Target, folder: TargetFolder, script: bytes, stop: Stop) -> tuple[int, str]:
    """Run a script there; the exit code of ``ssh``, and what was said."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(script)
        given.seek(0)
        process = subprocess.Popen(
            ssh_arguments(target, folder, f"exec {target.python} -"),
            stdin=given, stdout=said, stderr=subprocess.STDOUT,
            env=ssh_environment(folder), start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + _BRING_SECONDS
        try:
            while process.poll() is None:
                if stop() or time.monotonic() > deadline:
                    raise ConnectionLostError(f"Nothing more was brought to {target.name}.")
                time.sleep(_LOOK_SECONDS)
        finally:
            process.kill()
            process.wait()
        said.seek(0)
        return process.returncode, printable(said.read()[-20_000:].decode("utf-8", "replace")).strip()
