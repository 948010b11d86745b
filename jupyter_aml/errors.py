"""What jupyter_aml raises.

One root, `AmlError`, carries what every face shows: a headline (what happened, on what), an optional
detail, and an optional hint (what to do next). Each child fixes a stable `code` and an HTTP status, so a
magic, the command line and the REST service all say the same thing. A user's mistake shows these lines
only, never a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, ClassVar


class AmlError(Exception):
    """The root of every error this project raises on purpose.

    Args:
        headline: one sentence, what happened and on what.
        detail: more lines, when the headline is not enough.
        hint: what to do next, or "did you mean ...?".
    """

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 400

    def __init__(self, headline: str, detail: str | None = None, hint: str | None = None) -> None:
        super().__init__(headline)
        self.headline = headline
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(part for part in (self.headline, self.detail, self.hint) if part)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.headline, self.detail, self.hint)

    def _render_traceback_(self) -> list[str]:
        """The lines IPython, nbclient and Jupyter show in place of a traceback."""
        first = f"{type(self).__name__}: {self.headline}"
        return [first, *(line for line in (self.detail, self.hint) if line)]

    def to_json(self) -> dict[str, Any]:
        """The body every REST error has: ``{"error": {code, message, detail, hint}}``."""
        return {
            "error": {
                "code": self.code,
                "message": self.headline,
                "detail": self.detail,
                "hint": self.hint,
            }
        }


class InvalidError(AmlError):
    """The request itself is wrong: a bad name, a bad value, a filter that does not parse."""

    code = "invalid"


class NotFoundError(AmlError):
    """There is no such thing, or the caller may not know that there is."""

    code = "not_found"
    http_status = 404


class ConflictError(AmlError):
    """The thing is in a state that does not allow this, or somebody else was first."""

    code = "conflict"
    http_status = 409


class ForbiddenError(AmlError):
    """The caller is known and may not do this."""

    code = "forbidden"
    http_status = 403


class InternalError(AmlError):
    """The service itself failed; its log says more."""

    code = "internal"
    http_status = 500


class UnauthenticatedError(AmlError):
    """The caller showed no valid token."""

    code = "unauthenticated"
    http_status = 401


class TooLargeError(AmlError):
    """Something is larger than its limit in `jupyter_aml.limits`."""

    code = "too_large"
    http_status = 413


class UnavailableError(AmlError):
    """The service or its storage cannot answer now; the same call may work later."""

    code = "unavailable"
    http_status = 503


class StorageFullError(UnavailableError):
    """The disk under the workspace is full; reading goes on."""

    code = "storage_full"
    http_status = 507


class UsageError(AmlError):
    """A command was called with arguments it does not take (exit code 2)."""

    code = "usage"


class RunFailedError(AmlError):
    """A run that was waited for did not complete."""

    code = "run_failed"


ERROR_CLASSES: dict[str, type[AmlError]] = {
    cls.code: cls
    for cls in (
        InvalidError,
        NotFoundError,
        ConflictError,
        ForbiddenError,
        UnauthenticatedError,
        InternalError,
        TooLargeError,
        UnavailableError,
        StorageFullError,
        UsageError,
        RunFailedError,
    )
}


def from_json(body: object, status: int) -> AmlError:
    """The error a REST answer stands for, chosen from a fixed table (never by a class name it brings)."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return UnavailableError(f"The workspace service answered {status} with no explanation.")
    cls = ERROR_CLASSES.get(str(error.get("code")), AmlError)
    detail, hint = (None if error.get(key) is None else str(error[key]) for key in ("detail", "hint"))
    return cls(str(error.get("message")), detail, hint)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint naming the nearest of ``known``, or None where nothing is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean {near[0]!r}?" if near else None
