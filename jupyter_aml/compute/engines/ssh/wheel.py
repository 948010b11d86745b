"""A wheel of this very package, as it is installed here: what is brought to a machine that has none.

It holds the Python files and what they read, not the JupyterLab extension, which nobody looks at there. Made
of equal files it is equal byte for byte, so its digest names what was brought. Format: the binary
distribution format of the Python packaging specifications (PEP 427).
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import jupyter_aml

_NAME = "jupyter_aml"
_LEFT_OUT = ("__pycache__", "labextension")
_WHEEL = "Wheel-Version: 1.0\nGenerator: jupyter_aml\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_MOMENT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Wheel:
    """A wheel's file name, its bytes, and the SHA-256 of them in hexadecimal digits."""

    name: str
    data: bytes
    digest: str


def own_wheel() -> Wheel:
    """The wheel of this package."""
    version = jupyter_aml.__version__
    entries = [*_package_files(), *_description(f"{_NAME}-{version}.dist-info")]
    record = f"{_NAME}-{version}.dist-info/RECORD"
    lines = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in entries]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [*entries, (record, "\n".join([*lines, f"{record},,", ""]).encode())]:
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), data, zipfile.ZIP_DEFLATED)
    data = stream.getvalue()
    return Wheel(f"{_NAME}-{version}-py3-none-any.whl", data, hashlib.sha256(data).hexdigest())


def _package_files() -> Iterator[tuple[str, bytes]]:
    root = Path(jupyter_aml.__file__).parent
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and not any(part in _LEFT_OUT for part in parts):
            yield "/".join((_NAME, *parts)), path.read_bytes()


def _description(folder: str) -> Iterator[tuple[str, bytes]]:
    """What says which packages it needs, and which programs it has."""
    distribution = metadata.distribution("jupyter-aml")
    for name in ("METADATA", "entry_points.txt"):
        yield f"{folder}/{name}", (distribution.read_text(name) or "").encode()
    yield f"{folder}/WHEEL", _WHEEL.encode()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
