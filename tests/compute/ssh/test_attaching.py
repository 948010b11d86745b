"""Attaching a machine: what is asked, what is refused, and what is kept of it."""

from __future__ import annotations

import json
import re
import stat
import sys
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.commands.main import main
from jupyter_aml.errors import AmlError, ConflictError, InvalidError, NotFoundError
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import until
from tests.compute.ssh.conftest import Host, attach, make_key


def test_a_host_key_is_confirmed_first_and_then_pinned(workspace: Workspace, host: Host) -> None:
    with pytest.raises(ConflictError, match="nobody has confirmed") as caught:
        attach(workspace, host, accept_host_key=False)
    shown = re.search(r"SHA256:[A-Za-z0-9+/]{43}", str(caught.value))
    assert shown is not None and "Accepted" not in (host.folder / "sshd.log").read_text()
    with pytest.raises(ConflictError, match="Nothing was sent"):
        attach(workspace, host, accept_host_key=False, host_key="SHA256:" + "A" * 43)
    found = attach(workspace, host, accept_host_key=False, host_key=shown[0])
    assert found.state == "Running" and shown[0] in str(found.get_status()["details"])

    # Another key later is refused, and nothing is started.
    host.stop()
    for name in ("host_key", "host_key.pub"):
        (host.folder / name).unlink()
    make_key(host.folder / "host_key")
    host.start()
    run = workspace.submit(command("echo hello"), compute="gpu-box")
    until(lambda: run.is_final)
    assert run.status == "Failed" and run.error is not None and "another host key" in run.error["message"]
    assert "hello" not in run.logs()
    found.delete()
    with pytest.raises(NotFoundError):
        workspace.compute.get("gpu-box")
    assert list((workspace.client.location.folder.computes).iterdir()) == []


def test_a_key_that_does_not_open_is_said_so(workspace: Workspace, host: Host) -> None:
    wrong = make_key(host.folder / "wrong")
    with pytest.raises(AmlError, match="does not let us in: .*Permission denied"):
        attach(workspace, host, private_key=str(wrong))
    wrong.chmod(0o644)
    with pytest.raises(InvalidError, match="can be read by others"):
        attach(workspace, host, private_key=str(wrong))
    with pytest.raises(AmlError, match="has no Python 'python9.9'"):
        attach(workspace, host, python="python9.9")
    host.stop()
    with pytest.raises(AmlError, match="cannot be reached"):
        attach(workspace, host)
    assert workspace.compute.list() == []
    host.start()


def test_a_password_opens_the_key_and_is_shown_to_nobody(workspace: Workspace, host: Host) -> None:
    locked = make_key(host.folder / "locked", "horse battery")
    with host.authorized.open("a") as file:
        file.write((host.folder / "locked.pub").read_text())
    with pytest.raises(AmlError):
        attach(workspace, host, private_key=str(locked), password="wrong")
    found = attach(workspace, host, private_key=str(locked), password="horse battery")
    assert "horse" not in str(found.get_status())
    folder = workspace.client.location.folder.computes / "gpu-box"
    holding = [path for path in folder.rglob("*") if b"horse" in path.read_bytes()]
    assert [path.name for path in holding] == ["password"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600
    run = workspace.submit(command("env; cat /proc/*/cmdline | tr '\\0' ' '"), compute="gpu-box")
    run.wait_for_completion(show_output=False)
    assert "horse" not in run.logs()


@pytest.mark.parametrize(
    "given",
    [
        {"host": "-oProxyCommand=touch /tmp/x"}, {"host": "a b"}, {"host": "host\nProxyCommand x"}, {"host": "$(id)"},
        {"host": "u@-x"}, {"username": "-oProxyCommand=x"}, {"username": "a b"}, {"username": "$(id)"},
        {"python": "-c"}, {"python": "python;id"}, {"python": "$(id)"}, {"python": "p\n"},
        {"private_key": "/tmp/%h"}, {"private_key": "/tmp/a\nb"}, {"port": 0}, {"port": 65536}, {"name": "../x"},
    ],
    ids=repr,
)  # fmt: skip
def test_nothing_that_is_given_becomes_an_option_or_a_command(given: dict[str, object]) -> None:
    from jupyter_aml.compute.engines.ssh.connection import Target
    from jupyter_aml.compute.model import AttachSsh

    with pytest.raises((InvalidError, ValueError)):
        body = AttachSsh.model_validate({"name": "gpu-box", "host": "127.0.0.1", **given})
        Target(body.name, body.host, body.port, body.username, body.private_key, body.python or "python3")


def test_a_home_that_cannot_be_written_is_a_finding(workspace: Workspace, host: Host) -> None:
    host.aml.write_text("a file where the folder should be")
    with pytest.raises(InvalidError, match="cannot run jobs") as caught:
        attach(workspace, host)
    assert "nothing can be kept" in str(caught.value)
    host.aml.unlink()
    assert Path(host.home).is_dir()


def test_the_shell_shows_the_key_and_takes_it(
    workspace: Workspace, host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compute", "attach", "-n", "gpu-box", "--host", "127.0.0.1", "--port", str(host.port)]
    words += ["--private-key", str(host.key), "--python", sys.executable]
    assert main(words) == 1
    said = capsys.readouterr().err
    shown = re.search(r"--host-key (SHA256:[A-Za-z0-9+/]{43})", said)
    assert shown is not None and "nobody has confirmed" in said
    assert main([*words, "--host-key", shown[1], "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["type"] == "virtualmachine" and found["state"] == "Running"
    assert main(["submit", "--wait", "-c", "gpu-box", "--", "echo", "from", "afar"]) == 0
    assert "from afar" in "".join(capsys.readouterr())
    assert main(["compute", "detach", "-n", "gpu-box"]) == 2 and "--yes" in capsys.readouterr().err
    assert main(["compute", "detach", "-n", "gpu-box", "--yes"]) == 0
    assert workspace.compute.list() == []
