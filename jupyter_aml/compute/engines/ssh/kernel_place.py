"""Run on the other machine for each connection of a kernel's: what sshpyk needs there, and a line to hold.

sshpyk starts a kernel by the name of a kernelspec, with a Python that it is told of. So that both are ours,
whatever Jupyter is installed there, ``~/.aml/kernels/<digest of the Python's path>/`` has a kernelspec of the
name ``aml`` and a program ``python`` that finds it first. Where they are is said on standard output; then
this is nothing but a ``cat`` that ends with the connection.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
from pathlib import Path

from jupyter_aml.core.durable import write_durably
from jupyter_aml.core.paths import make_private

KERNEL = "aml"
GREETING = "AML-KERNELS "


def make_place(home: Path, python: str) -> Path:
    """The folder with the kernelspec and the program for ``python``, below ``home``, which is ``~/.aml``."""
    place = home / "kernels" / hashlib.sha256(os.fsencode(python)).hexdigest()[:12]
    spec = {
        "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "interrupt_mode": "message",
    }
    program = (
        "#!/bin/sh\n"
        f"JUPYTER_PATH={shlex.quote(str(place))}${{JUPYTER_PATH:+:$JUPYTER_PATH}}\n"
        "export JUPYTER_PATH\n"
        f'exec {shlex.quote(python)} -P "$@"\n'
    )
    folder = make_private(make_private(place) / "kernels" / KERNEL)
    _keep(folder / "kernel.json", json.dumps(spec, indent=1))
    _keep(place / "python", program)
    (place / "python").chmod(0o700)
    return place


def _keep(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text() != text:
        write_durably(path, text.encode())


def main() -> None:
    """Say where the place is, and wait for the end of standard input."""
    os.umask(0o077)
    given = os.environ.get("AML_REMOTE_HOME")
    place = make_place(Path(given).absolute() if given else Path.home() / ".aml", sys.executable)
    sys.stdout.write(f"\n{GREETING}{place}\n")
    sys.stdout.flush()
    os.execvp("cat", ["cat"])  # noqa: S606, S607 - the one on PATH; much smaller than a Python


if __name__ == "__main__":
    main()
