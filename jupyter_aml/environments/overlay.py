"""The folder that a run has in front of a built environment: what it installs goes there, and goes with it.

It is a virtual environment by itself, of a few links and files, whose ``.pth`` leads to the packages of the
built one. So ``pip install`` in a job works, and the next job with this environment meets nothing of it.
"""

from __future__ import annotations

import os
from pathlib import Path

from jupyter_aml.core.paths import make_private
from jupyter_aml.environments.folder import Built, site_packages
from jupyter_aml.environments.package import can_import, package_folder

_PIP = """\
#!/bin/sh
exec "$(dirname -- "$(realpath -- "$0")")/python" -m pip --disable-pip-version-check "$@"
"""
_SITE = "import site; site.addsitedir({!r})\n"


def make_overlay(built: Built, version: str, folder: Path) -> Path:
    """Make the overlay of ``built`` (a Python of ``version``) in ``folder``; its ``bin``."""
    packages = site_packages(built.path)
    own = make_private(folder / "lib" / packages.parent.name / "site-packages")
    programs = make_private(folder / "bin")
    settings = (built.path / "pyvenv.cfg").read_text()
    (folder / "pyvenv.cfg").write_text(settings)
    base = os.path.realpath(built.python)
    (programs / "python").symlink_to(base)
    for name in ("python3", packages.parent.name):
        (programs / name).symlink_to("python")
    for name in ("pip", "pip3"):
        script = programs / name
        script.write_text(_PIP)
        script.chmod(0o700)
    lines = _SITE.format(str(packages))
    if can_import(version):
        lines += f"{package_folder(built.path.parent)}\n"
    (own / "aml_environment.pth").write_text(lines)
    return programs
