"""A Jupyter server in a process of its own, as a user starts it, with nothing of the user's own in it."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx

START_SECONDS = 90
STOP_SECONDS = 10


class Jupyter:
    """``jupyter lab`` (or ``jupyter notebook``: any module that starts a server) on a port of its own.

    The labextension and the server extension are found where the install put them; settings, kernels'
    connection files and Lab's saved layouts lie in ``folder``. ``config`` is more of the server's own
    configuration, as Python. Use it as a context manager.
    """

    def __init__(self, module: str, root: Path, home: Path, folder: Path, config: str = "") -> None:
        self.root = root
        self.token = secrets.token_hex(16)
        self.port = _free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self._module = module
        self._folder = folder
        self._config = config
        self._log = folder / "server.log"
        self._environment = _environment(home, folder)

    def url(self, path: str) -> str:
        """The address of a page, with the token that lets the browser in."""
        return f"{self.origin}/{path}{'&' if '?' in path else '?'}token={self.token}"

    def __enter__(self) -> Self:
        self._no_news()
        (self._folder / "config/jupyter_server_config.py").write_text(self._config)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module, *self._arguments()],
                cwd=self.root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server and its kernels.

        Told to stop while it serves a file, Jupyter may wait for its own thread for ever: it is killed then.
        """
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _arguments(self) -> list[str]:
        return [
            "--no-browser",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            "--ServerApp.allow_root=True",
            f"--ServerApp.root_dir={self.root}",
            f"--IdentityProvider.token={self.token}",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.extension_manager=readonly",
        ]

    def _no_news(self) -> None:
        """Answer beforehand what Lab asks at its first start: its question would lie over the page."""
        settings = self._folder / "config/lab/user-settings/@jupyterlab/apputils-extension"
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + START_SECONDS
        with httpx.Client(trust_env=False) as client:
            while time.monotonic() < end and self._process.poll() is None:
                try:
                    if client.get(self.url("api/status")).is_success:
                        return
                except httpx.TransportError:
                    time.sleep(0.1)
        raise AssertionError(f"{self._module} did not come up:\n{self._log.read_text(errors='replace')}")


def _environment(home: Path, folder: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AML_", "JUPYTER", "IPYTHON")) and name != "PYTHONPATH"
    }
    return kept | {
        "AML_HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "IPYTHONDIR": str(folder / "ipython"),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
