"""Finding a workspace, starting its service, and agreeing with it on a version."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import jupyter_aml
from jupyter_aml.client import Client, launch, locate
from jupyter_aml.core import schema
from jupyter_aml.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from jupyter_aml.workspace import Workspace

OLD_SERVICE = """
import sys
from pathlib import Path
import jupyter_aml
jupyter_aml.__version__ = {version!r}
from jupyter_aml.service import operations, process
operations.PROTOCOL = {protocol}
process.run_service(Path(sys.argv[1]))
"""


def start_other(workspace: Workspace, version: str, protocol: int = 1) -> subprocess.Popen[bytes]:
    """A service of another version, answering."""
    folder = workspace.client.location.folder
    code = OLD_SERVICE.format(version=version, protocol=protocol)
    process = subprocess.Popen([sys.executable, "-P", "-c", code, str(folder.root)])
    while launch.read_address(folder) is None:
        assert process.poll() is None
    return process


def test_the_default_workspace_is_made_at_first_use_and_private(home: Path) -> None:
    location = locate()
    assert location.root == home / "workspaces" / "default"
    assert locate() == location == locate("default")
    assert stat.S_IMODE(location.folder.root.stat().st_mode) == 0o700


def test_a_workspace_is_found_by_name_folder_and_environment(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Workspace.create("team", tags={"a": "b"})
    elsewhere = Workspace.create("other", path=tmp_path / "place")
    assert locate("team").root == home / "workspaces" / "team"
    assert locate(str(tmp_path / "place")) == elsewhere.client.location
    monkeypatch.setenv("AML_WORKSPACE", "team")
    assert locate().root == home / "workspaces" / "team"
    assert set(Workspace.list()) == {"team"}
    with pytest.raises(NotFoundError, match="'teem'") as caught:
        Workspace.get("teem")
    assert caught.value.hint == "Did you mean 'team'?"
    with pytest.raises(ConflictError):
        Workspace.create("team")
    with pytest.raises(InvalidError):
        Workspace.create("a/b")


def test_config_files_are_found_in_the_folder_and_above(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    (project / "deep" / "er").mkdir(parents=True)
    ours = Workspace.create("mine", path=tmp_path / "place")
    monkeypatch.chdir(project)
    written = ours.write_config()
    assert written == project / ".aml" / "config.json"
    assert Workspace.from_config(project / "deep" / "er").path == tmp_path / "place"
    azure = tmp_path / "azure"
    (azure / ".azureml").mkdir(parents=True)
    config = {"subscription_id": "s-1", "resource_group": "rg", "workspace_name": "from-azure"}
    (azure / ".azureml" / "config.json").write_text("\ufeff" + json.dumps(config), encoding="utf-8")
    found = Workspace.from_config(azure)
    assert found.name == "from-azure" and found._attributes()["resource_group"] == "rg"
    with pytest.raises(NotFoundError, match="No workspace config"):
        Workspace.from_config("/")


def test_many_clients_at_once_start_one_service(workspace: Workspace) -> None:
    folder = workspace.client.location.folder
    found: list[str] = []

    def ask() -> None:
        client = Client(workspace.client.location)
        found.append(client.call("get_workspace")["id"])
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and len(set(found)) == 1
    services = [
        name
        for name in os.listdir("/proc")
        if name.isdecimal() and f"jupyter_aml.service\0{folder.root}" in _command_line(name)
    ]
    assert len(services) == 1


def _command_line(pid: str) -> str:
    try:
        return Path("/proc", pid, "cmdline").read_text()
    except OSError:
        return ""


def test_an_older_idle_service_makes_way(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    process = start_other(workspace, "0.0.1")
    assert workspace.get_details()["version"] == jupyter_aml.__version__
    assert process.wait(10) == 0


def test_an_older_busy_service_of_the_same_protocol_is_used(workspace: Workspace) -> None:
    process = start_other(workspace, "0.0.1")
    older = Client(workspace.client.location)
    monkey = pytest.MonkeyPatch()
    monkey.setattr(jupyter_aml, "__version__", "0.0.1")
    from jupyter_aml.tracking.run import start_run

    run = start_run(older, "x", None, None)
    monkey.undo()
    assert workspace.get_details()["version"] == "0.0.1"
    run.complete()
    older.call("stop_service")
    older.close()
    workspace.client.close()
    assert process.wait(10) == 0


def test_a_service_of_a_newer_protocol_says_what_to_do(workspace: Workspace) -> None:
    process = start_other(workspace, "99.0", protocol=2)
    with pytest.raises(UnavailableError, match=r"99\.0, newer") as caught:
        workspace.get_details()
    assert "pip install --upgrade" in (caught.value.hint or "")
    process.terminate()
    process.wait(10)


def test_a_workspace_that_cannot_be_opened_says_why(workspace: Workspace) -> None:
    folder = workspace.client.location.folder
    workspace.get_details()
    workspace.client.call("stop_service")
    workspace.client.close()
    assert launch.wait_until_gone(folder)
    import sqlite3

    with sqlite3.connect(folder.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(UnavailableError, match="newer version"):
        workspace.get_details()
    with sqlite3.connect(folder.database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (schema.HEAD,))
    connection.close()


def test_a_deep_folder_still_gets_a_socket(home: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    workspace = Workspace.create("deep", path=deep)
    assert workspace.get_details()["name"] == "deep"
    address = launch.read_address(workspace.client.location.folder)
    assert address is not None and len(address.address) < 108
    socket = Path(address.address.removeprefix("unix:"))
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    workspace.client.call("stop_service")
    workspace.client.close()
    assert launch.wait_until_gone(workspace.client.location.folder)


def test_the_service_leaves_when_it_is_idle(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AML_SERVICE_IDLE_SECONDS", "1")
    workspace = Workspace.default()
    workspace.get_details()
    workspace.client.close()
    assert launch.wait_until_gone(workspace.client.location.folder, 20)
    assert launch.read_address(workspace.client.location.folder) is None
