"""The `Environment` a user holds, and the collection of a workspace's environments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml.errors import UsageError

if TYPE_CHECKING:
    from jupyter_aml.client import Client
    from jupyter_aml.environments.model import Definition
    from jupyter_aml.tracking.run import Run


class Environment:
    """One version of an environment. It never changes; a new definition is a new version."""

    def __init__(self, client: Client, data: Mapping[str, Any]) -> None:
        self._client = client
        self._data = dict(data)
        self.name: str = data["name"]
        self.version: str = data["version"]

    def __repr__(self) -> str:
        return f"<Environment {self.reference} ({self._data['state']})>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Environment) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    @property
    def reference(self) -> str:
        """``name:version``, as jobs keep it."""
        return f"{self.name}:{self.version}"

    @property
    def data(self) -> dict[str, Any]:
        """What the service said of it, as plain data."""
        return dict(self._data)

    @property
    def description(self) -> str:
        """What it is for."""
        return str(self._data["description"])

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return dict(self._data["tags"])

    @property
    def requirements(self) -> list[str]:
        """What was asked for; what that was resolved to is the lock of each run that uses it."""
        return list(self._data["definition"]["requirements"])

    @property
    def python(self) -> str | None:
        """The Python that was asked for; None for that of the workspace's service."""
        found: str | None = self._data["definition"]["python"]
        return found

    @property
    def environment_variables(self) -> dict[str, str]:
        """What jobs that run in it find in their environment."""
        return dict(self._data["definition"]["environment_variables"])

    @property
    def notes(self) -> list[str]:
        """What was replaced or left out when it was made, or stands in for what was asked for."""
        return list(self._data["notes"])

    @property
    def is_ready(self) -> bool:
        """Whether it is built on the service's machine, asked for now."""
        return bool(self.refresh()["state"] != "not built")

    def refresh(self) -> dict[str, Any]:
        """The environment as the service has it now."""
        self._data = self._client.call("get_environment", name=self.name, version=self.version)
        return dict(self._data)

    def get_details(self) -> dict[str, Any]:
        """Everything the service knows of it, as a dictionary."""
        return self.refresh()

    def resolve_anew(self) -> None:
        """Let the next job resolve it to the newest versions that fit; runs keep the locks they had."""
        self._client.call("refresh_environment", name=self.name, version=self.version)

    def update(self, *, description: str | None = None, tags: Mapping[str, str | None] | None = None) -> None:
        """Change its description or its tags; a tag of None is removed."""
        self._data = self._client.call(
            "update_environment",
            name=self.name,
            version=self.version,
            description=description,
            tags=None if tags is None else dict(tags),
        )

    def archive(self) -> None:
        """Hide this version; jobs that name it still run."""
        self._client.call("update_environment", name=self.name, version=self.version, archived=True)

    def restore(self) -> None:
        """Bring this version back."""
        self._client.call("update_environment", name=self.name, version=self.version, archived=False)


EnvironmentLike = str | Environment | Mapping[str, Any]
EnvironmentList = list[Environment]  # inside a class that has a method `list`


class EnvironmentCollection:
    """``ws.environments``: `create`, `get`, `list`, `archive`, `restore`, `prune`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getitem__(self, name: str) -> Environment:
        return self.get(name)

    def __iter__(self) -> Iterator[Environment]:
        return iter(self.list())

    def create(
        self,
        name: str,
        requirements: Any = (),
        *,
        version: str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
        **sources: Any,
    ) -> Environment:
        """Create a version of an environment; the same definition again gives the same version.

        Args:
            requirements: such as ``["scikit-learn>=1.5", "pandas"]``.
            version: the next number without it.
            sources: ``requirements_file``, ``conda_file``, ``pyproject``, ``uv_lock``, ``extras``,
                ``python``, ``interpreter``, ``from_kernel``, ``environment_variables``, ``extra_index_urls``,
                ``allow_direct``: see `jupyter_aml.environments.sources.definition_of`.
        """
        from jupyter_aml.environments.sources import definition_of

        definition = definition_of(requirements, **sources)
        return self.add(name, definition, version=version, description=description, tags=tags)

    def add(
        self,
        name: str,
        definition: Definition,
        *,
        version: str | None = None,
        description: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> Environment:
        """As `create`, for a definition that is made already."""
        return Environment(
            self._client,
            self._client.call(
                "create_environment",
                name=name,
                version=version,
                description=description,
                tags=dict(tags or {}),
                definition=definition.model_dump(mode="json"),
            ),
        )

    def get(self, name: str, version: str | None = None, label: str | None = None) -> Environment:
        """The version meant: ``get("train")`` is the newest; ``get("train", "3")``, ``get("train:3")``."""
        if version is None and label is None:
            return Environment(self._client, self._client.call("resolve_environment", text=name))
        found = self._client.call("get_environment", name=name, version=version, label=label)
        return Environment(self._client, found)

    def list(self, name: str | None = None, *, archived: bool | None = False) -> EnvironmentList:
        """The newest version of each environment, or all versions of ``name``; newest first.

        ``archived``: True for the archived ones only, None for those too.
        """
        found: EnvironmentList = []
        token = None
        while True:
            page = self._client.call(
                "list_environments",
                name=name,
                which="all" if archived is None else "archived" if archived else "active",
                page_token=token,
                limit=1000,
            )
            found += [Environment(self._client, item) for item in page["items"]]
            token = page["next_page_token"]
            if token is None:
                return found

    def archive(self, name: str, version: str | None = None) -> None:
        """Hide a version, or all of them; jobs that name one still run."""
        self._client.call("update_environment", name=name, version=version, archived=True)

    def restore(self, name: str, version: str | None = None) -> None:
        """Bring an archived version back, or all of them."""
        self._client.call("update_environment", name=name, version=version, archived=False)

    def build(self, name: str, *, fresh: bool = False) -> Run:
        """Build it now, by a run of experiment ``environments`` that does nothing else; its run.

        ``fresh`` resolves it anew, to the newest versions that fit; runs keep the locks they had.
        """
        from jupyter_aml.tracking.run import Run

        wanted = self.get(name)
        if fresh:
            wanted.resolve_anew()
        found = self._client.call(
            "submit_job",
            job={"type": "command", "command": ":", "environment": wanted.reference},
            experiment="environments",
            display_name=f"build {wanted.reference}",
        )
        return Run(self._client, found)

    def built(self) -> Any:
        """What is built on the service's machine, with sizes in bytes; largest first."""
        return self._client.call("list_built_environments")["items"]

    def prune(self, unused_days: float = 30.0, *, dry_run: bool = False) -> dict[str, Any]:
        """Remove what was built and not used for so long; what was removed and how many bytes that freed."""
        return dict(self._client.call("prune_environments", unused_days=unused_days, dry_run=dry_run))


def reference_to(client: Client, wanted: EnvironmentLike) -> str:
    """What a job says of its environment; a definition is kept by the service without a name first."""
    if isinstance(wanted, Environment):
        return wanted.reference
    if isinstance(wanted, str):
        return wanted
    if not isinstance(wanted, Mapping):
        raise UsageError(
            f"{type(wanted).__name__} is no environment.",
            hint="Give its name, such as 'sklearn', or a definition.",
        )
    from jupyter_aml.environments.sources import definition_from_mapping

    given = {
        key: value for key, value in wanted.items() if key not in ("name", "version", "description", "tags")
    }
    definition = definition_from_mapping(given, Path.cwd())
    found = client.call("create_anonymous_environment", definition=definition.model_dump(mode="json"))
    return f"{found['name']}:{found['version']}"
