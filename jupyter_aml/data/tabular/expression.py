"""Conditions on rows: written in Python or as text, kept as text, run by pyarrow or by a database.

``(col("sex") == 2) & ~col("name").is_null()``, ``col("city").isin(["Rome", "Oslo"])``. In
a text plain names are columns too, and ``and``, ``or``, ``not`` may be used. A row counts for which the
condition is true; where a value is missing, a comparison is not.
"""

from __future__ import annotations

import ast
import json
import operator
from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from jupyter_aml import limits
from jupyter_aml.errors import InvalidError

Value = str | int | float | bool | datetime
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_AST_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_HINT = 'Write for example: col("age") > 50 and col("sex") == 2'


class Expression:
    """A condition, or a column to make one of."""

    def __init__(self, kind: str, *parts: Any) -> None:
        self._kind = kind
        self._parts = parts

    __hash__ = None  # type: ignore[assignment]  # == makes a condition

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return self._compared("==", other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return self._compared("!=", other)

    def __gt__(self, other: object) -> Expression:
        return self._compared(">", other)

    def __ge__(self, other: object) -> Expression:
        return self._compared(">=", other)

    def __lt__(self, other: object) -> Expression:
        return self._compared("<", other)

    def __le__(self, other: object) -> Expression:
        return self._compared("<=", other)

    def __and__(self, other: Expression) -> Expression:
        return Expression("and", self, _condition(other))

    def __or__(self, other: Expression) -> Expression:
        return Expression("or", self, _condition(other))

    def __invert__(self) -> Expression:
        return Expression("not", self)

    def __bool__(self) -> bool:
        raise InvalidError(
            "A condition is neither true nor false by itself.", hint="Join them by & and |, not by and."
        )

    def isin(self, values: Iterable[Value]) -> Expression:
        """Whether the column's value is one of these."""
        return Expression("isin", self, [_literal(value) for value in values])

    def is_null(self) -> Expression:
        """Whether the value is missing."""
        return Expression("null", self)

    def _compared(self, sign: str, other: object) -> Expression:
        right = other if isinstance(other, Expression) else Expression("value", _literal(other))
        return Expression(sign, self, right)

    def __repr__(self) -> str:
        kind, parts = self._kind, self._parts
        if kind == "col":
            return f"col({json.dumps(parts[0])})"
        if kind == "value":
            return _text(parts[0])
        if kind == "not":
            return f"~({parts[0]!r})"
        if kind == "null":
            return f"{parts[0]!r}.is_null()"
        if kind == "isin":
            return f"{parts[0]!r}.isin([{', '.join(map(_text, parts[1]))}])"
        sign = {"and": "&", "or": "|"}.get(kind, kind)
        return f"({parts[0]!r} {sign} {parts[1]!r})"

    def columns(self) -> set[str]:
        """The columns it looks at."""
        if self._kind == "col":
            return {self._parts[0]}
        return set().union(*(part.columns() for part in self._parts if isinstance(part, Expression)))

    def to_arrow(self) -> Any:
        """It as a `pyarrow.compute.Expression`."""
        import pyarrow.compute as pc

        return self._built(pc.field, pc.scalar, lambda column, values: column.isin(values), _arrow_null)

    def to_sql(self) -> sa.ColumnElement[bool]:
        """It as a condition of SQLAlchemy, its values as parameters."""
        found: sa.ColumnElement[bool] = self._built(
            sa.column, sa.literal, lambda column, values: column.in_(values), lambda column: column.is_(None)
        )
        return found

    def _built(
        self,
        column: Callable[[str], Any],
        value: Callable[[Any], Any],
        isin: Callable[[Any, Any], Any],
        null: Callable[[Any], Any],
    ) -> Any:
        kind = self._kind
        if kind == "col":
            return column(self._parts[0])
        if kind == "value":
            return value(self._parts[0])
        parts = [
            part._built(column, value, isin, null) if isinstance(part, Expression) else part
            for part in self._parts
        ]
        if kind == "isin":
            return isin(*parts)
        if kind == "null":
            return null(*parts)
        if kind == "not":
            return ~parts[0]
        if kind in _COMPARISONS:
            return _COMPARISONS[kind](*parts)
        return parts[0] & parts[1] if kind == "and" else parts[0] | parts[1]


def _arrow_null(column: Any) -> Any:
    return column.is_null()


def col(name: str) -> Expression:
    """The column ``name``."""
    return Expression("col", name)


def parse(text: str) -> Expression:
    """The condition a text says; `InvalidError` for anything else than a condition."""
    if len(text) > limits.FILTER_LENGTH:
        raise InvalidError(f"A condition has at most {limits.FILTER_LENGTH:,} characters.")
    try:
        return _condition(_parsed(ast.parse(text.strip(), mode="eval").body))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InvalidError(f"{ascii(text)[:200]} is no condition.", hint=_HINT) from None


def as_expression(condition: Expression | str) -> Expression:
    """A condition that is given as such or as text."""
    return parse(condition) if isinstance(condition, str) else _condition(condition)


def _condition(found: object) -> Expression:
    if isinstance(found, Expression) and found._kind != "value":
        return found
    raise InvalidError(f"{type(found).__name__} is no condition.", hint=_HINT)


def _parsed(node: ast.expr) -> Any:
    match node:
        case ast.Name(id=name):
            return col(name)
        case ast.Constant() | ast.UnaryOp(op=ast.USub()) | ast.List() | ast.Tuple():
            return ast.literal_eval(node)
        case ast.BoolOp(op=op, values=values):
            parts = [_condition(_parsed(value)) for value in values]
            return _joined("and" if isinstance(op, ast.And) else "or", parts)
        case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() as op, right=right):
            kind = "and" if isinstance(op, ast.BitAnd) else "or"
            return _joined(kind, [_condition(_parsed(left)), _condition(_parsed(right))])
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            return ~_condition(_parsed(operand))
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            return _chain([_parsed(left), *map(_parsed, comparators)], ops)
        case ast.Call(func=function, args=arguments, keywords=[]):
            return _call(function, [_parsed(argument) for argument in arguments])
    raise ValueError("no condition")


def _joined(kind: str, parts: list[Expression]) -> Expression:
    whole = parts[0]
    for part in parts[1:]:
        whole = Expression(kind, whole, part)
    return whole


def _chain(values: list[Any], ops: list[ast.cmpop]) -> Expression:
    pairs = []
    for left, op, right in zip(values, ops, values[1:], strict=False):
        if (
            isinstance(op, ast.In | ast.NotIn)
            and isinstance(left, Expression)
            and isinstance(right, list | tuple)
        ):
            pairs.append(left.isin(right) if isinstance(op, ast.In) else ~left.isin(right))
            continue
        sign = _AST_COMPARISONS.get(type(op))
        if sign is None or not (isinstance(left, Expression) or isinstance(right, Expression)):
            raise ValueError("no comparison")
        sides = [v if isinstance(v, Expression) else Expression("value", _literal(v)) for v in (left, right)]
        pairs.append(Expression(sign, *sides))
    return _joined("and", pairs)


def _call(function: ast.expr, arguments: list[Any]) -> Any:
    match function, arguments:
        case ast.Name(id="col"), [str() as name]:
            return col(name)
        case ast.Name(id="datetime"), [str() as text]:
            return datetime.fromisoformat(text)
        case ast.Attribute(value=value, attr="isin"), [list() | tuple() as values]:
            return _condition(_parsed(value)).isin(values)
        case ast.Attribute(value=value, attr="is_null"), []:
            return _condition(_parsed(value)).is_null()
    raise ValueError("no function of conditions")


def _literal(value: object) -> Value:
    if hasattr(value, "item") and getattr(value, "size", None) == 1:  # a number of numpy's
        value = value.item()
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a day has no zone
    if isinstance(value, str | int | float | datetime):
        return value
    raise InvalidError(
        f"A column cannot be compared with {type(value).__name__}.", hint="Missing values: col('x').is_null()"
    )


def _text(value: Value) -> str:
    if isinstance(value, datetime):
        return f'datetime("{value.isoformat()}")'
    return json.dumps(value) if isinstance(value, str) else repr(value)
