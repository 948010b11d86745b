"""`make demo`: run the quickstart notebook against a fresh workspace and show the runs it made.

Everything it writes is under the folder given by ``AML_HOME`` (the Makefile says ``.demo``), which is
emptied first.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "example_notebooks" / "01_quickstart.ipynb"

NEXT = """
The executed notebook:   {executed}
JupyterLab on it all:    make lab
This table again:        AML_HOME={home} {aml} runs
One run of it:           AML_HOME={home} {aml} show RUN
More about it:           README.md
"""


def aml(*arguments: str, quiet: bool = False) -> int:
    """Run the command line ``aml`` and return its exit code."""
    command = [sys.executable, "-m", "jupyter_aml", *arguments]
    return subprocess.run(command, check=False, capture_output=quiet).returncode


def fresh_home(home: Path) -> None:
    """Empty the demo's folder; a service that still works in it is stopped first."""
    if home.exists():
        aml("service", "stop", quiet=True)
        shutil.rmtree(home)
    home.mkdir(mode=0o700)


def run_notebook(executed: Path) -> None:
    """Execute the quickstart as a user would, from its own folder, with a progress bar of its cells."""
    papermill.execute_notebook(
        str(NOTEBOOK),
        str(executed),
        cwd=str(NOTEBOOK.parent),
        kernel_name="python3",
        progress_bar=True,
        # Over TCP, ipykernel prints a warning into the progress bar.
        config=Config(KernelManager={"transport": "ipc"}),
    )


def main() -> int:
    home = Path(os.environ["AML_HOME"])
    executed = home / NOTEBOOK.name
    fresh_home(home)
    print(f"Running {NOTEBOOK.relative_to(ROOT)} against a fresh workspace in {home}", flush=True)
    try:
        run_notebook(executed)
    except PapermillExecutionError as error:
        print(f"{error}\nThe notebook as far as it came: {executed}", file=sys.stderr)
        return 1
    print(flush=True)
    code = aml("runs")
    aml("service", "stop", quiet=True)  # it starts again by itself when it is needed
    print(
        NEXT.format(
            executed=shown(executed), home=shown(home), aml=shown(Path(sys.executable).with_name("aml"))
        )
    )
    return code


def shown(path: Path) -> str:
    """A path as it can be typed into the shell that called make."""
    return shlex.quote(str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path))


if __name__ == "__main__":
    sys.exit(main())
