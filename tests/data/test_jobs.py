"""Jobs take data assets as inputs: the version that was meant at the submit, to be read and not to be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_aml import command
from jupyter_aml.commands.main import main
from jupyter_aml.errors import AmlError, InvalidError, NotFoundError
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.data.conftest import CSV


def finished(run: Run) -> Run:
    run.wait_for_completion(show_output=False, raise_on_error=False)
    return run


def test_a_job_reads_the_version_that_was_meant(ws: Workspace, csv: Path) -> None:
    first = ws.data.register("diabetes", csv)
    job = command("cat ${{inputs.data}}; echo ${{inputs.n}}", inputs={"data": ws.data["diabetes"], "n": 3})
    csv.write_text("other\n")
    second = ws.data.register("diabetes", csv)
    run = finished(ws.submit(job))
    assert run.status == "Completed" and run.logs() == CSV + "3\n"
    assert run.get_details()["spec"]["inputs"]["data"]["path"] == "azureml:diabetes:1"
    (used,) = ws.data.inputs_of(run.id)
    assert (used["input"], used["data"], used["version"], used["mode"]) == (
        "data",
        "diabetes",
        "1",
        "ro_mount",
    )
    assert [item["run_id"] for item in first.runs()] == [run.id] and second.runs() == []
    latest = command("cat ${{inputs.d}}", inputs={"d": {"path": "azureml:diabetes@latest"}})
    run = finished(ws.submit(latest))
    assert run.logs() == "other\n" and [item["run_id"] for item in second.runs()] == [run.id]
    csv.write_text("third\n")
    ws.data.register("diabetes", csv)
    assert finished(run.rerun()).logs() == "other\n"
    assert len(second.runs()) == 2


@pytest.mark.parametrize("mode", ["ro_mount", "download", "direct"])
def test_the_modes(ws: Workspace, folder: Path, mode: str) -> None:
    asset = ws.data.register("photos", folder)
    line = "test -L ${{inputs.d}}/index.txt && echo linked; cat ${{inputs.d}}/index.txt; wc -c < ${{inputs.d}}/cats/a.bin"
    line = "echo ${{inputs.d}}" if mode == "direct" else line
    run = finished(ws.submit(command(line, inputs={"d": asset.as_input(mode)})))
    expected = {
        "ro_mount": "linked\none\n256000\n",
        "download": "one\n256000\n",
        "direct": "azureml:photos:1\n",
    }
    assert run.status == "Completed" and run.logs() == expected[mode]


def test_a_job_does_not_change_what_is_registered(ws: Workspace, folder: Path) -> None:
    asset = ws.data.register("guarded", folder)
    line = "stat -L -c %a ${{inputs.d}}/index.txt; rm -rf ${{inputs.d}}/*; mkdir -p outputs; ls ${{inputs.d}} | wc -l"
    run = finished(ws.submit(command(line, inputs={"d": asset})))
    assert run.logs().split() == ["400", "0"]
    assert (asset.path() / "index.txt").read_text() == "one\n"


def test_data_in_a_datastore(ws: Workspace, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    (lake / "sub").mkdir(parents=True)
    (lake / "sub" / "a.csv").write_text(CSV)
    store = ws.datastores.create("lake", path=lake)
    asset = ws.data.register("far", store.path("sub/a.csv"))
    for mode in ("ro_mount", "download"):
        run = finished(ws.submit(command("cat ${{inputs.d}}", inputs={"d": asset.as_input(mode)})))
        assert run.logs() == CSV
    (lake / "sub" / "a.csv").write_text("changed")
    run = finished(ws.submit(command("cat ${{inputs.d}}", inputs={"d": asset})))
    assert "changed since it was registered" in run.logs() and run.status == "Completed"
    (lake / "sub" / "a.csv").unlink()
    run = finished(ws.submit(command("cat ${{inputs.d}}", inputs={"d": asset})))
    assert run.status == "Failed" and "no longer in the datastore 'lake'" in run.error["message"]


def test_what_is_not_there_is_refused_at_the_submit(ws: Workspace, csv: Path) -> None:
    ws.data.register("there", csv)
    for wrong in ("absent", "there:9", "azureml:absent@latest"):
        with pytest.raises(NotFoundError):
            ws.submit(command("true", inputs={"d": {"path": wrong}}))
    for name, value in [
        ("d", {"path": "/etc/passwd"}),
        ("d", {"path": "../x"}),
        ("../x", "a"),
        ("d", object()),
    ]:
        with pytest.raises(InvalidError):
            command("true", inputs={name: value})
    for inputs in ({"../../x": {"path": "there"}}, {"d": {"path": "there", "mode": "rw_mount"}}):
        with pytest.raises(AmlError):
            ws.client.call("submit_job", job={"type": "command", "command": "true", "inputs": inputs})


def test_a_job_file_names_its_data(
    ws: Workspace, csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ws.data.register("yaml-data", csv)
    file = tmp_path / "job.yml"
    file.write_text(
        "command: cat ${{inputs.table}}\ninputs:\n  table: {type: uri_file, path: azureml:yaml-data@latest, mode: download}\n"
    )
    assert main(["job", "create", "-f", str(file), "--stream", "-w", str(ws.path)]) == 0
    assert "59,2,151.0" in capsys.readouterr().out
    assert [item["mode"] for item in ws.data["yaml-data"].runs()] == ["download"]
    file.write_text("command: cat ${{inputs.table}}\ninputs:\n  table: {path: ./diabetes.csv}\n")
    assert main(["job", "create", "-f", str(file), "-w", str(ws.path)]) == 1
    assert "aml data create -n table" in capsys.readouterr().err
