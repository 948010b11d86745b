"""Finding runs: MLflow's filter language and orderings, answered from SQL a page at a time.

`find_runs` is the way in. The language and its meaning are in `grammar`. Runs come newest first (by number)
unless ordered otherwise; those without the value ordered by come last either way, and ties are newest first.
Paging by token shows every run once that keeps its values meanwhile, whatever is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from jupyter_aml import limits
from jupyter_aml.core.ids import is_run_id
from jupyter_aml.core.paths import check_name
from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking.search.compile import lift
from jupyter_aml.tracking.search.deadline import deadline
from jupyter_aml.tracking.search.fields import Field
from jupyter_aml.tracking.search.grammar import Comparison, Node, parse_filter, parse_orderings
from jupyter_aml.tracking.search.page_tokens import read_token, write_token
from jupyter_aml.tracking.search.statements import (
    EVERY_RUN,
    Search,
    Source,
    bound_place,
    sources,
    statements,
)

# Up to this many rows it is quicker to read and sort them all than to walk along the order asked for.
_FEW = 2_000


def find_runs(
    connection: sa.Connection,
    *,
    filter: str = "",
    order_by: Sequence[str] = (),
    experiments: Sequence[str] | None = None,
    parent_id: str | None = None,
    archived: bool | None = False,
    limit: int = limits.PAGE_DEFAULT,
    page_token: str | None = None,
    secret: bytes,
    seconds: float = limits.SEARCH_SECONDS,
) -> tuple[list[int], str | None]:
    """The numbers of the runs that fulfil a filter, in order, and the token of the next page (None: no more).

    Args:
        filter, order_by: see `grammar`.
        experiments: names; None means all. One that does not exist has no runs.
        parent_id: only the children of this run.
        archived: only runs that are archived (True), that are not (False), or both (None).
        limit: runs a page, 1 to `limits.PAGE_MAX`.
        page_token: of the page before, by the same filter, order_by, experiments, parent_id and archived.
        secret: authenticates page tokens; whoever knows it could forge them.
        seconds: after which the search is given up.

    Raises:
        InvalidError: for anything above that is not as it should be.
        UnavailableError: when time is up.
    """
    if not 1 <= limit <= limits.PAGE_MAX:
        raise InvalidError(f"A page has 1 to {limits.PAGE_MAX:,} runs, not {limit}.")
    nodes = _scope(experiments, parent_id, archived)
    if (node := parse_filter(filter)) is not None:
        nodes.append(node)
    constants: dict[str, Any] = {}
    search = Search.of([lift(node, constants) for node in nodes], parse_orderings(order_by))
    identity = [
        filter,
        list(order_by),
        None if experiments is None else list(experiments),
        parent_id,
        archived,
    ]
    place = None
    if page_token is not None:
        place = read_token(secret, identity, page_token, len(search.orderings) + 1)
    with deadline(connection, seconds):
        found = _rows(connection, search, constants, place, limit + 1)
    token = None
    if len(found) > limit:
        number, *values = found[limit - 1]
        token = write_token(secret, identity, [*values, number])
    return [row[0] for row in found[:limit]], token


def _scope(experiments: Sequence[str] | None, parent_id: str | None, archived: bool | None) -> list[Node]:
    nodes: list[Node] = []
    if experiments is not None:
        if len(experiments) > limits.PAGE_MAX:
            raise InvalidError(
                f"At most {limits.PAGE_MAX:,} experiments can be named, not {len(experiments):,}."
            )
        names = tuple(check_name(name, "experiment") for name in experiments)
        nodes.append(Comparison(Field("attribute", "experiment"), "IN", names))
    if parent_id is not None:
        if not is_run_id(parent_id):
            raise InvalidError("The parent's run id is not 32 hex digits.")
        nodes.append(Comparison(Field("attribute", "parent_id"), "=", parent_id))
    if archived is not None:
        operator = "IS NOT NULL" if archived else "IS NULL"
        nodes.append(Comparison(Field("attribute", "archived_at"), operator, None))
    return nodes


def _rows(
    connection: sa.Connection,
    search: Search,
    constants: dict[str, Any],
    place: Sequence[Any] | None,
    limit: int,
) -> list[tuple[Any, ...]]:
    """At most ``limit`` rows after ``place``: the run's number, and the values it is ordered by."""
    rows: list[tuple[Any, ...]] = []
    missing = None if place is None else tuple(value is None for value in place[:-1])
    bound = constants | bound_place(place)
    for statement, first_is_missing in statements(search, _source(connection, search, constants), missing):
        found = connection.execute(statement, bound | {"limit": limit - len(rows)}).all()
        rows += [(row[0], None, *row[1:]) for row in found] if first_is_missing else map(tuple, found)
        if len(rows) >= limit:
            break
    return rows


def _source(connection: sa.Connection, search: Search, constants: dict[str, Any]) -> Source:
    """Where to read from: along the order asked for, unless some comparison leaves few runs."""
    known = sources(search)
    best, fewest = None, _FEW + 1
    for source, count_statement in known.selective:
        count = connection.execute(count_statement, constants | {"most": _FEW}).scalar_one()
        if count < fewest:
            best, fewest = source, count
    if best is not None and (fewest < _FEW or known.natural is None):
        return best
    return known.natural or EVERY_RUN
