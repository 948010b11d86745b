"""Submitting a notebook that lies under Jupyter's root folder.

Imported only when one is submitted: it brings pydantic and the submitting side of the workspace.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_core.paths import is_hidden
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jupyter_aml import limits
from jupyter_aml.client import Location
from jupyter_aml.core.strict_json import parse
from jupyter_aml.errors import InvalidError, NotFoundError
from jupyter_aml.jobs.model import notebook
from jupyter_aml.workspace import Workspace


class SubmitNotebook(BaseModel):
    """What to submit: a notebook by its path in Jupyter's contents, its parameters' values, and where to."""

    model_config = ConfigDict(extra="forbid", strict=True)

    path: str = Field(min_length=1, max_length=4096)
    parameters: dict[str, Any] = {}
    experiment: str | None = None
    display_name: str | None = Field(None, max_length=limits.DISPLAY_NAME_LENGTH)
    compute: str | None = Field(None, min_length=1, max_length=60)
    environment: str | None = Field(None, min_length=1, max_length=400)


def submit_notebook(location: Location, root_dir: Path, body: bytes, *, allow_hidden: bool) -> dict[str, Any]:
    """Submit the notebook ``body`` names and return its run as JSON. Blocks while it copies the folder."""
    wanted = _wanted(body)
    file = notebook_file(root_dir, wanted.path, allow_hidden=allow_hidden)
    workspace = Workspace(location)
    try:
        run = workspace.submit(
            notebook(file, wanted.parameters, environment=wanted.environment),
            compute=wanted.compute,
            experiment=wanted.experiment,
            display_name=wanted.display_name,
        )
        return dict(workspace.client.call("get_run", run_id=run.id))
    finally:
        workspace.client.close()


def _wanted(body: bytes) -> SubmitNotebook:
    try:
        return SubmitNotebook.model_validate(parse(body))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}"[:300] for item in error.errors()[:10]]
        raise InvalidError(
            "The request does not have the form this operation takes.", "\n".join(lines)
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"The body is not valid JSON: {str(error)[:200]}.") from None


def notebook_file(root_dir: Path, path: str, *, allow_hidden: bool) -> Path:
    """The notebook at ``path`` in Jupyter's contents, as a file.

    ``path`` is relative, its parts joined by ``/``. Where it leads out of ``root_dir``, by its parts or by a
    symbolic link, or is no notebook, it is refused; where there is nothing, or it is hidden and Jupyter does
    not show hidden files, it is not found.
    """
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise InvalidError(
            f"{ascii(path)[:80]} is not a path in Jupyter's files.",
            hint="Use a path such as 'folder/train.ipynb'.",
        )
    if not path.endswith(".ipynb"):
        raise InvalidError(f"{ascii(path)[:80]} is no notebook.", hint="Its name must end in .ipynb.")
    root = root_dir.resolve()
    written = root.joinpath(*parts)
    try:
        real = written.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        raise _absent(path) from None
    if not real.is_relative_to(root):
        raise InvalidError(f"{ascii(path)[:80]} leads out of Jupyter's root folder.")
    if not real.is_file() or not (allow_hidden or not (is_hidden(written, root) or is_hidden(real, root))):
        raise _absent(path)
    if real.suffix != ".ipynb":
        raise InvalidError(f"{ascii(path)[:80]} is a link to something that is no notebook.")
    return real


def _absent(path: str) -> NotFoundError:
    return NotFoundError(
        f"There is no notebook {ascii(path)[:80]}.", hint="Save it first, or look at its path."
    )
