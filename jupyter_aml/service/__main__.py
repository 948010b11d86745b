"""``python -m jupyter_aml.service FOLDER``: own the workspace in FOLDER."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from jupyter_aml.errors import AmlError


def main(arguments: list[str]) -> int:
    """Run the service; 1 with the reason on stderr when the workspace cannot be opened."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("papermill").setLevel(logging.ERROR)  # it quotes notebooks, which may hold secrets
    from jupyter_aml.service.process import run_service

    try:
        return run_service(Path(arguments[0]))
    except AmlError as error:
        sys.stderr.write(f"aml-error: {error.code}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
