"""Text from anywhere made harmless to look at, before it is escaped for HTML or printed in a terminal.

Control characters, bidirectional overrides, invisible characters and lone surrogates become visible escapes,
so that no name can reorder, hide or erase the text around it, move a terminal's cursor, or fail to encode.
"""

from __future__ import annotations

import re

_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
# Strings for the terminal (titles, links, the clipboard), taken to the end of the line when unfinished;
# then control sequences with their arguments; then the short ones.
_TERMINAL = re.compile(
    r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c|(?=\n)|$)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|\x1b[ -/]*[0-~]?"
)
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_COLOUR_OR_TEXT = re.compile(r"\x1b\[[0-9;:]*m|[^\x1b]+|\x1b")
_LOOK_AT = 100_000


def one_line(value: object, limit: int = 200) -> str:
    """``value`` as one line of at most ``limit`` characters, cut with an ellipsis."""
    text = str(value)[: limit + 1]
    return cut(_HARMFUL.sub(_escape, text), limit)


def many_lines(value: object, *, lines: int = 40, width: int = 400) -> str:
    """The last ``lines`` lines of terminal output: without colours, and as carriage returns left them."""
    text = _TERMINAL.sub("", str(value)[-_LOOK_AT:]).replace("\r\n", "\n").rstrip("\n")
    shown = text.split("\n")[-lines:] if text else []
    return "\n".join(one_line(_overwritten(line).expandtabs(4), width) for line in shown)


def for_terminal(text: str) -> str:
    """Terminal output of somebody else, to be passed on to a terminal: colours, tabs and line ends stay.

    What would retitle the window, fill the clipboard, hide a link or move the cursor up is taken out.
    """
    obeyed = _TERMINAL.sub(lambda found: found[0] if _COLOUR.fullmatch(found[0]) else "", text)
    return "".join(
        part if _COLOUR.fullmatch(part) else _HARMFUL.sub(_kept_or_escaped, part)
        for part in _COLOUR_OR_TEXT.findall(obeyed)
    )


def cut(text: str, limit: int) -> str:
    """``text``, ending in an ellipsis where it was longer than ``limit`` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def encodable(text: str) -> str:
    """``text`` with lone surrogates replaced, as UTF-8 and RFC 8259 need it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def _kept_or_escaped(match: re.Match[str]) -> str:
    return match[0] if match[0] in "\t\n\r" else _escape(match)


def _overwritten(line: str) -> str:
    return line.rstrip("\r").rsplit("\r", 1)[-1]
