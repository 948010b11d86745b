"""MLflow's protocol under the Jupyter server, at ``/aml/mlflow``: for MLflow clients that can reach only
Jupyter.

They show Jupyter's token as MLflow sends it (``MLFLOW_TRACKING_TOKEN``), Jupyter's authorizer is asked for
what the endpoint itself asks of its caller, and the request goes on to the service as the workspace's
owner's. Refusals have MLflow's form.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from jupyter_aml.errors import AmlError, InvalidError
from jupyter_aml.mlflow import PREFIX, routes
from jupyter_aml.mlflow.errors import EndpointNotFoundError, problem
from jupyter_aml.server.handler import Refused, error_of_status
from jupyter_aml.server.proxy import ServiceHandler

_ROOT = "aml/mlflow/"
_SEGMENT = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+", re.ASCII)
_QUERY = re.compile(r"[\x21-\x7e]*", re.ASCII)


class MlflowHandler(ServiceHandler):
    """See the module."""

    async def needs(self) -> list[tuple[str, str]]:
        """What the endpoint asks of its caller."""
        if self.request.headers.get("Content-Encoding", "identity") != "identity":
            raise InvalidError("Compressed request bodies are not taken.")
        root = self.base_url + _ROOT
        if not self.request.path.startswith(root) or not _QUERY.fullmatch(self.request.query):
            raise EndpointNotFoundError("There is no such endpoint.")
        await self.service.connection()
        self._method = self.request.method or ""
        segments = [_decoded(segment) for segment in self.request.path[len(root) :].split("/")]
        found = routes.find(self._method, "/".join(segments))
        if found is None:
            raise EndpointNotFoundError("This workspace does not serve that endpoint of MLflow's.")
        query = f"?{self.request.query}" if self.request.query else ""
        path = "/".join(quote(segment, safe="") for segment in segments)
        self._target = f"{PREFIX}/{path}{query}"
        rule = found[0].rule
        return [(rule.action, rule.resource)]

    def takes_body(self) -> bool:
        """MLflow's clients send a body with DELETE, too."""
        return self._method != "GET"

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every error in MLflow's form."""
        exception = (kwargs.get("exc_info") or (None, None, None))[1]
        error: AmlError = exception.error if isinstance(exception, Refused) else error_of_status(status_code)
        if status_code == 503:
            self.set_header("Retry-After", "2")
        self.finish(json.dumps(problem(error)))


def _decoded(segment: str) -> str:
    """A segment of the path, decoded once; what is no plain segment is refused instead of repaired."""
    if _SEGMENT.fullmatch(segment):
        try:
            text = unquote_to_bytes(segment).decode("utf-8")
        except UnicodeDecodeError:
            text = "/"
        if "/" not in text:
            return text
    raise InvalidError("Invalid path: it names no endpoint and no artifact.")
