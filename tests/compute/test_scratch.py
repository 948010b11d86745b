"""Scratch space: a folder of the instance's own, which cannot fill the disk of its neighbours."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_aml.compute.compute import ComputeInstance
from jupyter_aml.compute.engines.local.scratch import close_scratch, open_scratch
from jupyter_aml.errors import AmlError
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import needs_groups

MIB = 2**20


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A scratch folder, closed at the end."""
    yield tmp_path / "instance" / "scratch"
    close_scratch(tmp_path / "instance" / "scratch")


@pytest.fixture
def may_mount(folder: Path) -> None:
    """Skips where this account may not mount file systems."""
    said = open_scratch(folder.with_name("trial"), 64 * MIB)
    close_scratch(folder.with_name("trial"))
    if said is None or "not limited" in said:
        pytest.skip("this account may not mount file systems")


def scratch_of(instance: ComputeInstance, workspace: Workspace) -> Path:
    assert workspace.path is not None
    return workspace.path / "compute" / instance.name / "scratch"


@pytest.mark.power
def test_a_full_scratch_space_is_full_for_its_instance_alone(may_mount: None, folder: Path) -> None:
    assert open_scratch(folder, 64 * MIB) == "scratch space is 64 MiB, held by a file system of its own"
    (folder / "kept.txt").write_text("kept")
    with pytest.raises(OSError, match="No space left"):
        (folder / "big").write_bytes(bytes(100 * MIB))
    assert shutil.disk_usage(folder.parent).free > 100 * MIB
    (folder / "big").unlink()
    close_scratch(folder)
    assert not os.path.ismount(folder) and list(folder.iterdir()) == []
    open_scratch(folder, 64 * MIB)
    assert (folder / "kept.txt").read_text() == "kept"


def test_more_than_the_disk_has_is_refused(folder: Path) -> None:
    with pytest.raises(OSError, match="of scratch space are asked for, the disk has"):
        open_scratch(folder, 2**50)


def test_without_the_tools_it_says_that_nothing_holds_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "mkfs.ext4").write_text("#!/bin/sh\nexit 1\n")
    (tools / "mkfs.ext4").chmod(0o700)
    monkeypatch.setenv("PATH", str(tools))
    said = open_scratch(folder, 64 * MIB)
    assert said == "scratch space is not limited: this account may not mount file systems"
    (folder / "usable").write_text("all the same")


@needs_groups
@pytest.mark.power
def test_an_instance_has_its_scratch_space_and_takes_it_along(may_mount: None, machines: Workspace) -> None:
    script = (
        'head -c 100000000 /dev/zero > "$AML_SCRATCH/big" || echo "$AML_SCRATCH" > "$AML_SCRATCH/../full"'
    )
    instance = machines.compute.create_instance(
        "ci-ada", cpus=0.5, memory="250MiB", disk="64MiB", setup_script=script
    )
    scratch = scratch_of(instance, machines)
    assert (scratch.parent / "full").read_text().strip() == str(scratch)
    assert "scratch space is 64 MiB" in "".join(instance.get_status()["details"])
    assert os.path.ismount(scratch)
    instance.stop()
    assert not os.path.ismount(scratch)
    instance.start()
    assert (scratch / "big").stat().st_size < 64 * MIB
    instance.delete()
    assert not scratch.parent.exists()
    mounts = subprocess.run(["mount"], capture_output=True, text=True, check=True).stdout
    assert str(scratch) not in mounts


@needs_groups
def test_an_instance_that_asks_for_too_much_scratch_is_not_made(machines: Workspace) -> None:
    with pytest.raises(AmlError, match="scratch space are asked for"):
        machines.compute.create_instance("ci-ada", cpus=0.5, memory="250MiB", disk="1000TiB")
