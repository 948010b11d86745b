"""One request of the protocol, as the functions that answer it see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from jupyter_aml.core.access import Principal
from jupyter_aml.core.operation import Context, Store
from jupyter_aml.mlflow.fields import Fields


@dataclass(frozen=True)
class Call:
    """Who asks what.

    ``fields`` are the parameters of the body or the query, ``path`` what the path's own parameters took.
    """

    context: Context
    fields: Fields
    path: dict[str, str]
    request: Request

    @property
    def store(self) -> Store:
        """The workspace."""
        return self.context.store

    @property
    def principal(self) -> Principal:
        """The caller."""
        return self.context.principal


Handler = Callable[[Call], Any]
