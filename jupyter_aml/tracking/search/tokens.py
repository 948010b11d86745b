"""Cutting a filter or an ordering into tokens, and the error that points into it.

One pass from left to right, each character looked at a bounded number of times.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from jupyter_aml import limits
from jupyter_aml.core.paths import check_value
from jupyter_aml.errors import InvalidError

TokenKind = Literal["word", "number", "quoted", "operator", "mark", "end"]

_BLANK = re.compile(r"\s*")
_WORD = re.compile(r"[^\W\d][\w.:/-]*")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.])")
_OPERATOR = re.compile(r"[<>=!~&|]{1,3}")
_WINDOW = 36


class Token(NamedTuple):
    """A piece of the text: its kind, its content (a quoted one's without the quotes) and its place."""

    kind: TokenKind
    content: str
    start: int
    end: int
    quote: str = ""


class Scanner:
    """Gives the tokens of ``text`` one after the other; ``what`` names the text in errors."""

    def __init__(self, text: str, what: str) -> None:
        self.what = what
        self.text = text
        if len(text) > limits.FILTER_LENGTH:
            raise InvalidError(
                f"The {what} has {len(text):,} characters; at most {limits.FILTER_LENGTH:,} are allowed."
            )
        check_value(text, what, limits.FILTER_LENGTH)
        self._at = 0
        self.token = self._scan()

    def advance(self) -> Token:
        """The current token; the next one becomes the current."""
        token = self.token
        self.token = self._scan()
        return token

    def refuse(self, expected: str, token: Token | None = None, hint: str | None = None) -> InvalidError:
        """The error that something else was expected at ``token`` (the current one)."""
        token = token or self.token
        if token.kind == "end":
            found = "the end"
        else:
            shown = self.text[token.start : token.end]
            found = repr(shown if len(shown) <= 40 else shown[:37] + "...")
        return self._error(token.start, f"expected {expected}, found {found}", hint)

    def _error(self, position: int, problem: str, hint: str | None) -> InvalidError:
        left = max(0, position - _WINDOW)
        line = "".join(c if c.isprintable() else " " for c in self.text[left : position + _WINDOW])
        return InvalidError(
            f"The {self.what} cannot be read at position {position + 1}: {problem}.",
            detail=f"{line}\n{' ' * (position - left)}^",
            hint=hint,
        )

    def _scan(self) -> Token:
        start = self._at = _BLANK.match(self.text, self._at).end()  # type: ignore[union-attr]
        if start == len(self.text):
            return Token("end", "", start, start)
        first = self.text[start]
        if first in "'\"`":
            return self._quoted(start, first)
        if first in "(),":
            return self._take("mark", start, start + 1)
        patterns: tuple[tuple[TokenKind, re.Pattern[str]], ...] = (
            ("word", _WORD),
            ("operator", _OPERATOR),
            ("number", _NUMBER),
        )
        for kind, pattern in patterns:
            if match := pattern.match(self.text, start):
                return self._take(kind, start, match.end())
        problem = "this is no number" if first.isdigit() else f"{first!r} has no meaning here"
        raise self._error(start, problem, None)

    def _take(self, kind: TokenKind, start: int, end: int) -> Token:
        self._at = end
        return Token(kind, self.text[start:end], start, end)

    def _quoted(self, start: int, quote: str) -> Token:
        """A text in quotes, in which the quote itself is written twice (as in SQL)."""
        pieces = []
        at = start + 1
        while (end := self.text.find(quote, at)) >= 0:
            pieces.append(self.text[at:end])
            if not self.text.startswith(quote, end + 1):
                self._at = end + 1
                return Token("quoted", quote.join(pieces), start, end + 1, quote)
            at = end + 2
        raise self._error(start, f"the text that begins here has no closing {quote}", None)
