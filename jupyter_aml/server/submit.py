"""The route that submits a notebook of this Jupyter server: the only one the service does not have."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tornado import web

from jupyter_aml import limits
from jupyter_aml.client import Location
from jupyter_aml.errors import InvalidError, TooLargeError
from jupyter_aml.server.handler import AmlHandler, refusing


@web.stream_request_body
class SubmitHandler(AmlHandler):
    """``POST /aml/api/v1/notebooks/submit {path, parameters, experiment?, display_name?, compute?}``."""

    def initialize(self, name: str) -> None:
        """Nothing has been received yet."""
        super().initialize(name)
        self._body = bytearray()
        self._too_large = False

    async def needs(self) -> list[tuple[str, str]]:
        """The right to submit jobs, and Jupyter's own right to read files."""
        await self.service.connection()
        return [("write", "aml.jobs"), ("read", "contents")]

    def data_received(self, chunk: bytes) -> None:
        """Keep the body, up to what a request's JSON may have."""
        self._too_large = self._too_large or len(self._body) + len(chunk) > limits.REQUEST_JSON_BYTES
        if not self._too_large:
            self._body += chunk

    @web.authenticated
    async def post(self) -> None:
        """Submit, and answer with the run."""
        with refusing():
            if self._too_large:
                raise TooLargeError(f"A request's JSON may have at most {limits.REQUEST_JSON_BYTES:,} bytes.")
            root_dir = getattr(self.contents_manager, "root_dir", "")
            if not root_dir:
                raise InvalidError("This Jupyter server keeps its notebooks elsewhere than in a folder.")
            connection = await self.service.connection()
            run = await asyncio.to_thread(
                _submit,
                connection.location,
                Path(root_dir),
                bytes(self._body),
                allow_hidden=self.contents_manager.allow_hidden,
            )
        self.set_status(201)
        await self.finish(json.dumps(run))


def _submit(location: Location, root_dir: Path, body: bytes, *, allow_hidden: bool) -> dict[str, Any]:
    # Imported in the worker thread, since it takes a while.
    from jupyter_aml.server.notebooks import submit_notebook

    return submit_notebook(location, root_dir, body, allow_hidden=allow_hidden)
