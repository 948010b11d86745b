"""Environments on compute instances: each one an instance asks for is built, and becomes a kernel there.

A build may take minutes, so it runs in a thread of its own; the loop only looks what has come of it. What an
instance uses is kept from being pruned while the service lives. What a notebook installs with pip goes to a
folder of the instance in front of the environment, and stays there until the instance is deleted.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jupyter_aml.client.launch import index_environment
from jupyter_aml.compute.kernels.folder import InstanceFolder
from jupyter_aml.compute.kernels.specs import WITHOUT, EnvironmentKernel, slug
from jupyter_aml.compute.tables import computes
from jupyter_aml.core.operation import Store
from jupyter_aml.core.paths import make_private
from jupyter_aml.environments import records
from jupyter_aml.environments.build import Builder
from jupyter_aml.environments.existing import inspect_interpreter
from jupyter_aml.environments.index import uv_environment
from jupyter_aml.environments.model import Definition
from jupyter_aml.environments.overlay import make_overlay
from jupyter_aml.environments.uv_process import BuildStopped
from jupyter_aml.errors import AmlError

log = logging.getLogger("jupyter_aml.service")


@dataclass
class _Wanted:
    """An environment of an instance: while it is built neither is set, then ``kernel`` or ``problem`` is."""

    instance: str
    reference: str
    kernel: EnvironmentKernel | None = None
    problem: str | None = None
    use: int | None = None
    gone: bool = False
    lines: list[str] = field(default_factory=list)

    @property
    def note(self) -> str | None:
        """What the instance's details say of it."""
        if self.problem is not None:
            return f"environment {self.reference} offers no kernel: {self.problem}"
        return None if self.kernel is not None else f"environment {self.reference} is being prepared"


class InstanceEnvironments:
    """The environments of all instances of a workspace, as its service keeps them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wanted: dict[tuple[int, str, str], _Wanted] = {}
        self._notes: dict[int, list[str]] = {}
        self._stopping = threading.Event()

    def step(self) -> Mapping[str, Sequence[EnvironmentKernel]]:
        """The kernels that each instance offers now, beside that of this very Python."""
        instances = self._instances()
        asked: dict[tuple[int, str, str], tuple[sa.Row[Any], Definition | None, str]] = {}
        for row in instances:
            for reference in row.spec.get("environments", []):
                definition, problem = self._find(reference)
                digest = problem if definition is None else definition.digest()
                asked[(row.number, reference, digest)] = (row, definition, problem)
        for key in set(self._wanted) - set(asked):
            self._release(self._wanted.pop(key))
        for key, (row, definition, problem) in asked.items():
            if key not in self._wanted:
                self._begin(key, row.name, definition, problem)
        self._note(instances)
        offered: dict[str, list[EnvironmentKernel]] = {}
        for wanted in self._wanted.values():
            if wanted.kernel is not None:
                offered.setdefault(wanted.instance, []).append(wanted.kernel)
        return offered

    def stop(self) -> None:
        """Let the builds end; what is half built is built anew by the next service."""
        self._stopping.set()

    def _instances(self) -> Sequence[sa.Row[Any]]:
        statement = sa.select(computes).where(computes.c.kind == "instance", computes.c.state.not_in(WITHOUT))
        with self._store.database.read() as connection:
            return connection.execute(statement.order_by(computes.c.number)).all()

    def _find(self, reference: str) -> tuple[Definition | None, str]:
        try:
            with self._store.database.read() as connection:
                return records.find(connection, reference).definition, ""
        except AmlError as error:
            return None, error.headline

    def _begin(
        self, key: tuple[int, str, str], instance: str, definition: Definition | None, problem: str
    ) -> None:
        wanted = self._wanted[key] = _Wanted(instance, key[1])
        if definition is None:
            wanted.problem = problem
            return
        threading.Thread(
            target=self._prepare, args=(wanted, definition), name="aml-environment", daemon=True
        ).start()

    def _prepare(self, wanted: _Wanted, definition: Definition) -> None:
        try:
            folder = InstanceFolder(self._store.folder, wanted.instance)
            if definition.interpreter is not None:
                made = self._existing(wanted.reference, definition, definition.interpreter)
            else:
                made = self._built(wanted, definition, folder)
            wanted.kernel = made
        except BuildStopped:
            return
        except AmlError as error:
            wanted.problem = error.headline
        except OSError as error:
            wanted.problem = str(error)
        if wanted.problem is not None:
            lines = "\n".join([wanted.problem, *wanted.lines[-20:]])
            log.warning("environment %s of %s: %s", wanted.reference, wanted.instance, lines)
        self._store.signals.wake()

    def _built(self, wanted: _Wanted, definition: Definition, folder: InstanceFolder) -> EnvironmentKernel:
        index = uv_environment(index_environment(), definition.extra_index_urls)

        def stop() -> str | None:
            return "nobody waits for it" if wanted.gone or self._stopping.is_set() else None

        root = self._store.folder.environments
        builder = Builder(root, index=index, write=wanted.lines.append, stop=stop)
        ready = builder.ready(definition)
        wanted.use = ready.use
        if wanted.gone:
            self._release(wanted)
            raise BuildStopped("nobody waits for it")
        overlay = folder.environments / f"{slug(wanted.reference)}-{ready.built.path.name[:8]}"
        if not overlay.is_dir():
            make_private(overlay.parent)
            make_overlay(ready.built, ready.resolution.python.version, overlay)
        programs = overlay / "bin"
        path = [str(programs), str(ready.built.path / "bin")]
        return _kernel(wanted.reference, definition, programs / "python", path, overlay)

    def _existing(self, reference: str, definition: Definition, interpreter: str) -> EnvironmentKernel:
        inspect_interpreter(interpreter, notebook=True)
        program = Path(interpreter)
        prefix = program.parent.parent
        virtual = prefix if (prefix / "pyvenv.cfg").is_file() else None
        return _kernel(reference, definition, program, [str(program.parent)], virtual)

    def _release(self, wanted: _Wanted) -> None:
        wanted.gone = True
        if wanted.use is not None:
            os.close(wanted.use)
            wanted.use = None

    def _note(self, instances: Sequence[sa.Row[Any]]) -> None:
        """Keep in each instance what is to be said of its environments, and tell who looks at it."""
        for row in instances:
            said = [wanted.note for key, wanted in self._wanted.items() if key[0] == row.number]
            notes = [note for note in said if note is not None]
            if notes == row.spec.get("environment_notes", []):
                continue

            def write(connection: sa.Connection, number: int = row.number, notes: list[str] = notes) -> None:
                current = sa.select(computes.c.spec).where(computes.c.number == number)
                spec = {**connection.execute(current).scalar_one(), "environment_notes": notes}
                connection.execute(sa.update(computes).where(computes.c.number == number).values(spec=spec))

            self._store.database.write(write)
            self._store.signals.publish({"compute": row.name, "state": row.state, "message": None})


def _kernel(
    reference: str, definition: Definition, python: Path, path: Sequence[str], virtual: Path | None
) -> EnvironmentKernel:
    variables = {"PATH": os.pathsep.join([*path, "${PATH}"]), "PYTHONPATH": ""}
    if virtual is not None:
        variables["VIRTUAL_ENV"] = str(virtual)
    # In a kernelspec ``$`` begins a variable of the server's environment.
    own = {name: value.replace("$", "$$") for name, value in definition.environment_variables.items()}
    return EnvironmentKernel(reference, str(python), {**variables, **own})
