"""The kernelspecs of instances and attached machines: folders in the workspace that come and go with them.

``<workspace>/kernels/aml-<compute>/kernel.json``, and ``aml-<instance>.<environment>/`` beside it, are what
Jupyter's kernelspec manager looks for. The service's loop compares what is there with what shall be.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import logging
import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jupyter_aml.compute.tables import computes
from jupyter_aml.core.operation import Store
from jupyter_aml.core.paths import make_private

log = logging.getLogger("jupyter_aml.service")
PROVISIONER = "aml-instance"
SSH_PROVISIONER = "aml-ssh"
_PREFIX = "aml-"
_SSH_SHUTDOWN_SECONDS = 5  # as long as Jupyter gives a local kernel
WITHOUT = ("CreateFailed", "Deleting")  # states in which a compute offers no kernel
_ODD = re.compile(r"[^a-z0-9_-]+", re.ASCII)
_LOGOS = ("logo-32x32.png", "logo-64x64.png", "logo-svg.svg")


@dataclass(frozen=True)
class EnvironmentKernel:
    """An environment that is ready on an instance: its Python, and the variables its kernels get."""

    environment: str
    python: str
    variables: Mapping[str, str]


NO_ENVIRONMENTS: Mapping[str, Sequence[EnvironmentKernel]] = {}


class KernelSpecs:
    """The kernelspecs of a workspace, as its service keeps them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = store.folder.kernels
        self._written: dict[str, dict[str, Any]] = {}

    def step(self, offered: Mapping[str, Sequence[EnvironmentKernel]] = NO_ENVIRONMENTS) -> None:
        """Make the folders what the instances ask for, and the environments ``offered`` by their names.

        What fails is tried again at the next step.
        """
        wanted = self._wanted(offered)
        present = _names_in(self._folder)
        if wanted == self._written and present == set(wanted):
            return
        try:
            for name in present - set(wanted):
                shutil.rmtree(self._folder / name)
            for name, spec in wanted.items():
                _write(self._folder / name, spec)
        except OSError as error:
            log.warning("the kernelspecs of the computes cannot be written: %s", error)
            return
        self._written = wanted

    def _wanted(self, offered: Mapping[str, Sequence[EnvironmentKernel]]) -> dict[str, dict[str, Any]]:
        statement = sa.select(computes.c.kind, computes.c.name).where(
            computes.c.kind.in_(("instance", "ssh")), computes.c.state.not_in(WITHOUT)
        )
        with self._store.database.read() as connection:
            rows = connection.execute(statement).all()
        names = [row.name for row in rows if row.kind == "instance"]
        specs = {spec_name(name): _spec(name) for name in names}
        if can_reach_kernels():
            specs |= {spec_name(row.name): _ssh_spec(row.name) for row in rows if row.kind == "ssh"}
        for name in names:
            for kernel in offered.get(name, ()):
                specs[spec_name(name, kernel.environment)] = _environment_spec(name, kernel)
        return specs


def can_reach_kernels() -> bool:
    """Whether there is what starts kernels on machines that are reached by SSH: an extra of this package."""
    return importlib.util.find_spec("sshpyk") is not None


def spec_name(compute: str, environment: str | None = None) -> str:
    """The name of a kernelspec of a compute: what a notebook keeps."""
    return _PREFIX + compute.lower() + ("" if environment is None else f".{slug(environment)}")


def slug(environment: str) -> str:
    """A reference to an environment as a part of a name on the disk; different ones stay different."""
    plain = _ODD.sub("-", environment.lower())[:60]
    if plain == environment:
        return plain
    return f"{plain}-{hashlib.sha256(environment.encode()).hexdigest()[:6]}"


def _spec(instance: str) -> dict[str, Any]:
    own = _own_kernel()
    return {
        **own,
        "display_name": f"Python 3 on {instance}",
        "metadata": {**own.get("metadata", {}), **_provisioned(instance)},
    }


def _environment_spec(instance: str, kernel: EnvironmentKernel) -> dict[str, Any]:
    return {
        "argv": [kernel.python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"Python 3 ({kernel.environment}) on {instance}",
        "language": "python",
        "env": dict(kernel.variables),
        "metadata": {"debugger": True, **_provisioned(instance)},
    }


def _ssh_spec(machine: str) -> dict[str, Any]:
    """``interrupt_mode``: sshpyk sends no signals."""
    return {
        "argv": [],
        "display_name": f"Python 3 on {machine}",
        "language": "python",
        "interrupt_mode": "message",
        "metadata": {
            "debugger": True,
            "kernel_provisioner": {
                "provisioner_name": SSH_PROVISIONER,
                "config": {"compute": machine, "shutdown_time": _SSH_SHUTDOWN_SECONDS},
            },
        },
    }


def _provisioned(instance: str) -> dict[str, Any]:
    return {"kernel_provisioner": {"provisioner_name": PROVISIONER, "config": {"instance": instance}}}


@functools.cache
def _own_kernel() -> dict[str, Any]:
    """The kernelspec of this very Python, as ipykernel writes it."""
    from ipykernel.kernelspec import get_kernel_dict

    return get_kernel_dict()


def _names_in(folder: Path) -> set[str]:
    try:
        return {entry.name for entry in os.scandir(folder) if entry.is_dir()}
    except FileNotFoundError:
        return set()


def _write(folder: Path, spec: dict[str, Any]) -> None:
    """Write a kernelspec; whoever looks meanwhile sees it whole or not at all."""
    text = json.dumps(spec, indent=1)
    file = folder / "kernel.json"
    if file.is_file() and file.read_text() == text:
        return
    make_private(folder)
    from ipykernel.kernelspec import RESOURCES

    for logo in _LOGOS:
        if (source := Path(RESOURCES, logo)).is_file():
            shutil.copyfile(source, folder / logo)
    temporary = folder / f".{secrets.token_hex(4)}"
    temporary.write_text(text)
    temporary.replace(file)
