"""GPUs are given by index. This machine has none: a fake ``nvidia-smi`` on PATH lists two, and no more is fake."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.errors import AmlError
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import needs_groups
from tests.conftest import stop_service

pytestmark = needs_groups
TOOL = "#!/bin/sh\necho '0, Fake GPU, 16384'\necho '1, Fake GPU, 16384'\n"
SHOW = "echo gpus=$CUDA_VISIBLE_DEVICES."


@pytest.fixture
def with_gpus(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "nvidia-smi").write_text(TOOL)
    (programs / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    found = Workspace.default()
    yield found
    for compute in found.compute.list():
        compute.delete(force=True)
    stop_service(found)


def test_each_machine_has_gpus_of_its_own(with_gpus: Workspace) -> None:
    compute = with_gpus.compute
    compute.create_instance("ci-one", cpus=0.5, memory="256MiB", gpus=1)
    compute.create_cluster("one-gpu", cpus=0.5, memory="256MiB", gpus=1, max_nodes=1)
    compute.create_instance("ci-none", cpus=0.5, memory="256MiB")
    seen = []
    for name in ("ci-one", "one-gpu", "ci-none"):
        run = with_gpus.submit(command(SHOW), compute=name)
        run.wait_for_completion(show_output=False)
        seen.append(run.logs().strip())
    assert seen == ["gpus=0.", "gpus=1.", "gpus=."]
    with pytest.raises(AmlError, match="GPU"):
        compute.create_instance("ci-two", cpus=0.5, memory="256MiB", gpus=2)
    compute["ci-one"].stop()  # type: ignore[attr-defined]
    compute.create_instance("ci-new", cpus=0.5, memory="256MiB", gpus=1)
    run = with_gpus.submit(command(SHOW), compute="ci-new")
    run.wait_for_completion(show_output=False)
    assert run.logs().strip() == "gpus=0."
