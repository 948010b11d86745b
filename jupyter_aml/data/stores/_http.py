"""The HTTP client of a datastore: its credentials go to its own address, and it follows no one elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from jupyter_aml.errors import ForbiddenError

_SECONDS = 60.0


def http_filesystem(endpoint: str, credentials: Mapping[str, str]) -> Any:
    """fsspec's file system for ``endpoint``."""
    from fsspec.implementations.http import HTTPFileSystem

    async def client(**options: Any) -> Any:
        import aiohttp

        options.setdefault("timeout", aiohttp.ClientTimeout(total=None, connect=10, sock_read=_SECONDS))
        if "token" in credentials:
            options["headers"] = {"Authorization": f"Bearer {credentials['token']}"}
        elif "username" in credentials:
            pair = f"{credentials['username']}:{credentials.get('password', '')}"
            options["headers"] = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_same_origin)
        return aiohttp.ClientSession(trace_configs=[trace], **options)

    async def _same_origin(_session: Any, _context: Any, parameters: Any) -> None:
        target = urljoin(str(parameters.url), parameters.response.headers.get("Location", ""))
        if _origin(target) != _origin(endpoint):
            raise ForbiddenError(
                "The server of the datastore points to another address, which is not followed.",
                hint="Register a datastore for that address, if you trust it.",
            )

    return HTTPFileSystem(
        get_client=client, skip_instance_cache=True, use_listings_cache=False, block_size=2**20, encoded=False
    )


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port
