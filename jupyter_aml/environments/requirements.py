"""Requirement lines: data for the resolver, and never an option or a place it would be led to.

One grammar for all ways in (a list, a file, a conda YAML, a stored lock): PEP 508 by `packaging`, with
``--hash=`` after it at most. Options are refused everywhere; a direct URL only passes where its owner said
so, over ``https``, without credentials in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from jupyter_aml import limits
from jupyter_aml.errors import InvalidError

_HASHES = re.compile(r"(?:\s+--hash=sha(?:256|384|512):[0-9a-f]{64,128})+\s*$", re.ASCII)
_DIRECT = ("https", "git+https")
_EDITABLE = "The folder itself goes along with the job as its code; name what it needs one by one."
_OPTION_HINTS = {
    "-e": _EDITABLE,
    "--editable": _EDITABLE,
    "-r": "Give the file itself: requirements_file=, or aml environment create --requirements FILE.",
    "-c": "Give the constraints in the requirements file that names them.",
    "--index-url": "Name the index with extra_index_urls= or --extra-index-url, or in pip's configuration.",
    "--extra-index-url": "Say it apart from the list: extra_index_urls=, or --extra-index-url.",
    "--find-links": "Set it in the configuration of pip or uv on the machine that runs the job.",
    "--trusted-host": "Set it in the configuration of pip or uv on the machine that runs the job.",
}
_ALIASES = {"-i": "--index-url", "-f": "--find-links", "--requirement": "-r", "--constraint": "-c"}


def check_requirement(text: str, where: str = "", *, allow_direct: bool = False) -> str:
    """``text`` in its normal form; `InvalidError` for what is no plain requirement.

    Args:
        where: what to call it in the error: ``line 3 of requirements.txt``.
        allow_direct: whether ``name @ https://...`` and ``name @ git+https://...`` pass.
    """
    shown = f"{where}: {ascii(text)[:120]}" if where else ascii(text)[:120]
    if len(text) > limits.REQUIREMENT_LENGTH:
        raise InvalidError(f"{shown} is longer than {limits.REQUIREMENT_LENGTH:,} characters.")
    if text.lstrip().startswith("-"):
        raise _is_option(text, shown)
    plain = _HASHES.sub("", text)
    hashes = text[len(plain) :].split()
    try:
        found = Requirement(plain)
    except InvalidRequirement as error:
        raise InvalidError(
            f"{shown} is no requirement.",
            str(error).splitlines()[0],
            "Write a package's name with an optional version, such as scikit-learn>=1.5",
        ) from None
    if found.url is not None:
        _check_url(found, shown, allow_direct=allow_direct)
    return " ".join([_normal(found), *sorted(hashes)])


def _normal(found: Requirement) -> str:
    extras = f"[{','.join(sorted(found.extras))}]" if found.extras else ""
    name = canonicalize_name(found.name)
    marker = f" ; {found.marker}" if found.marker else ""
    place = f" @ {found.url}" if found.url else str(found.specifier)
    return f"{name}{extras}{place}{marker}"


def _is_option(text: str, shown: str) -> InvalidError:
    option = re.split(r"[\s=]", text.strip(), maxsplit=1)[0]
    hint = _OPTION_HINTS.get(_ALIASES.get(option, option), "Only packages can be listed.")
    return InvalidError(f"{shown} is an option of pip, which an environment does not take.", hint=hint)


def _check_url(found: Requirement, shown: str, *, allow_direct: bool) -> None:
    parts = urlsplit(found.url or "")
    if parts.username or parts.password:
        raise InvalidError(
            f"The requirement {found.name!r} has credentials in its address.",
            hint="Keep them in ~/.netrc or in the configuration of pip or uv.",
        )
    if parts.scheme not in _DIRECT:
        raise InvalidError(
            f"{shown} names a place ({parts.scheme or 'a path'}) that an environment cannot use.",
            hint="Use a package of an index, or an https:// address with allow_direct.",
        )
    if not allow_direct:
        raise InvalidError(
            f"{shown} is fetched from an address instead of the package index.",
            hint="If you trust it, say so: allow_direct=True, or --allow-direct.",
        )


def check_index_url(text: str) -> str:
    """``text`` if it may name an additional package index."""
    parts = urlsplit(text) if len(text) <= limits.REQUIREMENT_LENGTH and text.isprintable() else urlsplit("")
    if parts.scheme not in ("https", "http") or not parts.hostname or " " in text:
        raise InvalidError(f"{ascii(text)[:120]} is no address of a package index.", hint="Use https://...")
    if parts.username or parts.password:
        raise InvalidError(
            f"The address of the index at {parts.hostname} has credentials in it.",
            hint="Keep them in ~/.netrc or in the configuration of pip or uv.",
        )
    return text


def normal_requirements(lines: Iterable[str], what: str, *, allow_direct: bool) -> list[str]:
    """The distinct requirements of ``lines``, sorted, each in its normal form."""
    found = {check_requirement(line, allow_direct=allow_direct) for line in lines}
    if len(found) > limits.REQUIREMENTS:
        raise InvalidError(f"An environment has at most {limits.REQUIREMENTS:,} {what}.")
    return sorted(found)


def requirement_name(line: str) -> str:
    """The package's name in a line that `check_requirement` returned."""
    return re.split(r"[^a-z0-9-]", line, maxsplit=1)[0]


def check_lock(text: str) -> str:
    """``text`` if it is a lock: pinned requirements with hashes, and nothing besides comments."""
    joined = re.sub(r"\\\n", " ", text)
    for number, line in enumerate(joined.splitlines(), 1):
        bare = line.split(" #", 1)[0].strip()
        if bare and not bare.startswith("#"):
            check_requirement(bare, f"requirement {number} of the lock", allow_direct=True)
    return text
