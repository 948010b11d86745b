"""Versions of models side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jupyter_aml.cards.clean import encodable, one_line
from jupyter_aml.cards.layout import cell, frame, row, table
from jupyter_aml.cards.textual import table as text_table
from jupyter_aml.errors import InvalidError

if TYPE_CHECKING:
    from jupyter_aml.tracking.run import Run


class ModelComparison:
    """What versions are and, of their runs, the params in which they differ and all metrics.

    `rows` has a dictionary a version, all with the same keys, among them ``params.NAME`` and
    ``metrics.NAME``.
    """

    def __init__(self, versions: Sequence[Mapping[str, Any]], runs: Sequence[Run | None]) -> None:
        if not versions:
            raise InvalidError("There are no versions to compare.", hint="See: aml model list")
        details = [None if run is None else run.refresh() for run in runs]
        params = _differing([{} if run is None else run["params"] for run in details])
        metrics = sorted({name for run in details if run is not None for name in run["metrics"]})
        self.rows: list[dict[str, Any]] = [
            {
                **_facts(version),
                **{f"params.{name}": None if run is None else run["params"].get(name) for name in params},
                **{f"metrics.{name}": None if run is None else run["metrics"].get(name) for name in metrics},
            }
            for version, run in zip(versions, details, strict=True)
        ]

    def __repr__(self) -> str:
        return f"<ModelComparison of {', '.join(row['model'] for row in self.rows)}>"

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        lines = [[key, *(_shown(version[key]) for version in self.rows)] for key in self.rows[0]]
        head, *body = lines
        html = table(
            [row(*(cell(text, head="col") for text in head))],
            [row(cell(line[0], head="row"), *(cell(text) for text in line[1:]), line=True) for line in body],
        )
        return {"text/html": str(frame(html)), "text/plain": encodable("\n".join(text_table(lines)))}


def _shown(value: Any) -> str:
    return "-" if value in (None, "") else one_line(str(value), 80)


def _facts(version: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": f"{version['name']}:{version['version']}",
        "stage": version["stage"],
        "aliases": ", ".join(version["aliases"]),
        "flavor": version["flavor"]["name"],
        "size": version["size"],
        "digest": version["digest"][:12],
        "run": version["lineage"]["run_name"],
        "environment": version["lineage"]["environment"],
        "commit": ((version["lineage"]["git"] or {}).get("commit") or "")[:12] or None,
    }


def _differing(params: Sequence[Mapping[str, str]]) -> list[str]:
    names = sorted({name for each in params for name in each})
    return [name for name in names if len({each.get(name) for each in params}) > 1]
