"""Frames of pandas and polars, and pyarrow's tables, as files of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_aml.errors import InvalidError


def as_table(frame: Any) -> pa.Table:
    """A frame as a pyarrow table; the index of a pandas frame is kept where it says something."""
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    module = type(frame).__module__.partition(".")[0]
    try:
        if module == "pandas" and hasattr(frame, "columns"):
            return pa.Table.from_pandas(frame)
        if module == "polars" and hasattr(frame, "collect_schema"):
            return (frame.collect() if hasattr(frame, "collect") else frame).to_arrow()
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InvalidError(
            f"The frame cannot be kept as parquet: {' '.join(str(error).split())[:500]}",
            hint="Give columns that hold several kinds of values one type: frame.astype({...}).",
        ) from None
    raise InvalidError(
        f"{type(frame).__name__} is no frame.", hint="Give one of pandas or polars, or a pyarrow table."
    )


def write_parquet(frame: Any, path: Path) -> None:
    """Write a frame to a parquet file; equal frames give equal bytes."""
    pq.write_table(as_table(frame), path)
