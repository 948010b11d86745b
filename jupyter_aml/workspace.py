"""The `Workspace` a user holds: one collection a noun, and `submit`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_aml import limits
from jupyter_aml.client import Client, Location, locate
from jupyter_aml.client.locate import default_attributes, read_config, workspace_names
from jupyter_aml.compute.compute import ComputeCollection
from jupyter_aml.core.paths import check_name, check_value, workspaces_folder
from jupyter_aml.core.workspace import create_workspace_folder, read_workspace
from jupyter_aml.errors import InvalidError
from jupyter_aml.tracking.experiment import ExperimentCollection, RunCollection

if TYPE_CHECKING:
    from jupyter_aml.data.asset import DataCollection
    from jupyter_aml.data.datastore import DatastoreCollection
    from jupyter_aml.environments.environment import EnvironmentCollection, EnvironmentLike
    from jupyter_aml.jobs.model import Job
    from jupyter_aml.models.registry import ModelCollection
    from jupyter_aml.tracking.run import Run


class Workspace:
    """A workspace: experiments and runs, and jobs that are submitted to this machine.

    A workspace is one folder; its service is started when it is first needed.
    """

    def __init__(self, location: Location) -> None:
        self._client = Client(location)
        self._location = location

    def __repr__(self) -> str:
        return f"<Workspace {self.name} in {self._location.root or self._location.url}>"

    @classmethod
    def create(
        cls,
        name: str,
        path: str | Path | None = None,
        subscription_id: str | None = None,
        resource_group: str | None = None,
        location: str = "local",
        sku: str = "basic",
        tags: Mapping[str, str] | None = None,
        exist_ok: bool = False,
    ) -> Workspace:
        """Create a workspace, in ``path`` or by its name below ``$AML_HOME/workspaces``.

        Azure ML's attributes are kept and shown; they have no effect here.
        """
        check_name(name, "workspace")
        root = Path(path).expanduser().absolute() if path is not None else workspaces_folder() / name
        attributes = default_attributes(name)
        given = {
            "subscription_id": subscription_id,
            "resource_group": resource_group,
            "location": location,
            "sku": sku,
        }
        attributes |= {key: value for key, value in given.items() if value is not None}
        attributes["tags"] = dict(tags or {})
        create_workspace_folder(root, attributes, exist_ok=exist_ok)
        return cls(Location(root))

    @classmethod
    def get(
        cls, name: str, subscription_id: str | None = None, resource_group: str | None = None
    ) -> Workspace:
        """A workspace by its name, its folder, or its service's URL."""
        return cls(locate(name))

    @classmethod
    def default(cls) -> Workspace:
        """The workspace ``AML_WORKSPACE`` names, else the default one, which is made on first use."""
        return cls(locate())

    @classmethod
    def list(cls) -> dict[str, Workspace]:
        """The workspaces made by name on this machine."""
        return {name: cls.get(name) for name in workspace_names()}

    @classmethod
    def from_config(cls, path: str | Path | None = None) -> Workspace:
        """The workspace named by the nearest ``config.json``: here, in ``.aml`` or ``.azureml``, or above.

        Azure ML's own config files work: the workspace of that name is made when there is none yet.
        """
        _, found = read_config(None if path is None else Path(path))
        if found.get("path"):
            location = locate(check_value(found["path"], "config file's path", limits.PATH_LENGTH))
            if location.url is not None:
                raise InvalidError(
                    "A config file may name a folder or a workspace, and no address.",
                    hint=f"If you trust it: Workspace.get({location.url!r})",
                )
            return cls(location)
        name = found["workspace_name"]
        return cls.create(
            name,
            subscription_id=found.get("subscription_id"),
            resource_group=found.get("resource_group"),
            exist_ok=True,
        )

    def write_config(self, path: str | Path | None = None, file_name: str = "config.json") -> Path:
        """Write ``.aml/config.json`` below ``path`` (the current folder), which `from_config` finds."""
        folder = (Path(path) if path is not None else Path.cwd()) / ".aml"
        folder.mkdir(parents=True, exist_ok=True)
        details = self._attributes()
        content = {
            "subscription_id": details["subscription_id"],
            "resource_group": details["resource_group"],
            "workspace_name": self.name,
        }
        root = self._location.root
        if root is not None and root != workspaces_folder() / self.name:
            content["path"] = str(root)
        target = folder / file_name
        target.write_text(json.dumps(content, indent=2) + "\n")
        return target

    def _attributes(self) -> dict[str, Any]:
        if self._location.root is not None:
            return read_workspace(self._location.root)
        found = self._client.call("get_workspace")
        return {**found["attributes"], "id": found["id"], "name": found["name"]}

    @property
    def name(self) -> str:
        """The workspace's name."""
        return str(self._attributes()["name"])

    @property
    def path(self) -> Path | None:
        """The workspace's folder; None for one on another machine."""
        return self._location.root

    @property
    def client(self) -> Client:
        """The client that speaks to the workspace's service."""
        return self._client

    @property
    def experiments(self) -> ExperimentCollection:
        """The experiments: ``ws.experiments["iris"].start_run()``."""
        return ExperimentCollection(self._client)

    @property
    def runs(self) -> RunCollection:
        """The runs: ``ws.runs.search("metrics.rmse < 0.5")``."""
        return RunCollection(self._client)

    @property
    def data(self) -> DataCollection:
        """The data assets: ``ws.data.register("diabetes", "diabetes.csv")``, ``ws.data["diabetes:1"]``."""
        from jupyter_aml.data.asset import DataCollection

        return DataCollection(self._client)

    @property
    def datastores(self) -> DatastoreCollection:
        """The places for data: ``ws.datastores.create("lake", bucket="lake", credentials={...})``."""
        from jupyter_aml.data.datastore import DatastoreCollection

        return DatastoreCollection(self._client)

    @property
    def environments(self) -> EnvironmentCollection:
        """The environments: ``ws.environments.create("train", requirements=["scikit-learn>=1.5"])``."""
        from jupyter_aml.environments.environment import EnvironmentCollection

        return EnvironmentCollection(self._client)

    @property
    def models(self) -> ModelCollection:
        """The models: ``ws.models["diabetes@champion"].load()``."""
        from jupyter_aml.models.registry import ModelCollection

        return ModelCollection(self._client)

    @property
    def compute(self) -> ComputeCollection:
        """The machines: ``ws.compute.create_cluster("cpu-cluster", max_nodes=4)``."""
        return ComputeCollection(self._client)

    def get_details(self) -> dict[str, Any]:
        """Attributes and counts."""
        return dict(self._client.call("get_workspace"))

    def submit(
        self,
        job: Job,
        compute: str | None = None,
        experiment: str | None = None,
        *,
        display_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        environment: EnvironmentLike | None = None,
    ) -> Run:
        """Submit a job and return its run at once.

        ``environment`` takes the place of the job's own: a name, ``name:3``, an `Environment`, a definition.
        The folder the job takes along is copied as it is now; what is submitted is what runs.
        """
        from jupyter_aml.jobs.submit import submit_job

        return submit_job(
            self._client,
            job,
            compute=compute,
            experiment=experiment,
            display_name=display_name,
            tags=tags,
            environment=environment,
        )

    def submit_cell(
        self,
        source: str,
        namespace: Mapping[str, Any],
        *,
        include: Sequence[str] | None = None,
        returns: Sequence[str] | None = None,
        compute: str | None = None,
        experiment: str | None = None,
        display_name: str | None = None,
        folder: Path | None = None,
        timeout: str | float | None = None,
        environment: EnvironmentLike | None = None,
    ) -> Run:
        """Submit the source of a cell with the variables it needs, out of ``namespace``.

        ``include`` names the variables to ship (all the cell needs, without it), ``returns`` those to bring
        back (`Run.result`). The ``.py`` files of ``folder`` (the current one) go along. The Python of
        ``environment`` must be of this process's version.
        """
        from jupyter_aml.jobs.submit import cell_job, submit_job

        job = cell_job(source, namespace, include=include, returns=returns, folder=folder, timeout=timeout)
        return submit_job(
            self._client,
            job,
            compute=compute,
            experiment=experiment,
            display_name=display_name,
            environment=environment,
        )

    def get_mlflow_tracking_uri(self) -> str:
        """The URI with which MLflow works against this workspace: ``mlflow.set_tracking_uri(...)``.

        Sets ``MLFLOW_TRACKING_TOKEN`` in this process's environment, which MLflow's client shows there; the
        token is good for MLflow's protocol alone. Inside a job both are set already, for the job's own run.
        """
        if self._client.is_inside_job and (uri := os.environ.get("MLFLOW_TRACKING_URI")):
            return uri
        if self._location.url is not None:
            if token := os.environ.get("AML_TOKEN"):
                os.environ["MLFLOW_TRACKING_TOKEN"] = token
            return f"{self._location.url}/mlflow"
        found = self._client.call("open_mlflow")
        os.environ["MLFLOW_TRACKING_TOKEN"] = found["token"]
        return str(found["uri"])

    def warm_up(self) -> None:
        """Let the service prepare for quick starts of runs."""
        self._client.call("warm_up")
