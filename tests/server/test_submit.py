"""Submitting a notebook of the Jupyter server: which path may be named, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from jupyter_aml.client import Client
from jupyter_aml.errors import AmlError, InvalidError, NotFoundError
from jupyter_aml.server.notebooks import notebook_file

Browser = Callable[..., Any]


def write_notebook(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [
        nbformat.v4.new_code_cell("alpha = 1.0", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("print('alpha is', alpha)"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root folder with a notebook, and others around it."""
    for name in ("root/folder/train.ipynb", "root/.hidden/train.ipynb", "rooted/x.ipynb", "x.ipynb"):
        write_notebook(tmp_path / name)
    (tmp_path / "root" / "text.txt").write_text("no notebook")
    (tmp_path / "root" / "folder.ipynb").mkdir()
    (tmp_path / "root" / "escape.ipynb").symlink_to(tmp_path / "x.ipynb")
    (tmp_path / "root" / "text.ipynb").symlink_to("text.txt")
    (tmp_path / "root" / "out").symlink_to(tmp_path / "rooted")
    (tmp_path / "root" / "seen.ipynb").symlink_to(".hidden/train.ipynb")
    (tmp_path / "root" / "loop.ipynb").symlink_to("loop.ipynb")
    (tmp_path / "root" / "good.ipynb").symlink_to("folder/train.ipynb")
    return tmp_path / "root"


@pytest.mark.parametrize("path", ["folder/train.ipynb", "good.ipynb"])
def test_a_notebook_below_the_root_is_found(root: Path, path: str) -> None:
    assert notebook_file(root, path, allow_hidden=False) == root / "folder" / "train.ipynb"


@pytest.mark.parametrize(
    "path",
    [
        "../x.ipynb", "../rooted/x.ipynb", "folder/../../x.ipynb", "folder/../folder/train.ipynb",
        "/etc/passwd", "/folder/train.ipynb", "folder//train.ipynb", "./folder/train.ipynb", "",
        "folder/train.ipynb/", "a\0.ipynb", "text.txt", "folder", "escape.ipynb", "out/x.ipynb", "text.ipynb",
    ],
)  # fmt: skip
def test_what_leads_elsewhere_is_refused(root: Path, path: str) -> None:
    with pytest.raises(InvalidError):
        notebook_file(root, path, allow_hidden=False)


@pytest.mark.parametrize(
    "path",
    ["none.ipynb", "folder.ipynb", ".hidden/train.ipynb", "seen.ipynb", "loop.ipynb", "x" * 300 + ".ipynb"],
)
def test_what_is_not_there_or_hidden_is_not_found(root: Path, path: str) -> None:
    with pytest.raises(NotFoundError):
        notebook_file(root, path, allow_hidden=False)


def test_a_hidden_notebook_may_run_where_hidden_files_are_shown(root: Path) -> None:
    assert notebook_file(root, ".hidden/train.ipynb", allow_hidden=True).is_file()


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(root)
    assert notebook_file(tmp_path / "alias", "folder/train.ipynb", allow_hidden=False)


async def test_a_notebook_becomes_a_run(browser: Browser, client: Client, jp_root_dir: Path) -> None:
    write_notebook(jp_root_dir / "work" / "train.ipynb")
    async with browser() as http:
        response = await http.post(
            "notebooks/submit",
            json={
                "path": "work/train.ipynb",
                "parameters": {"alpha": 0.5},
                "experiment": "from-lab",
                "display_name": "half alpha",
            },
        )
        assert response.status_code == 201, response.text
        run = response.json()
        assert (run["experiment"], run["kind"], run["display_name"]) == ("from-lab", "notebook", "half alpha")
        async with asyncio.timeout(60):
            while run["status"] not in ("Completed", "Failed", "Canceled"):
                await asyncio.sleep(0.1)
                run = (await http.get(f"runs/{run['id']}")).json()
        assert run["status"] == "Completed", run["error"]
        log = (await http.get(f"runs/{run['id']}/log")).json()["text"]
        assert "alpha is 0.5" in log


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b'{"path": 1}', 400),
        (b'{"path": "work/train.ipynb", "code": "/etc"}', 400),
        (b'{"path": "../root_dir/work/train.ipynb"}', 400),
        (b'{"path": "/etc/passwd"}', 400),
        (b'{"path": "gone.ipynb"}', 404),
        (b'{"path": "work/train.ipynb", "parameters": {"alhpa": 1}}', 400),
        (b'{"path": "work/train.ipynb", "parameters": {"x=1;import os\\ny": 1}}', 400),
        (b'{"path": "work/train.ipynb", "parameters": {"alpha": NaN}}', 400),
    ],
)
async def test_bad_requests_are_refused_and_leave_no_run(
    browser: Browser, client: Client, jp_root_dir: Path, body: bytes, status: int
) -> None:
    write_notebook(jp_root_dir / "work" / "train.ipynb")
    before = client.call("get_workspace")["counts"]["runs"]
    async with browser() as http:
        response = await http.post("notebooks/submit", content=body)
    assert response.status_code == status, response.text
    assert response.json()["error"]["message"]
    assert "Traceback" not in response.text
    assert client.call("get_workspace")["counts"]["runs"] == before


async def test_a_body_over_the_limit_is_refused(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_aml.limits.REQUEST_JSON_BYTES", 100_000)
    async with browser() as http:
        response = await http.post("notebooks/submit", content=b" " * 200_000)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


def test_every_refusal_has_a_sentence(root: Path) -> None:
    for path in ("../x.ipynb", "none.ipynb", "text.txt"):
        with pytest.raises(AmlError) as refused:
            notebook_file(root, path, allow_hidden=False)
        assert refused.value.hint
        assert str(root.parent) not in str(refused.value)
