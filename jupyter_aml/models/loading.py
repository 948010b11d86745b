"""Loading a model in the user's own process.

The bytes are checked first, all of them. A pickle is a program: whoever wrote it runs it here. So pickles,
and MLflow's models, which may bring any code, are loaded without being asked twice only where that code has
run as this very user before: when a run of their own made them, in a workspace of this machine. For all else,
files from elsewhere among them, the user must say ``trust=True`` (cases E01, L08 and P04).
"""

from __future__ import annotations

import atexit
import getpass
import pickle
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.errors import AmlError, ForbiddenError, InvalidError
from jupyter_aml.models.fetch import fetch

if TYPE_CHECKING:
    from jupyter_aml.client import Client

_RUNS_CODE = {
    "pickle": "a pickle, and a pickle is a program that runs when it is loaded",
    "joblib": "a pickle (written by joblib), and a pickle is a program that runs when it is loaded",
    "mlflow": "an MLflow model, which may bring pickles and code that run when it is loaded",
}
_READ_ON = ("mlflow", "onnx")  # what is loaded may read its files later too


class MissingLibraryError(AmlError):
    """A library that loads models of this kind is not installed here."""

    code = "missing_library"


def load(client: Client, data: Mapping[str, Any], *, trust: bool) -> Any:
    """The object a version holds; ``data`` is the version as the service shows it."""
    name = f"{data['name']}:{data['version']}"
    flavor = data["flavor"]
    loader = _LOADERS.get(flavor["format"])
    if loader is None:
        raise InvalidError(
            f"{name} is a custom model, and jupyter_aml does not know how to load it.",
            hint="Bring its files here and load them yourself: model.download('models')",
        )
    trusted = trust or _is_own(client, data)
    if flavor["format"] in _RUNS_CODE and not trusted:
        raise ForbiddenError(
            f"{name} was not loaded: it is {_RUNS_CODE[flavor['format']]}.",
            detail=f"{_who(data)}. sha256 of its files: {data['digest']}",
            hint="If you trust them: model.load(trust=True). Its files can be looked at after "
            "model.download('models').",
        )
    folder = Path(tempfile.mkdtemp(prefix="aml-model-"))
    try:
        whole = fetch(client, data, folder)
        path = whole / flavor["file"] if data["is_folder"] and flavor["file"] else whole
        return loader(path, name, trusted)
    except AmlError:
        raise
    except Exception as error:
        raise InvalidError(
            f"{name} could not be loaded: {type(error).__name__}: {error}", hint=_versions(flavor)
        ) from error
    finally:
        if flavor["format"] in _READ_ON:
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _is_own(client: Client, data: Mapping[str, Any]) -> bool:
    """Whether the bytes come out of this user's own run here; another machine's word does not count."""
    if client.location.url is not None:
        return False
    me = getpass.getuser()
    return bool(data["user"] == me and data["lineage"]["run_user"] == me)


def _who(data: Mapping[str, Any]) -> str:
    at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(data["created_at"] / 1000))
    lineage = data["lineage"]
    place = (
        f"from the run {lineage['run_name']} of {lineage['run_user']}" if lineage["run_id"] else "from a file"
    )
    return f"{data['user']} registered it on {at} {place}"


def _versions(flavor: Mapping[str, Any]) -> str | None:
    made = ", ".join(f"{name} {version}" for name, version in flavor["requires"].items())
    return f"It was made with {made}." if made else "Was it made with other versions of its libraries?"


def _missing(name: str, library: str) -> MissingLibraryError:
    return MissingLibraryError(
        f"Loading {name} needs {library}, which is not installed in this Python.",
        hint=f"Install it: pip install {library}",
    )


def _pickle(path: Path, _name: str, _trusted: bool) -> Any:
    with path.open("rb") as stream:
        return pickle.load(stream)  # noqa: S301 - checked and trusted, see `load`


def _joblib(path: Path, name: str, _trusted: bool) -> Any:
    try:
        import joblib
    except ImportError:
        raise _missing(name, "joblib") from None
    return joblib.load(path)


def _skops(path: Path, name: str, trusted: bool) -> Any:
    try:
        import skops.io
    except ImportError:
        raise _missing(name, "skops") from None
    unknown = skops.io.get_untrusted_types(file=path)
    if unknown and not trusted:
        raise ForbiddenError(
            f"{name} was not loaded: it holds types that skops does not know to be safe.",
            detail=", ".join(unknown[:20]),
            hint="If you trust them: model.load(trust=True)",
        )
    return skops.io.load(path, trusted=unknown)


def _onnx(path: Path, name: str, _trusted: bool) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise _missing(name, "onnxruntime") from None
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _mlflow(path: Path, name: str, _trusted: bool) -> Any:
    try:
        import mlflow.pyfunc
    except ImportError:
        raise _missing(name, "mlflow") from None
    return mlflow.pyfunc.load_model(str(path))


def _xgboost(path: Path, name: str, _trusted: bool) -> Any:
    try:
        import xgboost
    except ImportError:
        raise _missing(name, "xgboost") from None
    return xgboost.Booster(model_file=str(path))


def _lightgbm(path: Path, name: str, _trusted: bool) -> Any:
    try:
        import lightgbm
    except ImportError:
        raise _missing(name, "lightgbm") from None
    return lightgbm.Booster(model_file=str(path))


_LOADERS: dict[str, Callable[[Path, str, bool], Any]] = {
    "pickle": _pickle,
    "joblib": _joblib,
    "skops": _skops,
    "onnx": _onnx,
    "mlflow": _mlflow,
    "json": _xgboost,
    "ubj": _xgboost,
    "text": _lightgbm,
}
