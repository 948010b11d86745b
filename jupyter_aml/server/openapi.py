"""The OpenAPI document of the API as this server fronts it, and the route that serves it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tornado import web

from jupyter_aml.server.handler import AmlHandler, refusing
from jupyter_aml.server.routes import NOT_FRONTED, PREFIX

_SUBMIT = {
    "post": {
        "operationId": "submit_notebook",
        "summary": "Submit Notebook",
        "description": "Submit a notebook of this Jupyter server as a run.",
        "x-aml-action": "write",
        "x-aml-resource": "aml.jobs",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/SubmitNotebook"}}},
        },
        "responses": {
            "201": {
                "description": "The run, queued.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/RunModel"}}},
            },
            "4XX": {
                "description": "The request was refused.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
            },
        },
    }
}


def fronted(document: dict[str, Any], base_url: str) -> dict[str, Any]:
    """The service's OpenAPI ``document`` without what this server keeps back and with what it adds."""
    from jupyter_aml.server.notebooks import SubmitNotebook

    paths = {
        path: {
            verb: operation
            for verb, operation in verbs.items()
            if operation["operationId"] not in NOT_FRONTED
        }
        for path, verbs in document["paths"].items()
    }
    paths = {path: verbs for path, verbs in paths.items() if verbs}
    paths[f"{PREFIX}/notebooks/submit"] = _SUBMIT
    components = document.get("components", {})
    schemas = {**components.get("schemas", {}), "SubmitNotebook": SubmitNotebook.model_json_schema()}
    return {
        **document,
        "servers": [{"url": base_url + "aml"}],
        "paths": paths,
        "components": {**components, "schemas": schemas},
    }


class OpenApiHandler(AmlHandler):
    """``GET /aml/api/v1/openapi.json``."""

    async def needs(self) -> list[tuple[str, str]]:
        """Who may read the workspace may read what can be asked of it."""
        return [("read", "aml.workspace")]

    @web.authenticated
    async def get(self) -> None:
        """The document."""
        with refusing():
            connection = await self.service.connection()
        await self.finish(await asyncio.to_thread(_document, connection.openapi, self.base_url))


def _document(document: dict[str, Any], base_url: str) -> str:
    return json.dumps(fronted(document, base_url))
