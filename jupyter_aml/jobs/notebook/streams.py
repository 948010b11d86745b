"""The text a cell prints, as it is kept in the notebook: what a terminal would show, and not without end."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from jupyter_aml import limits


class StreamText:
    """One stream output that grows; carriage returns and backspaces overwrite, as on a terminal."""

    def __init__(self, name: str) -> None:
        self.node: NotebookNode = new_output("stream", name=name, text="")
        self.length = 0
        self._lines: list[str] = []
        self._tail = ""
        self._changed = False

    def append(self, text: str) -> None:
        """Add what was printed."""
        before = len(self._tail)
        lines, newline, tail = (self._tail + text).rpartition("\n")
        if newline:
            if "\r" in lines or "\b" in lines:
                lines = "\n".join(_overtyped(line).rstrip("\r") for line in lines.split("\n"))
            self._lines.append(lines + newline)
            self.length += len(lines) + 1
        self._tail = _overtyped(tail) if "\r" in tail or "\b" in tail else tail
        self.length += len(self._tail) - before
        self._changed = True

    def settle(self) -> None:
        """Write the text into the output node."""
        if self._changed:
            self.node["text"] = "".join(self._lines) + self._tail
            self._changed = False


def _overtyped(line: str) -> str:
    """What is left of one line after its carriage returns and backspaces.

    A carriage return at the very end stays: the next text may be the newline that belongs to it.
    """
    body = line.rstrip("\r")
    ending = "\r" if len(body) < len(line) else ""
    body = body.rpartition("\r")[2]
    if "\b" in body:
        kept: list[str] = []
        for character in body:
            if character != "\b":
                kept.append(character)
            elif kept:
                kept.pop()
        body = "".join(kept)
    return body + ending


class CellOutputs:
    """The outputs of the running cell, with a limit on what is kept of them.

    The head is kept; one note at the end says how much was dropped. The log gets everything.
    """

    def __init__(self, limit: int = limits.CELL_OUTPUT_BYTES) -> None:
        self._limit = limit
        self._open: StreamText | None = None
        self._fixed = 0
        self._dropped = 0
        self._note: NotebookNode | None = None

    def print(self, outputs: list[NotebookNode], name: str, text: str) -> None:
        """Keep printed text: in the last output, where that is of the same stream."""
        stream = self._open
        if stream is None or outputs[-1:] != [stream.node] or stream.node["name"] != name:
            if self._dropped:
                self._dropped += len(text)
                return
            self._close()
            stream = self._open = StreamText(name)
            outputs.append(stream.node)
        room = self._limit - self._fixed - stream.length
        if room < len(text) and "\r" not in text and "\b" not in text:
            self._dropped += len(text) - max(room, 0)
            text = text[: max(room, 0)]
        stream.append(text)

    def fits(self, content: dict[str, Any]) -> bool:
        """Whether an output with this message content may be kept; counts it as kept or as dropped."""
        size = _size(content)
        self._close()
        if self._dropped or self._fixed + size > self._limit:
            self._dropped += size
            return False
        self._fixed += size
        return True

    def settle(self, outputs: list[NotebookNode]) -> None:
        """Bring ``outputs`` up to date before they are saved."""
        if self._open is not None:
            self._open.settle()
        if not self._dropped:
            return
        text = (
            f"\n[{self._dropped:,} more characters of output were not kept here: a cell keeps at most "
            f"{self._limit:,}. The run's log goes on where this ends.]\n"
        )
        if self._note is None:
            self._note = new_output("stream", name="stderr", text=text)
            outputs.append(self._note)
        self._note["text"] = text

    def forget(self) -> None:
        """The cell cleared its outputs: there is room again."""
        self._open = self._note = None
        self._fixed = self._dropped = 0

    def _close(self) -> None:
        if self._open is not None:
            self._open.settle()
            self._fixed += self._open.length
            self._open = None


def _size(value: Any) -> int:
    """About how many characters a message content takes in the notebook."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(key) + _size(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return sum(map(_size, value))
    return 8
