"""Finding a workspace, starting its service where there is none, and speaking to it."""

from __future__ import annotations

from jupyter_aml.client.client import Client
from jupyter_aml.client.locate import Location, locate

__all__ = ["Client", "Location", "locate"]
