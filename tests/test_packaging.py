"""What a user installs: one wheel with the JupyterLab extension inside, and no Node needed to install it."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import jupyter_aml

ROOT = Path(__file__).resolve().parent.parent
BUNDLE = ROOT / "jupyter_aml" / "labextension"
LABEXTENSION = "data/share/jupyter/labextensions/jupyter-aml"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of this tree and the wheel built from that sdist.

    The bundle in the tree is taken as it is, and without npm: so the sdist alone must be enough.
    """
    if not (BUNDLE / "package.json").exists():
        pytest.skip("the JupyterLab extension is not built: run make test")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    environment = os.environ | {"HATCH_JUPYTER_BUILDER_SKIP_NPM": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(next(built.glob("*.whl")))


@pytest.fixture(scope="module")
def files(wheel: zipfile.ZipFile) -> list[str]:
    """The wheel's files; those it puts under ``sys.prefix`` begin with ``data/``."""
    return [re.sub(r"^jupyter_aml-[^/]*\.data/", "", name) for name in wheel.namelist()]


@pytest.fixture(scope="module")
def sdist(built: Path) -> list[str]:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        return [name.split("/", 1)[1] for name in archive.getnames()]


def test_wheel_installs_everywhere(built: Path) -> None:
    assert [path.name for path in built.glob("*.whl")] == [
        f"jupyter_aml-{jupyter_aml.__version__}-py3-none-any.whl"
    ]


def test_wheel_brings_the_labextension(files: list[str]) -> None:
    assert f"{LABEXTENSION}/install.json" in files
    assert f"{LABEXTENSION}/static/style.js" in files
    assert any(re.fullmatch(LABEXTENSION + r"/static/remoteEntry\.\w+\.js", name) for name in files)
    assert any(name.startswith(f"{LABEXTENSION}/schemas/jupyter-aml/") for name in files)


def test_installed_labextension_is_of_the_same_version(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith(f"{LABEXTENSION}/package.json"))
    assert json.loads(wheel.read(name))["version"] == jupyter_aml.__version__


def test_wheel_enables_the_server_extension(wheel: zipfile.ZipFile) -> None:
    place = "data/etc/jupyter/jupyter_server_config.d/jupyter_aml.json"
    name = next(name for name in wheel.namelist() if name.endswith(place))
    assert json.loads(wheel.read(name)) == {"ServerApp": {"jpserver_extensions": {"jupyter_aml": True}}}


def test_wheel_has_every_file_of_the_package(files: list[str]) -> None:
    package = ROOT / "jupyter_aml"
    elsewhere = (BUNDLE, package / "server_config")
    expected = {
        str(path.relative_to(ROOT))
        for path in package.rglob("*")
        if path.is_file()
        and not re.search(r"/(__pycache__|\..*)/", str(path.relative_to(ROOT)))
        and not any(map(path.is_relative_to, elsewhere))
    }
    assert any("migrations/versions" in name for name in expected)
    assert {name for name in files if name.startswith("jupyter_aml/")} == expected


def test_wheel_has_nothing_twice_and_nothing_else(files: list[str]) -> None:
    assert len(files) == len(set(files))
    tops = {name.split("/", 1)[0] for name in files}
    assert tops == {"jupyter_aml", "data", f"jupyter_aml-{jupyter_aml.__version__}.dist-info"}
    assert not [name for name in files if name.endswith((".map", ".ts", ".tsx"))]


def test_wheel_offers_the_command_and_the_papermill_engine(wheel: zipfile.ZipFile) -> None:
    name = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    points = configparser.ConfigParser()
    points.read_string(wheel.read(name).decode())
    assert "aml" in points["console_scripts"]
    assert "aml" in points["papermill.engine"]


def test_sdist_is_the_source_with_the_bundle(sdist: list[str]) -> None:
    assert "jupyter_aml/labextension/static/style.js" in sdist
    assert {"labextension/src/index.ts", "labextension/package-lock.json", "LICENSE"} <= set(sdist)
    made = re.compile(r"node_modules|\.tsbuildinfo|^labextension/lib|__pycache__")
    assert not [name for name in sdist if made.search(name)]


@pytest.mark.parametrize("name", ["labextension/package-lock.json", "constraints.txt"])
def test_locked_versions_name_no_registry(name: str) -> None:
    """Anyone installs from the registry their own machine is set up for."""
    text = (ROOT / name).read_text()
    assert '"resolved": "http' not in text
    assert "index-url" not in text
    assert "@ http" not in text
