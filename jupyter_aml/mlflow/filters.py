"""MLflow's filters and orderings over lists that are short: experiments, models, their versions.

Runs are searched in SQL, see `jupyter_aml.tracking.search`; these lists hold hundreds of things, read whole
and filtered here. The language is MLflow's: comparisons joined by AND, ``=  !=  <  <=  >  >=  LIKE  ILIKE
IN``, on attributes and on ``tags.x``, ``params.x``, ``metrics.x``. A tag that a thing does not have differs
from every text.
"""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from jupyter_aml import limits
from jupyter_aml.errors import InvalidError, did_you_mean
from jupyter_aml.tracking.search.page_tokens import read_token, write_token
from jupyter_aml.tracking.search.tokens import Scanner

Item = Mapping[str, Any]
T = TypeVar("T")
_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne,
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_GROUPS = {"tag": "tags", "tags": "tags", "param": "params", "params": "params", "parameter": "params",
           "parameters": "params", "metric": "metrics", "metrics": "metrics"}  # fmt: skip
_OWN = ("attribute", "attributes", "attr")


@dataclass(frozen=True)
class Field:
    """An attribute, or (with a group) a tag, param or metric, by name."""

    group: str
    name: str

    def of(self, item: Item) -> Any:
        """The value ``item`` has, or None."""
        return item[self.group].get(self.name) if self.group else item[self.name]


Test = Callable[[Item], bool]


def select(
    items: Sequence[Item],
    *,
    attributes: Sequence[str],
    filter: str | None,
    order_by: Sequence[str] = (),
) -> list[Item]:
    """The items that fulfil ``filter``, in the order asked for (as they came where none is).

    Args:
        items: each maps the ``attributes`` to values, and ``tags`` (``params``, ``metrics``) to mappings.
        attributes: what filter and ordering may name without a prefix.
    """
    tests = _Reader(filter or "", "filter", attributes).tests()
    found = [item for item in items if all(test(item) for test in tests)]
    for text in reversed(order_by):
        field, descending = _Reader(text, "ordering", attributes).ordering()
        found.sort(key=_sort_key(field, descending), reverse=descending)
    return found


def page(
    items: Sequence[T], count: int, token: str | None, secret: bytes, search: object
) -> tuple[Sequence[T], str | None]:
    """``count`` of the items from where ``token`` says, and the token of what follows them."""
    start = read_token(secret, search, token, 1)[0] if token else 0
    more = len(items) > start + count
    return items[start : start + count], write_token(secret, search, [start + count]) if more else None


def _sort_key(field: Field, descending: bool) -> Callable[[Item], Any]:
    """Things without a value come last either way."""

    def key(item: Item) -> Any:
        value = field.of(item)
        return ((value is None) != descending, "" if value is None else value)

    def safe(item: Item) -> Any:
        missing, value = key(item)
        return (missing, isinstance(value, str), value)

    return safe


class _Reader:
    def __init__(self, text: str, what: str, attributes: Sequence[str]) -> None:
        self._scanner = Scanner(text, what)
        self._attributes = attributes

    def tests(self) -> list[Test]:
        found: list[Test] = []
        while self._scanner.token.kind != "end":
            if found and not self._keyword("AND"):
                raise self._scanner.refuse("AND or the end")
            found.append(self._comparison())
            if len(found) > limits.FILTER_CLAUSES:
                raise InvalidError(f"A filter has at most {limits.FILTER_CLAUSES} comparisons.")
        return found

    def ordering(self) -> tuple[Field, bool]:
        field = self._field()
        descending = self._keyword("DESC")
        if not descending:
            self._keyword("ASC")
        if self._scanner.token.kind != "end":
            raise self._scanner.refuse("ASC, DESC or the end")
        return field, descending

    def _field(self) -> Field:
        token = self._scanner.token
        if token.kind == "quoted" and token.quote in '`"':
            self._scanner.advance()
            return self._attribute(token.content)
        if token.kind != "word":
            raise self._scanner.refuse("a field such as name or tags.team")
        prefix, dot, name = token.content.partition(".")
        self._scanner.advance()
        if dot and not name:
            following = self._scanner.token
            if following.kind != "quoted" or following.quote == "'" or following.start != token.end:
                raise self._scanner.refuse("a name after the dot")
            name = self._scanner.advance().content
        if not dot or prefix.lower() in _OWN:
            return self._attribute(name or token.content)
        group = _GROUPS.get(prefix.lower())
        if group is None:
            raise self._scanner.refuse("tags, params, metrics or attributes before the dot", token)
        return Field(group, name)

    def _attribute(self, name: str) -> Field:
        if name not in self._attributes:
            known = ", ".join(self._attributes)
            raise InvalidError(
                f"Invalid attribute key {name!r} specified. Valid keys are {known}.",
                hint=did_you_mean(name, self._attributes),
            )
        return Field("", name)

    def _comparison(self) -> Test:
        field = self._field()
        if self._keyword("LIKE"):
            return _matches(field, self._value(), re.NOFLAG)
        if self._keyword("ILIKE"):
            return _matches(field, self._value(), re.IGNORECASE)
        if self._keyword("IN"):
            values = self._values()
            return lambda item: field.of(item) in values
        token = self._scanner.token
        compare = _RELATIONS.get(token.content) if token.kind == "operator" else None
        if compare is None:
            raise self._scanner.refuse("one of = != < <= > >= LIKE ILIKE IN")
        self._scanner.advance()
        return _compares(field, compare, self._value())

    def _values(self) -> list[Any]:
        self._mark("(")
        values = [self._value()]
        while self._scanner.token.content == ",":
            self._scanner.advance()
            values.append(self._value())
        self._mark(")")
        return values

    def _mark(self, mark: str) -> None:
        if self._scanner.token.kind != "mark" or self._scanner.token.content != mark:
            raise self._scanner.refuse(f"{mark!r}")
        self._scanner.advance()

    def _value(self) -> Any:
        token = self._scanner.token
        if token.kind == "number":
            self._scanner.advance()
            return float(token.content)
        if token.kind != "quoted" or token.quote == "`":
            raise self._scanner.refuse("a text in quotes or a number")
        return self._scanner.advance().content

    def _keyword(self, word: str) -> bool:
        token = self._scanner.token
        if token.kind != "word" or token.content.upper() != word:
            return False
        self._scanner.advance()
        return True


def _compares(field: Field, compare: Callable[[Any, Any], bool], wanted: Any) -> Test:
    def test(item: Item) -> bool:
        value = field.of(item)
        if value is None:
            return compare is operator.ne
        if isinstance(value, str) != isinstance(wanted, str):
            value, given = str(value), str(wanted)
            return compare(value, given) if compare in (operator.eq, operator.ne) else False
        return compare(value, wanted)

    return test


def _matches(field: Field, pattern: Any, flags: re.RegexFlag) -> Test:
    # fnmatch's own special characters are taken literally, SQL's become its.
    literal = str(pattern).translate({ord("*"): "[*]", ord("?"): "[?]", ord("["): "[[]"})
    form = re.compile(fnmatch.translate(literal.replace("%", "*").replace("_", "?")), flags)

    def test(item: Item) -> bool:
        value = field.of(item)
        return isinstance(value, str) and form.match(value) is not None

    return test
