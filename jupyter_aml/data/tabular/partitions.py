"""Columns out of the paths of files: ``/{country}/{day:yyyy/MM/dd}/part.csv``, as Azure ML writes them."""

from __future__ import annotations

import re
from datetime import datetime

from jupyter_aml.errors import InvalidError

_FIELD = re.compile(r"\{(?P<name>[A-Za-z_][A-Za-z0-9_ ]*)(?::(?P<format>[^{}]+))?\}")
_TIMES = {"yyyy": ("Y", 4), "MM": ("m", 2), "dd": ("d", 2), "HH": ("H", 2), "mm": ("M", 2), "ss": ("S", 2)}
_TOKEN = re.compile("|".join(_TIMES))
Value = str | datetime


class PartitionFormat:
    """A format, matched against the end of a path; ``*`` in it is any part of a name."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._formats: dict[str, str] = {}
        pattern, position = "", 0
        for match in _FIELD.finditer(text):
            pattern += _plain(text[position : match.start()]) + self._group(match["name"], match["format"])
            position = match.end()
        pattern += _plain(text[position:])
        if not self._formats or len(self._formats) != len(_FIELD.findall(text)):
            raise InvalidError(
                f"{text!r} is no partition format.", hint="For example /{country}/{day:yyyy/MM/dd}/data.csv"
            )
        self._pattern = re.compile(f".*?{pattern}")

    def _group(self, name: str, form: str | None) -> str:
        number = len(self._formats)
        self._formats[name] = form or ""
        if form is None:
            return f"(?P<f{number}>[^/]+)"
        body, position = "", 0
        for token in _TOKEN.finditer(form):
            body += re.escape(form[position : token.start()]) + f"[0-9]{{{_TIMES[token[0]][1]}}}"
            position = token.end()
        return f"(?P<f{number}>{body}{re.escape(form[position:])})"

    @property
    def columns(self) -> dict[str, type[Value]]:
        """The columns it makes, and whether they hold texts or times."""
        return {name: datetime if form else str for name, form in self._formats.items()}

    def values(self, path: str) -> dict[str, Value]:
        """The values a path says; `InvalidError` for one that does not follow the format."""
        match = self._pattern.fullmatch(f"/{path.lstrip('/')}")
        if match is None:
            raise InvalidError(f"The file {path!r} does not follow the partition format {self._text!r}.")
        found: dict[str, Value] = {}
        for number, (name, form) in enumerate(self._formats.items()):
            text = match[f"f{number}"]
            found[name] = _time(text, form, path) if form else text
        return found


def _plain(text: str) -> str:
    return "[^/]*".join(re.escape(part) for part in text.split("*"))


def _time(text: str, form: str, path: str) -> datetime:
    python = _TOKEN.sub(lambda token: f"%{_TIMES[token[0]][0]}", form.replace("%", "%%"))
    try:
        return datetime.strptime(text, python)  # noqa: DTZ007 - a path names no zone
    except ValueError:
        raise InvalidError(f"The file {path!r} names no time: {text!r} is not {form}.") from None
