"""The notebook's variables on a magic's line: ``-p alpha $alpha``, ``--name train-$alpha``.

IPython's own expansion works on the text of the line, so that a value can become an option or several
words. Here a word is looked at after the line was split, and what replaces it is never looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jupyter_aml.errors import UsageError, did_you_mean

_WHOLE = re.compile(r"\$(?:([^\W\d]\w*)|\{([^\W\d]\w*)\})")
_IN_WORD = re.compile(r"\$\$|" + _WHOLE.pattern)


def is_variable(word: str) -> bool:
    """Whether ``word`` is a variable and nothing besides."""
    return _WHOLE.fullmatch(word) is not None


def expanded(word: str, variables: Mapping[str, Any] | None) -> Any:
    """``word`` with each ``$name`` and ``${name}`` replaced; the value itself where that is all of it.

    ``$$`` stands for a dollar. Without ``variables`` (in the shell) the word is returned as it is.
    """
    if variables is None or "$" not in word:
        return word
    whole = _WHOLE.fullmatch(word)
    if whole:
        return _value_of(whole[1] or whole[2], variables)
    return _IN_WORD.sub(
        lambda match: "$" if match[0] == "$$" else str(_value_of(match[1] or match[2], variables)), word
    )


def _value_of(name: str, variables: Mapping[str, Any]) -> Any:
    if name not in variables:
        near = did_you_mean(name, (known for known in variables if not known.startswith("_")))
        raise UsageError(
            f"There is no variable {name!r} in the notebook.", hint=near or "Write $$ for a dollar."
        )
    return variables[name]
