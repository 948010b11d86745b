"""What clients ask of the server itself."""

from __future__ import annotations

from typing import Any

from starlette.responses import PlainTextResponse

from jupyter_aml.mlflow.call import Call


def server_info(_call: Call) -> dict[str, Any]:
    """What this server can do: large files go through it in one stream, and nowhere else."""
    return {
        "store_type": "JupyterAml",
        "workspaces_enabled": False,
        "multipart_uploads_enabled": False,
        "multipart_downloads_enabled": False,
    }


def health(_call: Call) -> PlainTextResponse:
    """Whether the server answers."""
    return PlainTextResponse("OK")
