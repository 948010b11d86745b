"""The filter language: MLflow's, and with OR, NOT and parentheses.

::

    filter     := [ either ]
    either     := both ( OR both )*
    both       := single ( AND single )*
    single     := NOT single | "(" either ")" | comparison
    comparison := field ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
                | field [ NOT ] ( LIKE | ILIKE ) text
                | field [ NOT ] IN "(" text ( "," text )* ")"
                | field IS [ NOT ] NULL
    field      := ( metrics | params | tags | attributes ) "." name  |  attribute
    ordering   := field [ ASC | DESC ]

A name stands bare (letters, digits, ``_ - . / :``) or in back quotes or double quotes; a text in single or
double quotes; a quote inside is written twice. Metrics and times take numbers, everything else text.
Keywords are read in any case. What a comparison means:

* On a metric, param, tag or attribute that a run does not have it is false (``!=``, ``NOT IN``, ``NOT LIKE``
  too); only ``IS NULL`` is true then. ``NOT`` turns false into true, so ``NOT params.a = '1'`` does find it.
* A metric counts with its last value. One that is NaN is neither null nor equal, less or greater than
  anything, so of the comparisons with a number only ``!=`` finds it.
* ``LIKE`` minds case, ``ILIKE`` does not (for ASCII letters); ``%`` is any text, ``_`` any one character.
* ``status`` takes our words and MLflow's (``FINISHED``); its ``start_time`` is our ``created_at``.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from jupyter_aml import limits
from jupyter_aml.errors import InvalidError, did_you_mean
from jupyter_aml.tracking.model import Status
from jupyter_aml.tracking.search.fields import (
    ATTRIBUTES,
    MLFLOW_STATUSES,
    PREFIXES,
    TAG_ATTRIBUTES,
    Field,
    attribute,
    statuses,
)
from jupyter_aml.tracking.search.tokens import Scanner, Token

_RELATIONS = frozenset({"=", "!=", "<", "<=", ">", ">="})
_MISTAKEN = {
    "==": "=", "===": "=", "<>": "!=", "=!": "!=", "=<": "<=", "=>": ">=",
    "~": "LIKE", "=~": "LIKE", "&": "AND", "&&": "AND", "|": "OR", "||": "OR", "!": "NOT",
}  # fmt: skip
_OTHER_WORDS = frozenset({"LIKE", "ILIKE", "RLIKE", "REGEXP", "GLOB", "MATCH", "BETWEEN", "IN"})
_FIELD = "a field such as metrics.rmse, params.alpha, tags.team or status"
_PREFIX_HINT = "Metrics, params and tags carry a prefix, as in metrics.rmse."


@dataclass(frozen=True, slots=True)
class Comparison:
    """``field operator value``: a tuple for ``IN`` and ``NOT IN``, None for ``IS NULL``, ``IS NOT NULL``."""

    field: Field
    operator: str
    value: Hashable


@dataclass(frozen=True, slots=True)
class AllOf:
    """True where every part is."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where one of the parts is."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True where the part is not."""

    part: Node


Node = Comparison | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True)
class Ordering:
    """A field to order by. Runs without a value come last either way."""

    field: Field
    descending: bool


def parse_filter(text: str) -> Node | None:
    """The tree of a filter, None for an empty one; `InvalidError` names the place and what was expected."""
    reader = _Reader(text, "filter")
    if reader.scanner.token.kind == "end":
        return None
    node = reader.either()
    reader.expect_end("AND, OR or the end")
    return node


def parse_orderings(texts: Sequence[str]) -> list[Ordering]:
    """The orderings of ``["metrics.rmse ASC", "start_time DESC"]``; `InvalidError` for what is none."""
    if len(texts) > limits.ORDER_BY_MAX:
        raise InvalidError(f"There are {len(texts):,} orderings; at most {limits.ORDER_BY_MAX} are allowed.")
    found: list[Ordering] = []
    for text in texts:
        reader = _Reader(text, "ordering")
        ordering = reader.ordering()
        if any(ordering.field == other.field for other in found):
            raise InvalidError(f"The orderings name {text!r} twice.", hint="Order by each field once.")
        found.append(ordering)
    return found


class _Reader:
    """Recursive descent; the depth and the number of comparisons are bounded."""

    def __init__(self, text: str, what: str) -> None:
        self.scanner = Scanner(text, what)
        self._comparisons = 0
        self._depth = 0

    def either(self) -> Node:
        parts = [self._both()]
        while self._keyword("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def ordering(self) -> Ordering:
        field = self._field()
        descending = self._keyword("DESC")
        if not descending:
            self._keyword("ASC")
        self.expect_end("ASC, DESC or the end")
        return Ordering(field, descending)

    def expect_end(self, expected: str) -> None:
        if self.scanner.token.kind != "end":
            raise self._unexpected(expected)

    def _unexpected(self, expected: str) -> InvalidError:
        """The error after a whole comparison, where a text that ended too early is the usual mistake."""
        token = self.scanner.token
        if token.start and self.scanner.text[token.start - 1] in "'\"" and token.kind in ("word", "quoted"):
            return self.scanner.refuse(expected, hint="A quote inside a text is written twice: 'it''s'.")
        return self.scanner.refuse(expected, hint=_mistaken(token))

    def _both(self) -> Node:
        parts = [self._single()]
        while self._keyword("AND"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _single(self) -> Node:
        opening = self.scanner.token
        inverted = self._keyword("NOT")
        if not inverted and not self._mark("("):
            return self._comparison()
        self._depth += 1
        if self._depth > limits.FILTER_CLAUSES:
            raise self.scanner.refuse(
                f"at most {limits.FILTER_CLAUSES} levels of NOT and parentheses", opening
            )
        if inverted:
            node: Node = Not(self._single())
        else:
            node = self.either()
            if not self._mark(")"):
                raise self._unexpected("AND, OR or ')'")
        self._depth -= 1
        return node

    def _comparison(self) -> Comparison:
        self._comparisons += 1
        if self._comparisons > limits.FILTER_CLAUSES:
            raise self.scanner.refuse(f"at most {limits.FILTER_CLAUSES} comparisons")
        field = self._field()
        if self._keyword("IS"):
            operator = "IS NOT NULL" if self._keyword("NOT") else "IS NULL"
            if not self._keyword("NULL"):
                raise self.scanner.refuse("NULL")
            return Comparison(field, operator, None)
        inverted = self._keyword("NOT")
        for word in ("LIKE", "ILIKE", "IN"):
            if not field.is_number and self._keyword(word):
                operator = f"NOT {word}" if inverted else word
                return Comparison(field, operator, self._texts(field) if word == "IN" else self._text(field))
        token = self.scanner.token
        if inverted or token.content not in _RELATIONS:
            raise self.scanner.refuse(
                _operators(field, inverted), hint=_mistaken(token) or _blank(field, token)
            )
        self.scanner.advance()
        if field.is_number:
            return Comparison(field, token.content, self._number(field))
        if token.content not in ("=", "!="):
            raise self.scanner.refuse(
                _operators(field, False), token, f"{_named(field)} is text, not a number."
            )
        return self._equality(field, token.content)

    def _equality(self, field: Field, operator: str) -> Comparison:
        if field != Field("attribute", "status"):
            return Comparison(field, operator, self._text(field))
        return Comparison(field, "IN" if operator == "=" else "NOT IN", self._status())

    def _field(self) -> Field:
        token = self.scanner.token
        if token.kind != "word":
            raise self.scanner.refuse(_FIELD)
        prefix, dot, key = token.content.partition(".")
        self.scanner.advance()
        if not dot:
            return self._attribute(token, prefix)
        kind = PREFIXES.get(prefix.lower())
        if kind is None:
            hint = did_you_mean(prefix.lower(), PREFIXES) or _PREFIX_HINT
            raise self.scanner.refuse("metrics, params, tags or attributes before the dot", token, hint)
        if not key:
            key = self._quoted_key(token)
        if kind == "tag" and key in TAG_ATTRIBUTES:
            return Field("attribute", TAG_ATTRIBUTES[key])
        return self._attribute(token, key) if kind == "attribute" else Field(kind, key)

    def _quoted_key(self, before: Token) -> str:
        token = self.scanner.token
        if token.kind != "quoted" or token.quote == "'" or token.start != before.end or not token.content:
            raise self.scanner.refuse(
                "a name after the dot", hint="Put a name with blanks in back quotes: metrics.`val loss`."
            )
        return self.scanner.advance().content

    def _attribute(self, token: Token, name: str) -> Field:
        found = attribute(name)
        if found is None:
            hint = did_you_mean(name.lower(), ATTRIBUTES) or _PREFIX_HINT
            raise self.scanner.refuse(_FIELD, token, hint)
        return Field("attribute", found)

    def _number(self, field: Field) -> float:
        token = self.scanner.token
        if token.kind != "number":
            hint = "Write numbers without quotes." if token.kind == "quoted" else None
            if field.kind == "attribute":
                hint = "Times are numbers: milliseconds since 1970-01-01 UTC."
            raise self.scanner.refuse("a number", hint=hint)
        self.scanner.advance()
        # Whole numbers stay exact up to SQLite's 64 bits; longer ones, of any length, are floats.
        digits = token.content.lstrip("+-")
        return int(token.content) if digits.isdigit() and len(digits) < 19 else float(token.content)

    def _text(self, field: Field) -> str:
        token = self.scanner.token
        if token.kind != "quoted" or token.quote == "`":
            shown = token.content if token.kind in ("word", "number") else "text"
            raise self.scanner.refuse("a text in quotes", hint=f"{_named(field)} is text; write '{shown}'.")
        return self.scanner.advance().content

    def _texts(self, field: Field) -> tuple[str, ...]:
        if not self._mark("("):
            raise self.scanner.refuse("'(' and a list of texts", hint="Write a list as in IN ('a', 'b').")
        is_status = field == Field("attribute", "status")
        found: list[str] = []
        while True:
            found += self._status() if is_status else (self._text(field),)
            if self._mark(")"):
                return tuple(found)
            if not self._mark(","):
                raise self._unexpected("',' or ')'")

    def _status(self) -> tuple[str, ...]:
        token = self.scanner.token
        found = statuses(self._text(Field("attribute", "status")))
        if found is None:
            words = [*(status.value for status in Status), *MLFLOW_STATUSES]
            hint = did_you_mean(token.content, words) or f"The statuses are {', '.join(Status)}."
            raise self.scanner.refuse("a status of a run", token, hint)
        return found

    def _keyword(self, word: str) -> bool:
        token = self.scanner.token
        if token.kind != "word" or token.content.upper() != word:
            return False
        self.scanner.advance()
        return True

    def _mark(self, mark: str) -> bool:
        token = self.scanner.token
        if token.kind != "mark" or token.content != mark:
            return False
        self.scanner.advance()
        return True


def _operators(field: Field, inverted: bool) -> str:
    if field.is_number:
        return "one of = != < <= > >= or IS"
    return "LIKE, ILIKE or IN after NOT" if inverted else "one of = != LIKE ILIKE IN or IS"


def _named(field: Field) -> str:
    return {"param": "A param", "tag": "A tag"}.get(field.kind, f"The attribute {field.key!r}")


def _mistaken(token: Token) -> str | None:
    meant = _MISTAKEN.get(token.content) if token.kind == "operator" else None
    return f"Write {meant} instead." if meant else None


def _blank(field: Field, token: Token) -> str | None:
    if field.kind == "attribute" or token.kind != "word" or token.content.upper() in _OTHER_WORDS:
        return None
    return "A name with blanks stands in back quotes, as in metrics.`val loss`."
