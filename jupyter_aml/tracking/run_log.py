"""The logging half of a run: everything a training script says, in microseconds and without a service."""

from __future__ import annotations

import io
import json
import math
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_aml import limits
from jupyter_aml.core.paths import check_logical_path, check_text, check_value
from jupyter_aml.errors import ConflictError, InvalidError
from jupyter_aml.tracking.recorder import Recorder, check_object, check_tag_name


class RunLogging:
    """What can be logged to a run. Metrics keep every value; params are set once; tags can change."""

    _recorder: Recorder | None
    _scalars: set[str]
    _metric: Callable[..., None]
    _params: dict[str, str]

    def _writer(self) -> Recorder:
        raise NotImplementedError

    def log(self, name: str, value: Any, step: int | None = None) -> None:
        """Log one value of a metric.

        Args:
            name: up to 250 characters.
            value: a number (bool, NaN and infinities too); a text is kept as a text metric.
            step: any 64-bit integer; without one, the step after the metric's last.

        The value is with the operating system when this returns: it survives the death of the process.
        """
        if name in self._scalars:
            try:
                self._metric(name, value, step)
            except struct.error:
                self._log_slowly(name, value, step)
            return
        self._log_slowly(name, value, step)

    def _log_slowly(self, name: str, value: Any, step: int | None) -> None:
        check_text(name, "metric's name", limits.METRIC_NAME_LENGTH)
        writer = self._writer()
        if isinstance(value, str):
            self._object(
                name, "text", check_value(value, f"value of {name!r}", limits.OBJECT_JSON_BYTES), step
            )
            return
        number = _number(name, value)
        _check_step(name, step)
        writer.metric(name, number, step)
        self._metric = writer.metric
        self._scalars.add(name)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log several metrics, all at the same step."""
        for name, value in metrics.items():
            self.log(name, value, step)

    def log_param(self, name: str, value: Any) -> None:
        """Set a param. It cannot be changed later; setting it to the same value again is fine."""
        check_text(name, "param's name", limits.PARAM_NAME_LENGTH)
        text = check_value(str(value), f"value of param {name!r}", limits.PARAM_VALUE_LENGTH)
        known = self._params.setdefault(name, text)
        if known != text:
            raise ConflictError(
                f"Param {name!r} is {known[:80]!r} and cannot be changed to {text[:80]!r}.",
                hint="Params are set once; use set_tag for what changes.",
            )
        self._writer().write({"op": "param", "name": name, "value": text})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Set several params."""
        for name, value in params.items():
            self.log_param(name, value)

    def _log_tags(self, tags: Mapping[str, str | None]) -> None:
        """Set tags, and remove those that are None, by the journal."""
        for name, value in tags.items():
            check_tag_name(name)
            if value is not None:
                check_value(value, f"value of tag {name!r}", limits.TAG_VALUE_LENGTH)
        self._writer().write({"op": "tags", "tags": dict(tags)})

    def log_list(self, name: str, value: Sequence[Any]) -> None:
        """Log a list of values as one metric value."""
        self._object(name, "list", [_plain(item) for item in value])

    def log_row(self, name: str, **columns: Any) -> None:
        """Log one row of a table that grows row by row."""
        self._object(name, "row", {column: _plain(value) for column, value in columns.items()})

    def log_table(self, name: str, value: Mapping[str, Sequence[Any]] | Any) -> None:
        """Log a table: a dictionary of columns (lists of one length, or single values), or a data frame."""
        if hasattr(value, "to_dict") and hasattr(value, "columns"):
            value = {str(column): list(value[column]) for column in value.columns}
        if not isinstance(value, Mapping):
            raise InvalidError(f"Table {name!r} must be a dictionary of columns, not {type(value).__name__}.")
        table = {str(key): [_plain(x) for x in (v if _is_list(v) else [v])] for key, v in value.items()}
        if len({len(column) for column in table.values()}) > 1:
            lengths = ", ".join(f"{key}: {len(column)}" for key, column in table.items())
            raise InvalidError(f"The columns of table {name!r} are of different lengths ({lengths}).")
        if any(len(column) > limits.TABLE_ROWS for column in table.values()):
            raise InvalidError(
                f"Table {name!r} has more than {limits.TABLE_ROWS:,} rows.",
                hint="Upload it as a file instead.",
            )
        self._object(name, "table", table)

    def log_image(
        self, name: str, path: str | Path | None = None, plot: Any = None, *, step: int | None = None
    ) -> None:
        """Log a picture: ``path`` to an image file, or ``plot``, a matplotlib figure or ``pyplot`` itself."""
        if (path is None) == (plot is None):
            raise InvalidError(f"Image {name!r} needs either path= or plot=.")
        suffix = Path(path).suffix.lower() if path is not None else ".png"
        artifact = check_logical_path(f"images/{name}{'' if name.lower().endswith(suffix) else suffix}")
        if step is not None:
            artifact = check_logical_path(f"images/{name}/{step}{suffix}")
        if path is not None:
            self._writer().add_file(artifact, Path(path))
        else:
            figure = plot.gcf() if hasattr(plot, "gcf") else plot
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", bbox_inches="tight")
            self._writer().add_bytes(artifact, buffer.getvalue())
        self._object(name, "image", {"artifact": artifact}, step)

    def log_confusion_matrix(self, name: str, value: Any) -> None:
        """Log a confusion matrix in Azure ML's form.

        ``value`` is ``{"schema_type": "confusion_matrix", "schema_version": "1.0.0", "data":
        {"class_labels": [...], "matrix": [[...], ...]}}``, or the ``data`` part alone, as a dictionary or
        as JSON text. The matrix is square, of one row for each label, true classes down.
        """
        found = json.loads(value) if isinstance(value, str) else value
        data = found.get("data", found) if isinstance(found, Mapping) else {}
        labels = [str(label) for label in data.get("class_labels", [])]
        matrix = [[_plain(cell) for cell in row] for row in data.get("matrix", [])]
        if not labels or len(matrix) != len(labels) or any(len(row) != len(labels) for row in matrix):
            raise InvalidError(
                f"Confusion matrix {name!r} needs class_labels and a square matrix of the same size.",
                hint='Pass {"class_labels": ["no", "yes"], "matrix": [[50, 3], [2, 45]]}.',
            )
        whole = {
            "schema_type": "confusion_matrix",
            "schema_version": "1.0.0",
            "data": {"class_labels": labels, "matrix": matrix},
        }
        self._object(name, "confusion_matrix", whole)

    def log_text(self, path: str, text: str) -> None:
        """Keep ``text`` as a file of the run."""
        self._writer().add_bytes(path, text.encode())

    def _object(self, name: str, kind: str, value: Any, step: int | None = None) -> None:
        check_text(name, "metric's name", limits.METRIC_NAME_LENGTH)
        _check_step(name, step)
        size = len(json.dumps(value))
        check_object(name, value, size)
        now = time.time_ns() // 1_000_000
        self._writer().write(
            {"op": "object", "name": name, "kind": kind, "value": value, "step": step, "time": now}
        )


def _check_step(name: str, step: Any) -> None:
    if step is not None and not hasattr(step, "__index__"):
        raise InvalidError(f"The step of {name!r} must be an integer, not {step!r}.")
    if step is not None and not -(2**63) < int(step) < 2**63:
        raise InvalidError(f"The step of {name!r} does not fit into 64 bits.")


def _number(name: str, value: Any) -> float:
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        value = value.item()
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidError(
            f"The value of metric {name!r} must be a number, not {type(value).__name__}.",
            hint="Lists: log_list. Tables: log_table. Pictures: log_image.",
        ) from None
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _is_list(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str | bytes | Mapping)


def _plain(value: Any) -> Any:
    """A value as JSON carries it; numbers that are none of JSON's become texts."""
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if _is_list(value):
        return [_plain(item) for item in value]
    return str(value)
