"""Renew constraints.txt: ``python tools/pins.py python3.11 python3.12 python3.13``.

Every dependency and extra of pyproject.toml is resolved afresh on the first interpreter named; the others
must accept those pins, and add what only they need. Nothing is installed but a pip for each, in a temporary
folder.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "constraints.txt"
HEADER = """\
# What `make` installs, exactly; renewed by tools/pins.py. Users of the package are held only to the ranges
# in pyproject.toml.
"""


def requirements() -> list[str]:
    """What the project, its extras and its build ask for."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = table["project"]
    extras = [item for items in project["optional-dependencies"].values() for item in items]
    asked = [*project["dependencies"], *extras, *table["build-system"]["requires"], "editables", "pip"]
    return [item for item in asked if not item.startswith(project["name"])]


def resolve(python: str, pins: dict[str, str]) -> dict[str, str]:
    """The versions that ``python`` would install, held to ``pins`` where they name a package."""
    with tempfile.TemporaryDirectory() as folder:
        venv, report, held = Path(folder, "venv"), Path(folder, "report.json"), Path(folder, "pins.txt")
        held.write_text(lines(pins))
        subprocess.run([python, "-m", "venv", str(venv)], check=True)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--upgrade", "pip"], check=True)
        dry = ["--dry-run", "--ignore-installed", "--report", str(report), "--constraint", str(held)]
        subprocess.run([*pip, *dry, *requirements()], check=True)
        found = json.loads(report.read_text())["install"]
    return {item["metadata"]["name"]: item["metadata"]["version"] for item in found}


def lines(pins: dict[str, str]) -> str:
    """The pins in the form of a constraints file, by name."""
    return "".join(f"{name}=={pins[name]}\n" for name in sorted(pins, key=str.lower))


def main(interpreters: list[str]) -> None:
    pins: dict[str, str] = {}
    for python in interpreters:
        pins |= resolve(python, pins)
        print(f"{python}: {len(pins)} pins")
    # A local version (1.0+cpu) names one machine's package source, not a release.
    PINS.write_text(HEADER + re.sub(r"\+\S+", "", lines(pins)))


if __name__ == "__main__":
    main(sys.argv[1:] or [sys.executable])
