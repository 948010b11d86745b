"""How a data asset is named: ``name``, ``name:3``, ``name@latest``, and Azure's longer forms of these."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jupyter_aml.core.paths import check_name
from jupyter_aml.errors import InvalidError

_LONG = re.compile(
    r"(?:azureml:/?|/)(?:/[^/\s]+)*?/data/(?P<name>[^/\s]+)(?:/(?P<kind>labels|versions)/(?P<value>[^/\s]+))?"
)
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
LATEST = "latest"


@dataclass(frozen=True)
class Reference:
    """A name with a version or a label, at most one of them."""

    name: str
    version: str | None = None
    label: str | None = None

    def __str__(self) -> str:
        return self.name + (f":{self.version}" if self.version else f"@{self.label}" if self.label else "")


def parse_reference(text: str, version: str | None = None, label: str | None = None) -> Reference:
    """The data asset that ``text`` names, with ``version`` or ``label`` where they are given apart."""
    found = _parsed(text)
    if version is not None and label is not None:
        raise InvalidError("A data asset is named by its version or by a label, not by both.")
    if version is not None or label is not None:
        if found.version or found.label:
            raise InvalidError(f"{text!r} says already which version is meant.")
        found = Reference(found.name, version, label)
    for part in (found.version, found.label):
        if part is not None and not _PART.fullmatch(part):
            raise InvalidError(
                f"{ascii(part)[:60]} is no version and no label.", hint="Write name:3 or name@latest."
            )
    if found.label not in (None, LATEST):
        raise InvalidError(
            f"There is no label {found.label!r}.", hint=f"Data assets have the label {LATEST!r}, or name:3."
        )
    return found


def _parsed(text: str) -> Reference:
    match = _LONG.fullmatch(text)
    if match is not None:
        name, value = match["name"], match["value"]
        by_label = match["kind"] == "labels"
        version, label = None if by_label else value, value if by_label else None
    else:
        rest = text.removeprefix("azureml:")
        at, colon = rest.partition("@"), rest.partition(":")
        if at[1]:
            name, version, label = at[0], None, at[2]
        else:
            name, version, label = colon[0], colon[2] if colon[1] else None, None
    return Reference(check_name(name, "data asset"), version, label)
