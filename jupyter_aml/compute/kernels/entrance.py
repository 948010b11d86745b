"""The way into a compute instance, for a process of the workspace's owner on the same machine."""

from __future__ import annotations

import json
import os

from jupyter_aml.client import Client
from jupyter_aml.compute.engines.local.slice import Slice
from jupyter_aml.compute.kernels.folder import InstanceFolder
from jupyter_aml.core.paths import WorkspaceFolder
from jupyter_aml.errors import UnavailableError

_LONGEST_TMPDIR = 74  # bytes: a socket's path has 107, multiprocessing appends 33


def enter_instance(client: Client, name: str) -> tuple[Slice, dict[str, str]]:
    """The slice to start a program in (`Slice.wrapped`), and the variables for its environment.

    Raises with a sentence where the instance is off.

    The service says in the instance's folder what the slice is: no answer of its API is a place on disk.
    """
    entered = client.call("enter_compute", name=name)
    folder = InstanceFolder(client.location.folder, entered["name"])
    try:
        found = Slice.from_json(json.loads(folder.slice.read_bytes()))
    except (OSError, ValueError) as error:  # deleted at this very moment
        raise UnavailableError(f"{name} cannot be entered: {error}.", hint="Look at its state.") from error
    return found, variables_on(client.location.folder, entered["name"], found)


def variables_on(workspace: WorkspaceFolder, name: str, entered: Slice) -> dict[str, str]:
    """What a program on the instance finds in its environment, beside what its starter gives it."""
    scratch = str(InstanceFolder(workspace, name).scratch)
    variables = {"AML_WORKSPACE": str(workspace.root), "AML_SCRATCH": scratch, **entered.environment()}
    # Programs make unix sockets in TMPDIR, such as multiprocessing's, whose paths must be short.
    return variables if len(os.fsencode(scratch)) > _LONGEST_TMPDIR else {**variables, "TMPDIR": scratch}
