"""The `Experiment` a user holds, and the collections of experiments and runs of a workspace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from jupyter_aml.core.ids import is_run_id
from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking.run import Run, start_run

if TYPE_CHECKING:
    from jupyter_aml.client import Client


class Experiment:
    """A named set of runs. It comes into being with its first run, or by ``ws.experiments.create``."""

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self.name = name

    def __repr__(self) -> str:
        return f"<Experiment {self.name}>"

    def start_run(self, display_name: str | None = None, tags: Mapping[str, str] | None = None) -> Run:
        """Start an interactive run: ``with experiment.start_run() as run: run.log("rmse", 0.5)``."""
        return start_run(self._client, self.name, display_name, tags)

    def get_runs(self, filter: str = "", order_by: Sequence[str] = (), limit: int = 100) -> RunList:
        """The experiment's runs, newest first unless ordered otherwise."""
        return RunCollection(self._client).search(filter, order_by, limit=limit, experiments=[self.name])

    def get_details(self) -> dict[str, Any]:
        """Description, tags, number of runs and dates."""
        return dict(self._client.call("get_experiment", name=self.name))


Experiments = list[Experiment]  # inside a class that has a method `list`, the name means the method


class ExperimentCollection:
    """``ws.experiments``: ``ws.experiments["iris"]``, `create`, `list`, `delete`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getitem__(self, name: str) -> Experiment:
        return Experiment(self._client, name)

    def __iter__(self) -> Iterator[Experiment]:
        return iter(self.list())

    def get(self, name: str) -> Experiment:
        """An experiment that exists."""
        self._client.call("get_experiment", name=name)
        return Experiment(self._client, name)

    def create(
        self,
        name: str,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        *,
        exist_ok: bool = True,
    ) -> Experiment:
        """Create an experiment."""
        self._client.call(
            "create_experiment", name=name, description=description, tags=dict(tags or {}), exist_ok=exist_ok
        )
        return Experiment(self._client, name)

    def list(self, *, archived: bool = False) -> Experiments:
        """The experiments, newest first."""
        found: Experiments = []
        token = None
        while True:
            page = self._client.call("list_experiments", page_token=token, archived=archived, limit=1000)
            found += [Experiment(self._client, item["name"]) for item in page["items"]]
            token = page["next_page_token"]
            if token is None:
                return found

    def archive(self, name: str) -> None:
        """Hide an experiment from lists; its runs stay."""
        self._client.call("update_experiment", name=name, archived=True)

    def restore(self, name: str) -> None:
        """Bring an archived experiment back."""
        self._client.call("update_experiment", name=name, archived=False)

    def delete(self, name: str) -> None:
        """Delete an experiment that has no runs."""
        self._client.call("delete_experiment", name=name)


class RunList(Sequence[Run]):
    """Runs that show themselves as a table; ``next_page_token`` fetches what comes after them."""

    def __init__(
        self, client: Client, items: Sequence[Mapping[str, Any]], next_page_token: str | None
    ) -> None:
        self._runs = [Run(client, item) for item in items]
        self._client = client
        self._items = [dict(item) for item in items]
        self.next_page_token = next_page_token

    @overload
    def __getitem__(self, index: int) -> Run: ...

    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...

    def __getitem__(self, index: int | slice) -> Run | list[Run]:
        return self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        return repr(self._runs)

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        from jupyter_aml.cards import run_table

        return run_table(self._items, workspace_id=self._client.workspace_id)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The runs as plain dictionaries."""
        return [dict(item) for item in self._items]


class Comparison:
    """Several runs side by side: what differs in their params, and their metrics as curves."""

    def __init__(self, client: Client, runs: Sequence[Run]) -> None:
        if not runs:
            raise InvalidError("There are no runs to compare.", hint="Name at least one.")
        self._client = client
        self.runs = list(runs)

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        from jupyter_aml.cards import comparison

        data = [run.refresh() for run in self.runs]
        histories = {run.id: self._history(run, item) for run, item in zip(self.runs, data, strict=True)}
        return comparison(data, histories, workspace_id=self._client.workspace_id)

    def _history(self, run: Run, data: Mapping[str, Any]) -> dict[str, Any]:
        return {name: run.metric_history(name, max_points=200) for name in list(data["metrics"])[:12]}


class RunCollection:
    """``ws.runs``: `get`, `search`, `compare`, `delete`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, run_id: str) -> Run:
        """A run by its id, by the first digits of it (8 or more), or by a name only it has."""
        if is_run_id(run_id):
            return Run(self._client, self._client.call("get_run", run_id=run_id))
        found = self._client.call("resolve_run", text=run_id)
        return Run(self._client, found)

    def search(
        self,
        filter: str = "",
        order_by: Sequence[str] | str = (),
        limit: int = 100,
        page_token: str | None = None,
        *,
        experiments: Sequence[str] | None = None,
        archived: bool | None = False,
    ) -> RunList:
        """Find runs.

        Args:
            filter: MLflow's grammar, ``metrics.rmse < 0.5 and params.alpha = '0.1' and tags.x LIKE 'a%'``.
            order_by: ``["metrics.rmse ASC", "start_time DESC"]``; newest first without it.
            limit: runs a page, at most 1,000.
            page_token: the ``next_page_token`` of the page before.
        """
        orderings = [order_by] if isinstance(order_by, str) else list(order_by)
        page = self._client.call(
            "search_runs",
            filter=filter,
            order_by=orderings,
            limit=limit,
            page_token=page_token,
            experiments=None if experiments is None else list(experiments),
            archived=archived,
        )
        return RunList(self._client, page["items"], page["next_page_token"])

    def list(self, limit: int = 100) -> RunList:
        """The newest runs."""
        return self.search(limit=limit)

    def compare(self, *runs: Run | str) -> Comparison:
        """Put runs (or their ids) side by side."""
        return Comparison(self._client, [run if isinstance(run, Run) else self.get(run) for run in runs])

    def delete(self, run_id: str) -> None:
        """Delete a run that has ended, and everything it holds."""
        self.get(run_id).delete()
