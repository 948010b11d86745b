"""The server extension itself: its settings, its routes, what it starts and what it leaves running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_events import EventLogger
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Unicode

from jupyter_aml.client import Location
from jupyter_aml.server.exposure import check_exposure
from jupyter_aml.server.handler import RELAY_SETTING, SERVICE_SETTING
from jupyter_aml.server.kernels import KernelActivity, offer_kernels
from jupyter_aml.server.mlflow import MlflowHandler
from jupyter_aml.server.openapi import OpenApiHandler
from jupyter_aml.server.proxy import ServiceHandler
from jupyter_aml.server.relay import SCHEMA_FILES, EventRelay
from jupyter_aml.server.submit import SubmitHandler
from jupyter_aml.server.upstream import Service


class AmlApp(ExtensionApp):
    """The workspace in this Jupyter server, at ``/aml/api/v1/``.

    Loading it starts nothing; the service comes up in the background once the server runs. It is left
    running at the end, since runs go on without Jupyter.
    """

    name = "jupyter_aml"
    load_other_extensions = True

    workspace = Unicode(
        "",
        help="""The workspace to serve: a name, a folder, or the URL of a service.
        Without it the environment variable AML_WORKSPACE, else the default workspace.""",
    ).tag(config=True)

    def initialize_settings(self) -> None:
        """Make what the handlers share."""
        self.service = Service(self.workspace, self._take)
        self.relay = EventRelay(self.service, self._emit, self.log)
        self.activity = KernelActivity(self.service, self._server.kernel_manager, self.log)
        for file in SCHEMA_FILES:
            self._events.register_event_schema(file)
        self.settings.update({SERVICE_SETTING: self.service, RELAY_SETTING: self.relay})

    def initialize_handlers(self) -> None:
        """The routes, most special first; the patterns hold no groups, see `ServiceHandler.needs`."""
        self.handlers.extend(
            [
                (r"/aml/api/v1/openapi\.json", OpenApiHandler),
                (r"/aml/api/v1/notebooks/submit", SubmitHandler),
                (r"/aml/mlflow(?:/.*)?", MlflowHandler),
                (r"/aml(?:/.*)?", ServiceHandler),
            ]
        )

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        self.relay.start()
        self.activity.start()

    async def stop_extension(self) -> None:
        """Close what was opened; the service and its runs go on."""
        await self.relay.stop()
        await self.activity.stop()
        await self.service.close()

    @property
    def _server(self) -> ServerApp:
        assert self.serverapp is not None
        return self.serverapp

    @property
    def _events(self) -> EventLogger:
        assert self._server.event_logger is not None
        return self._server.event_logger

    def _take(self, location: Location) -> None:
        """Take the workspace that was found as the one to serve; raises where it must not be."""
        contents = self._server.contents_manager
        root_dir = getattr(contents, "root_dir", "")
        if root_dir and location.root is not None:
            check_exposure(location.root, Path(root_dir), allow_hidden=contents.allow_hidden)
        kernels = self._server.kernel_spec_manager
        if location.root is not None and kernels is not None:
            offer_kernels(kernels, location.root)

    def _emit(self, schema_id: str, data: dict[str, Any]) -> None:
        self._events.emit(schema_id=schema_id, data=data)
