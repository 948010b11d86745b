"""The service opens no pickle and no YAML of anybody, whatever is asked of it (cases E, R6)."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cloudpickle
import httpx
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_aml.client import launch
from jupyter_aml.core.blobs import bytes_digest
from jupyter_aml.errors import AmlError
from jupyter_aml.service.process import all_operations
from jupyter_aml.workspace import Workspace
from tests.conftest import stop_service
from tests.security.conftest import Service, until

# A service that ends at once, with a code of its own, when it builds an object out of a pickle or runs a shell.
WATCHED = """
import os, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from jupyter_aml.service import process
process.all_operations()
def hook(event, arguments):
    if event in ("pickle.find_class", "os.system", "os.exec") or (
        event == "subprocess.Popen"
        and list(arguments[1])[1:4] != ["-P", "-m", "jupyter_aml.jobs.runner"]
        and arguments[1][0] not in ("/bin/cat", "nvidia-smi", "uname")  # what machine this is
    ):
        os.write(2, f"FORBIDDEN {{event}} {{arguments!r}}\\n".encode())
        os._exit(99)
sys.addaudithook(hook)
sys.exit(process.run_service(Path(sys.argv[1])))
"""


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, workspace: Workspace
) -> Iterator[tuple[Service, subprocess.Popen[bytes]]]:
    """A workspace whose service ends when it does what it must not."""
    own = Workspace.create("watched", path=tmp_path_factory.mktemp("watched") / "place")
    folder = own.client.location.folder
    root = str(Path(__file__).parents[2])
    code = WATCHED.format(root=root)
    with (folder.root / "run" / "watched.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-P", "-c", code, str(folder.root)], stderr=log, cwd="/")
    until(lambda: launch.read_address(folder) or process.poll() is not None)
    assert process.poll() is None
    yield Service(own), process
    stop_service(own)
    assert process.wait(20) == 0, (folder.root / "run" / "watched.log").read_text()


def test_the_watch_itself_works() -> None:
    code = WATCHED.format(root=str(Path(__file__).parents[2])).replace(
        "sys.exit(process", "import pickle; pickle.loads(b'cos\\ngetcwd\\n.')\nsys.exit(process"
    )
    done = subprocess.run([sys.executable, "-c", code, "/nonexistent"], capture_output=True, check=False)
    assert done.returncode == 99 and b"FORBIDDEN pickle.find_class" in done.stderr


def test_no_reading_opens_what_was_stored(
    watched: tuple[Service, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    service, process = watched
    pwned = tmp_path / "pwned"
    bad, cloud = pickle.dumps(Touch(pwned)), cloudpickle.dumps(Touch(pwned))
    yaml = f"!!python/object/apply:os.system ['touch {pwned}']\n".encode()
    files = {
        "model.pkl": bad, "model.joblib": bad, "model.pt": bad, "model/data.npy": b"\x93NUMPY\x01\x00v\x00{'descr': '|O'}" + bad,
        "aml/returns/model.pkl": cloud, "aml/returns/returns.json": b"{}", "MLmodel": yaml, "conda.yaml": yaml,
        "a.h5": bad, "notebook/a.ipynb": bad, "user_logs/std_log.txt": bad, "logs/x.txt": bad, "job.yml": yaml,
    }  # fmt: skip
    own = service.workspace
    with own.experiments["x"].start_run() as run:
        for name, data in files.items():
            own.client.call("upload_artifact", run_id=run.id, path=name, content=data)
        run.log_param("p", bad.decode("latin-1").replace("\0", "0"))
        run.log_list("l", [bad.hex()])
        run.log("m", 1.0)
    http = service.http(service.token)
    document = new_notebook(cells=[new_code_cell("x = 1", metadata={"tags": ["parameters"]})])
    data = nbformat.writes(document).encode()
    snapshot = [{"path": "model.pkl", "digest": bytes_digest(bad), "size": len(bad)}]
    snapshot += [{"path": "a.ipynb", "digest": bytes_digest(data), "size": len(data)}]
    assert http.put(f"/blobs/{bytes_digest(data)}", content=data).status_code == 201
    job = {"type": "notebook", "notebook": "a.ipynb", "parameters": {"x": 2}}
    submitted = http.post("/jobs", json={"job": job, "files": snapshot}).json()["id"]
    until(lambda: own.runs.get(submitted).is_final)
    for identity, names in ((run.id, files), (submitted, {"model.pkl": bad})):
        read_everything(http, identity, list(names))
    assert process.poll() is None and not pwned.exists()


def read_everything(http: httpx.Client, run_id: str, names: list[str]) -> None:
    """Ask everything that can be asked of a run without changing it."""
    for operation in all_operations():
        if operation.method != "GET" or operation.name == "events":
            continue
        for name in names if "{path:path}" in operation.path else [""]:
            path = (
                operation.path.replace("{run_id}", run_id).replace("{path:path}", name).replace("{name}", "x")
            )
            asked = (
                [{}]
                if name
                else [{}, {"name": "m"}, {"name": "l"}, {"text": run_id}, {"stream": "user_logs/std_log.txt"}]
            )
            for params in asked:
                assert http.get(path, params=params).status_code in (200, 400, 404, 409, 422), path
    assert (
        http.post("/runs/search", json={"filter": "metrics.m > 0 AND params.p LIKE '%x%'"}).status_code == 200
    )


def test_no_body_is_unpickled(watched: tuple[Service, subprocess.Popen[bytes]], tmp_path: Path) -> None:
    service, process = watched
    pwned = tmp_path / "pwned"
    http = service.http(service.token)
    for operation in all_operations():
        if operation.method in ("POST", "PATCH") and operation.name not in ("stop_service", "open_mlflow"):
            path = operation.path.replace("{run_id}", "0" * 32).replace("{name}", "x")
            for kind in (
                "application/vnd.bentoml+pickle",
                "application/octet-stream",
                "application/x-yaml",
                "application/json",
            ):
                answer = http.request(
                    operation.method, path, content=pickle.dumps(Touch(pwned)), headers={"Content-Type": kind}
                )
                assert answer.status_code in (202, 400, 404, 415, 422), path
    assert process.poll() is None and not pwned.exists()


def test_a_returned_value_that_was_exchanged_is_not_loaded(
    workspace: Workspace, service: Service, tmp_path: Path
) -> None:
    run = workspace.submit_cell("model = 6 * 7", {}, returns=["model"])
    until(lambda: run.is_final)
    assert run.status == "Completed", run.error
    assert run.result("model") == 42
    (name,) = [name for name in run.get_file_names() if name.endswith("model.pkl")]
    digest = next(item["digest"] for item in run._files(name))
    blob = service.folder.blobs / digest[:2] / digest
    original, pwned = blob.read_bytes(), tmp_path / "pwned"
    blob.write_bytes(pickle.dumps(Touch(pwned)))
    with pytest.raises(AmlError, match="changed|digest|not loaded"):
        run.result("model")
    blob.write_bytes(original)
    assert not pwned.exists() and run.result("model") == 42


def test_shipped_variables_that_were_exchanged_are_not_loaded(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.security.conftest import hold

    monkeypatch.setenv("AML_MAX_RUNS", "1")
    narrow = Service(Workspace.create("narrow", path=tmp_path / "narrow"))
    holder = hold(narrow.workspace, tmp_path)
    marker = f"shipped-{tmp_path.name}"
    run = narrow.workspace.submit_cell("print(text)", {"text": marker})
    pwned = tmp_path / "pwned"
    exchanged = 0
    for path in narrow.folder.blobs.rglob("*"):
        if path.is_file() and marker.encode() in path.read_bytes():
            path.write_bytes(pickle.dumps(Touch(pwned)))
            exchanged += 1
    assert exchanged == 1
    holder.let_go()
    until(lambda: run.is_final)
    assert (
        run.status == "Failed" and "snapshot_mismatch" in (run.error or {})["message"] and not pwned.exists()
    )
    stop_service(narrow.workspace)


def test_a_job_file_is_data(workspace: Workspace, tmp_path: Path) -> None:
    pwned = tmp_path / "pwned"
    for text in (
        f"!!python/object/apply:os.system ['touch {pwned}']",
        f"command: !!python/object/apply:os.system ['touch {pwned}']",
        "command: !!python/name:os.system",
        "command: !!python/module:os",
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
    ):
        (tmp_path / "job.yml").write_text(text)
        done = subprocess.run(
            [sys.executable, "-m", "jupyter_aml", "job", "create", "-f", str(tmp_path / "job.yml")],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode in (1, 2) and "job.yml" in done.stderr, done
        assert "Traceback" not in done.stderr and len(done.stderr) < 10_000
    assert not pwned.exists()
