"""The filter language for models and versions: comparisons joined by AND, as in MLflow's registry.

::

    filter     := [ comparison ( AND comparison )* ]
    comparison := field ( = | != ) text  |  field [ NOT ] ( LIKE | ILIKE ) text
                | field [ NOT ] IN "(" text ( "," text )* ")"  |  version ( = | != | < | <= | > | >= ) number
    field      := name | run_id | user | stage | flavor | type | version | ( tags | properties ) "." key

A tag or property that is not there is unequal to every text (MLflow's clients count on that), and neither
like one nor among any. Keys with blanks stand in back quotes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from jupyter_aml import limits
from jupyter_aml.errors import did_you_mean
from jupyter_aml.models.tables import model_versions, models
from jupyter_aml.tracking.search.tokens import Scanner

Condition = sa.ColumnElement[bool]
_Value = sa.ColumnElement[Any]
_RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_PREFIXES = {"tags": "tags", "tag": "tags", "properties": "properties", "property": "properties"}
_v, _m = model_versions.c, models.c
MODEL_FIELDS: Mapping[str, _Value] = {"name": _m.name, "user": _m.user, "tags": _m.tags}
VERSION_FIELDS: Mapping[str, _Value] = {
    "name": _m.name,
    "user": _v.user,
    "run_id": _v.run,
    "stage": _v.stage,
    "type": _v.type,
    "flavor": sa.func.json_extract(_v.flavor, "$.name"),
    "version": _v.version,
    "version_number": _v.version,
    "tags": _v.tags,
    "properties": _v.properties,
}


def conditions(text: str, fields: Mapping[str, _Value]) -> list[Condition]:
    """What a filter demands, all of it; `InvalidError` names the place and what was expected."""
    reader = _Reader(text, fields)
    found: list[Condition] = []
    while reader.scanner.token.kind != "end":
        if found and not reader.keyword("AND"):
            raise reader.scanner.refuse("AND or the end")
        if len(found) == limits.FILTER_CLAUSES:
            raise reader.scanner.refuse(f"at most {limits.FILTER_CLAUSES} comparisons")
        found.append(reader.comparison())
    return found


class _Reader:
    def __init__(self, text: str, fields: Mapping[str, _Value]) -> None:
        self.scanner = Scanner(text, "filter")
        self._fields = fields

    def keyword(self, word: str) -> bool:
        token = self.scanner.token
        if token.kind != "word" or token.content.upper() != word:
            return False
        self.scanner.advance()
        return True

    def comparison(self) -> Condition:
        field = self._field()
        inverted = self.keyword("NOT")
        found = self._like(field)
        if found is None and self.keyword("IN"):
            found = field.in_(self._texts())
        if found is not None:
            return sa.and_(field.is_not(None), sa.not_(found) if inverted else found)
        token = self.scanner.token
        is_number = field is _v.version
        if inverted or token.content not in (_RELATIONS if is_number else ("=", "!=")):
            raise self.scanner.refuse(
                "one of = != LIKE ILIKE IN" if not is_number else "one of = != < <= > >="
            )
        self.scanner.advance()
        value: Any = self._number() if is_number else self._text()
        if token.content == "!=":
            return field.is_distinct_from(value)
        return sa.and_(field.is_not(None), _RELATIONS[token.content](field, value))

    def _like(self, field: _Value) -> Condition | None:
        if self.keyword("LIKE"):
            glob = "".join(_GLOBS.get(character, character) for character in self._text())
            return field.op("GLOB")(glob)
        if self.keyword("ILIKE"):
            return field.like(self._text())  # SQLite's minds no case of ASCII letters
        return None

    def _field(self) -> _Value:
        token = self.scanner.token
        if token.kind != "word":
            raise self.scanner.refuse("a field such as name, run_id or tags.team")
        self.scanner.advance()
        prefix, dot, key = token.content.partition(".")
        prefix = prefix.lower()
        if dot and prefix in ("attribute", "attributes"):
            prefix, dot = key.lower(), ""
        kind = _PREFIXES.get(prefix, prefix)
        field = self._fields.get(kind)
        if field is None or bool(dot) != (kind in ("tags", "properties")):
            hint = did_you_mean(prefix, self._fields) or f"There are: {', '.join(sorted(self._fields))}."
            raise self.scanner.refuse("a field such as name, run_id or tags.team", token, hint)
        if not dot:
            return field
        if not key:
            quoted = self.scanner.token
            if quoted.kind != "quoted" or quoted.quote == "'" or quoted.start != token.end:
                raise self.scanner.refuse("a name after the dot")
            key = self.scanner.advance().content
        if '"' in key or "\\" in key:
            raise self.scanner.refuse("a name without quotes and backslashes", token)
        return sa.func.json_extract(field, f'$."{key}"')

    def _text(self) -> str:
        token = self.scanner.token
        if token.kind != "quoted" or token.quote == "`":
            raise self.scanner.refuse("a text in quotes", hint=f"Write it as '{token.content or 'text'}'.")
        return self.scanner.advance().content

    def _texts(self) -> list[str]:
        if self.scanner.token.content != "(":
            raise self.scanner.refuse("'(' and a list of texts")
        found: list[str] = []
        while not found or self.scanner.token.content == ",":
            self.scanner.advance()
            found.append(self._text())
        if self.scanner.token.content != ")":
            raise self.scanner.refuse("',' or ')'")
        self.scanner.advance()
        return found

    def _number(self) -> int:
        token = self.scanner.token
        if not token.content.isdecimal() or len(token.content) > 10:
            raise self.scanner.refuse("a whole number")
        return int(self.scanner.advance().content)


# A pattern of LIKE as one of SQLite's GLOB, which minds case.
_GLOBS = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
