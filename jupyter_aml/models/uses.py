"""What keeps a version from being deleted: whoever uses models says so here.

Rooms above this one (endpoints) add a function to `finders`. It is called in the transaction that deletes, so
no use can begin in between.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from jupyter_aml.errors import ConflictError

# Given the number of a row of ``model_versions``, its uses in words: "the deployment blue of x".
finders: list[Callable[[sa.Connection, int], list[str]]] = []


def refuse_if_used(connection: sa.Connection, number: int, what: str) -> None:
    """Raise `ConflictError` naming the uses of a version, if there are any; ``what`` names the version."""
    found = [use for finder in finders for use in finder(connection, number)]
    if found:
        shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
        raise ConflictError(f"{what} is used by {shown}.", hint="Delete that first, or archive the model.")
