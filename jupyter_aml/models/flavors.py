"""What kind of model files hold, told by their names and first bytes.

Nothing is loaded and nothing unpacked: a pickle is searched for the name of a library as text, never opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from jupyter_aml.models.mlmodel import NAME, read_mlmodel, signature_of
from jupyter_aml.models.model import Flavor, FlavorName, ModelFile, ModelType, Signature

HEAD_BYTES = 64 * 1024
_CANDIDATES = 50  # files that are looked into, of a folder
_PICKLES = (".pkl", ".pickle", ".joblib", ".p", ".sav")
_BOOSTERS = (".json", ".ubj", ".bst", ".model", ".xgb")
_TEXTS = (".txt", ".lgb", ".model", ".bst")
_PICKLED = re.compile(rb"\x80[\x02-\x05]")
_SQUEEZED = (
    b"\x78\x01",
    b"\x78\x5e",
    b"\x78\x9c",
    b"\x78\xda",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ",
    b"]\x00\x00",
    b"\x04\x22M\x18",
)
_ONNX = re.compile(rb"\x08[\x01-\x7f]")  # the field ir_version of a ModelProto
_XGBOOST_JSON = re.compile(rb"\s*\{\s*\"(learner|version)\"\s*:")
_XGBOOST_UBJ = re.compile(rb"\{L\x00{7}[\x07](learner|version)")
_LIGHTGBM = re.compile(rb"tree\r?\nversion=")

Read = Callable[[str, int], bytes]  # a digest and how many bytes: the first bytes of the blob


def find_flavor(
    files: list[ModelFile], read: Read, wanted: ModelType | None
) -> tuple[Flavor, ModelType, Signature | None]:
    """What the files are, as flavour, as Azure's type, and the signature that they bring.

    A folder that holds just one file of a known kind is a model of that kind.
    """
    mlmodel = next((file for file in files if file.path == NAME), None)
    if mlmodel is not None and wanted in (None, "mlflow_model"):
        content = read_mlmodel(read(mlmodel.digest, mlmodel.size))
        return _mlflow(content), "mlflow_model", signature_of(content)
    known = [flavor for flavor in (_of_file(file, read) for file in _candidates(files)) if flavor]
    flavor = known[0] if len(known) == 1 else Flavor()
    return flavor, wanted or "custom_model", None


def _candidates(files: Iterable[ModelFile]) -> list[ModelFile]:
    suffixes = {*_PICKLES, *_BOOSTERS, *_TEXTS, ".skops", ".onnx"}
    fitting = [file for file in files if _suffix(file.path) in suffixes]
    return fitting if len(fitting) <= _CANDIDATES else []


def _suffix(path: str) -> str:
    name = path.rsplit("/", 1)[-1].lower()
    return "." + name.rsplit(".", 1)[-1] if "." in name else ""


def _mlflow(content: dict[str, object]) -> Flavor:
    flavors = content["flavors"]
    assert isinstance(flavors, dict)
    requires = {
        key.removesuffix("_version"): value
        for told in flavors.values()
        if isinstance(told, dict)
        for key, value in told.items()
        if key.endswith("_version") and isinstance(value, str) and len(value) < 100
    }
    names = sorted(str(name)[:100] for name in flavors)
    return Flavor(
        name="mlflow", format="mlflow", flavors=names[:100], requires=dict(list(requires.items())[:20])
    )


def _of_file(file: ModelFile, read: Read) -> Flavor | None:
    suffix, head = _suffix(file.path), read(file.digest, min(file.size, HEAD_BYTES))
    found = _kind(suffix, head)
    return None if found is None else Flavor(name=found[0], format=found[1], file=file.path)


def _kind(suffix: str, head: bytes) -> tuple[FlavorName, str] | None:
    if suffix in _PICKLES and (_PICKLED.match(head) or head.startswith(_SQUEEZED)):
        written = "joblib" if suffix == ".joblib" or b"joblib" in head or head[:1] != b"\x80" else "pickle"
        return "sklearn" if b"sklearn" in head else "pickle", written
    if suffix == ".skops" and head.startswith(b"PK\x03\x04"):
        return "skops", "skops"
    if suffix == ".onnx" and _ONNX.match(head):
        return "onnx", "onnx"
    if suffix in _BOOSTERS and _XGBOOST_JSON.match(head):
        return "xgboost", "json"
    if suffix in _BOOSTERS and _XGBOOST_UBJ.match(head):
        return "xgboost", "ubj"
    if suffix in _TEXTS and _LIGHTGBM.match(head):
        return "lightgbm", "text"
    return None
