"""Writing a scikit-learn model in a form that runs no code when it is loaded: ONNX or skops.

The new version is registered only when it predicts on the sample what the old one predicts there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.errors import InvalidError
from jupyter_aml.models.loading import MissingLibraryError, load
from jupyter_aml.models.sending import register_local
from jupyter_aml.models.signature import signature_from

if TYPE_CHECKING:
    from jupyter_aml.client import Client

TARGETS = ("onnx", "skops")
_TOLERANCE = 1e-4  # relative; ONNX counts in 32 bits where scikit-learn has 64
_ROWS = 32  # of a sample that is made up


def convert(
    client: Client, data: Mapping[str, Any], to: str, *, sample_input: Any = None, trust: bool = False
) -> dict[str, Any]:
    """Register the version ``data`` anew as ``to`` (``onnx`` or ``skops``); what the service says of it.

    Args:
        sample_input: rows to compare predictions on; numbers at random without it.
    """
    name = f"{data['name']}:{data['version']}"
    writer = _WRITERS.get(to)
    if writer is None:
        raise InvalidError(
            f"A model cannot be converted to {to!r}.", hint=f"It can be: {', '.join(TARGETS)}."
        )
    model = load(client, data, trust=trust)
    if not hasattr(model, "predict") or not hasattr(model, "get_params"):
        raise InvalidError(
            f"{name} is no scikit-learn model ({type(model).__name__}), and only those are converted."
        )
    sample = _made_up(model, name) if sample_input is None else sample_input
    try:
        wanted = model.predict(sample)
    except Exception as error:
        raise InvalidError(
            f"{name} predicts nothing on the sample: {type(error).__name__}: {error}",
            hint="Give a sample_input of the kind of data it is for.",
        ) from error
    with tempfile.TemporaryDirectory(prefix="aml-convert-") as folder:
        target = Path(folder) / f"model.{to}"
        difference = _difference(wanted, writer(model, sample, target))
        if difference > _TOLERANCE:
            raise InvalidError(
                f"{name} predicts something else as {to}, {difference:.3g} of it away; nothing was kept.",
                hint="Keep it as it is, or give a sample_input of the kind of data it is for.",
            )
        about = {
            "description": data["description"],
            "tags": {**data["tags"], "converted_from": name},
            "properties": {"converted_from": name, "compared_rows": str(len(sample))},
            "signature": data["signature"] or (signature_from(sample) if sample_input is not None else None),
            "datasets": data["lineage"]["datasets"],
        }
        return register_local(client, data["name"], target, about)


def _made_up(model: Any, name: str) -> Any:
    """Rows of numbers with the features the model was fitted on."""
    import numpy as np

    count = getattr(model, "n_features_in_", None)
    if count is None:
        raise InvalidError(f"{name} does not say which features it takes.", hint="Give a sample_input.")
    rows = np.random.default_rng(0).normal(size=(_ROWS, count))
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return rows
    import pandas as pd

    return pd.DataFrame(rows, columns=list(names))


def _as_skops(model: Any, sample: Any, target: Path) -> Any:
    try:
        import skops.io
    except ImportError:
        raise MissingLibraryError(
            "Converting to skops needs skops, which is not installed in this Python.",
            hint="Install it: pip install skops",
        ) from None
    skops.io.dump(model, target)
    return skops.io.load(target, trusted=skops.io.get_untrusted_types(file=target)).predict(sample)


def _as_onnx(model: Any, sample: Any, target: Path) -> Any:
    try:
        import onnxruntime
        import skl2onnx
    except ImportError:
        raise MissingLibraryError(
            "Converting to ONNX needs skl2onnx and onnxruntime, which are not installed in this Python.",
            hint="Install them: pip install skl2onnx onnxruntime",
        ) from None
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    problem: Exception | None = None
    for rows in _forms(sample):
        try:
            written = skl2onnx.to_onnx(model, rows, options=options)
        except Exception as error:  # noqa: BLE001 - of many kinds: what it has no rule for
            problem = error
            continue
        target.write_bytes(written.SerializeToString())
        session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
        return session.run(None, _feed(session.get_inputs(), rows))[0]
    raise InvalidError(f"{type(model).__name__} cannot be written as ONNX: {problem}")


def _forms(sample: Any) -> Iterator[Any]:
    """The sample as one array where its columns are numbers, which most models take, then by columns.

    Numbers of 64 bits get 32, as ONNX models of scikit-learn have them.
    """
    import numpy as np

    is_frame = hasattr(sample, "columns") and hasattr(sample, "dtypes")
    if not is_frame or all(dtype.kind in "fiub" for dtype in sample.dtypes):
        rows = np.asarray(sample)
        yield rows.astype("float32") if rows.dtype.kind == "f" else rows
    if is_frame:
        yield sample.astype({name: "float32" for name in sample.columns if sample[name].dtype == "float64"})


def _feed(inputs: Sequence[Any], sample: Any) -> dict[str, Any]:
    if len(inputs) == 1:
        return {inputs[0].name: getattr(sample, "values", sample)}
    return {each.name: sample[[each.name]].to_numpy() for each in inputs}


def _difference(ours: Any, theirs: Any) -> float:
    """How far two predictions are apart at most: relatively for numbers, 0 or infinite for labels."""
    import numpy as np

    left, right = np.asarray(ours), np.asarray(theirs)
    right = right.reshape(left.shape)
    if left.dtype.kind not in "fc":
        return 0.0 if bool((left == right).all()) else float("inf")
    scale = np.maximum(np.abs(left), np.abs(left).max() * 1e-3 + 1e-12)
    return float((np.abs(left - right) / scale).max())


_WRITERS: dict[str, Callable[[Any, Any, Path], Any]] = {"onnx": _as_onnx, "skops": _as_skops}
