"""``python -m jupyter_aml X`` is ``aml X``."""

from __future__ import annotations

import sys

from jupyter_aml.commands import main

if __name__ == "__main__":
    sys.exit(main())
