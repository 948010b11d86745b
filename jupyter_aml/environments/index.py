"""Where packages come from: what this machine has configured for pip or uv, in uv's own variables.

uv reads its own configuration (``UV_*``, ``uv.toml``) by itself. What is only said to pip, in its
configuration files or its ``PIP_*`` variables, is translated, and read as pip reads it: all indexes count,
the best version wins. Nothing here names an index.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Mapping
from pathlib import Path

_TRUE = ("1", "true", "yes", "on")


def uv_environment(given: Mapping[str, str], extra_index_urls: list[str]) -> dict[str, str]:
    """What uv is to be told: ``given`` (`index_environment`), with pip's settings in uv's words."""
    told = {name: value for name, value in given.items() if not name.startswith("PIP_")}
    pip = pip_configuration(given)
    extra = [*pip.get("extra-index-url", "").split(), *extra_index_urls]
    words = {
        "UV_DEFAULT_INDEX": "" if "UV_INDEX_URL" in told else pip.get("index-url", ""),
        "UV_FIND_LINKS": ",".join(pip.get("find-links", "").split()),
        "UV_NO_INDEX": "1" if pip.get("no-index", "").lower() in _TRUE else "",
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": pip.get("timeout", pip.get("default-timeout", "")),
        "SSL_CERT_FILE": os.environ.get("SSL_CERT_FILE") or pip.get("cert", ""),
    }
    told = {**{name: value for name, value in words.items() if value}, **told}
    if extra:
        told["UV_INDEX"] = " ".join([*told.get("UV_INDEX", "").split(), *extra])
        told.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return told


def pip_configuration(environment: Mapping[str, str]) -> dict[str, str]:
    """pip's settings by their long names: its files from the machine's to the user's, then its variables."""
    found: dict[str, str] = {}
    for file in _files(environment):
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue  # pip itself says so to whoever uses it
        for section in ("global", "install"):
            if parser.has_section(section):
                found.update(parser.items(section))
    prefix = "PIP_"
    found.update(
        (name.removeprefix(prefix).lower().replace("_", "-"), value)
        for name, value in environment.items()
        if name.startswith(prefix) and value
    )
    return found


def _files(environment: Mapping[str, str]) -> list[Path]:
    own = environment.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return []
    home = Path.home()
    user = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    machine = [Path(folder) / "pip/pip.conf" for folder in ("/etc/xdg",)]
    places = [*machine, Path("/etc/pip.conf"), home / ".pip/pip.conf", user / "pip/pip.conf"]
    return [*places, Path(sys.prefix) / "pip.conf", *([Path(own)] if own else [])]
