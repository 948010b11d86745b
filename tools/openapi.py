"""Print the OpenAPI document of the REST API under Jupyter, with no service and no server running.

The labextension's types are generated from it: ``make schema``.
"""

from __future__ import annotations

import json
from typing import Any, cast

from jupyter_aml.server.openapi import fronted
from jupyter_aml.service.app import build_app
from jupyter_aml.service.process import all_operations


def main() -> None:
    # To describe itself the application needs neither a store nor to know anybody.
    app = build_app(cast(Any, None), all_operations(), lambda token: None)
    print(json.dumps(fronted(app.openapi(), "/"), indent=1))


if __name__ == "__main__":
    main()
