"""Lazy tables over files, queries and frames; needs the extra ``data`` (pyarrow, and duckdb for profiles).

Reading goes through pyarrow: of the readers tried on a 1 GB CSV it is level with the fastest to a whole
pandas frame, and reads two filtered columns in a tenth of the memory.
"""

from __future__ import annotations

import importlib.util

from jupyter_aml.errors import UnavailableError

if importlib.util.find_spec("pyarrow") is None:
    raise UnavailableError(
        "Tables need pyarrow, which is not installed here.",
        hint="Install it: pip install 'jupyter_aml[data]'",
    )

from jupyter_aml.data.tabular.dataset import TabularDataset
from jupyter_aml.data.tabular.expression import Expression, col

__all__ = ["Expression", "TabularDataset", "col"]
