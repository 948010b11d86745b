"""Runs as a user keeps them: started, logged to, ended, found again."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jupyter_aml.errors import AmlError, ConflictError, InvalidError, NotFoundError
from jupyter_aml.workspace import Workspace


def test_a_run_keeps_what_was_logged(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "plot.png").write_bytes(b"\x89PNG")
    with workspace.experiments["iris"].start_run("first try", tags={"who": "ada"}) as run:
        assert run.status == "Running"
        run.log("rmse", 0.5)
        run.log("rmse", 0.25)
        run.log_metrics({"r2": 0.9, "n": 3}, step=7)
        run.log_params({"alpha": 0.1, "kind": "ridge"})
        run.log_list("quantiles", [1, 2.5, math.nan])
        run.log_row("table of rows", x=1, y="a")
        run.log_row("table of rows", x=2, y="b")
        run.log_table("table", {"a": [1, 2], "b": [3, 4]})
        run.log_image("plot", path=tmp_path / "plot.png")
        run.log_confusion_matrix("cm", {"class_labels": ["n", "y"], "matrix": [[5, 1], [2, 4]]})
        run.log("note", "a text")
        run.log_text("notes/readme.txt", "hello")
        run.set_tag("stage", "dev")
    again = workspace.runs.get(run.id)
    assert (again.status, again.display_name, again.experiment_name) == ("Completed", "first try", "iris")
    assert again.metrics == {"rmse": 0.25, "r2": 0.9, "n": 3.0}
    assert again.params == {"alpha": "0.1", "kind": "ridge"}
    assert again.tags == {"who": "ada", "stage": "dev"}
    metrics = again.get_metrics()
    assert metrics["rmse"] == [0.5, 0.25] and metrics["n"] == 3.0
    assert metrics["quantiles"] == [1, 2.5, "NaN"]
    assert metrics["table of rows"] == {"x": [1, 2], "y": ["a", "b"]}
    assert metrics["table"] == {"a": [1, 2], "b": [3, 4]}
    assert metrics["plot"] == {"artifact": "images/plot.png"}
    assert metrics["cm"]["data"]["matrix"] == [[5, 1], [2, 4]]
    assert metrics["note"] == "a text"
    assert again.read_file("images/plot.png") == b"\x89PNG"
    assert again.download_file("notes/readme.txt", tmp_path / "out.txt").read_text() == "hello"
    details = again.get_details()
    assert details["source"]["python"].startswith("3.") and details["source"]["user"]


def test_steps_times_and_special_numbers_are_kept_exactly(workspace: Workspace) -> None:
    values = [math.nan, math.inf, -math.inf, -0.0, 1e308, 5e-324]
    with workspace.experiments["x"].start_run() as run:
        for value in values:
            run.log("v", value)
        run.log("late", 3.0, step=2**62)
        run.log("late", 1.0, step=-5)
        run.log("late", 2.0, step=-5)
    history = run.metric_history("v")
    assert [repr(value) for value in history["values"]] == [repr(value) for value in values]
    assert history["steps"] == [0, 1, 2, 3, 4, 5]
    assert run.metric_history("late")["steps"] == [-5, -5, 2**62]
    assert run.metric_history("late")["values"] == [1.0, 2.0, 3.0]


def test_a_thinned_history_keeps_both_ends_and_the_extremes(workspace: Workspace) -> None:
    with workspace.experiments["x"].start_run() as run:
        for step in range(5000):
            run.log(
                "v", math.sin(step / 50) + (10 if step == 1234 else 0) - (10 if step == 4321 else 0), step
            )
    thin = run.metric_history("v", max_points=100)
    assert 50 <= len(thin["steps"]) <= 102
    assert thin["steps"][0] == 0 and thin["steps"][-1] == 4999
    assert thin["steps"] == sorted(thin["steps"])
    assert {1234, 4321} <= set(thin["steps"])


def test_a_block_that_raises_fails_the_run_and_says_why(workspace: Workspace) -> None:
    with pytest.raises(ZeroDivisionError), workspace.experiments["x"].start_run() as run:
        run.log("before", 1.0)
        raise ZeroDivisionError("no")
    assert run.status == "Failed" and run.metrics == {"before": 1.0}
    assert (
        run.error is not None and run.error["class"] == "ZeroDivisionError" and "no" in run.error["message"]
    )


def test_params_are_set_once(workspace: Workspace) -> None:
    with workspace.experiments["x"].start_run() as run:
        run.log_param("a", 1)
        run.log_param("a", 1)
        with pytest.raises(ConflictError, match="cannot be changed"):
            run.log_param("a", 2)
    assert run.params == {"a": "1"}


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("log", ("m", [1, 2])),
        ("log", ("m", object())),
        ("log", ("m" * 251, 1.0)),
        ("log", ("a\x1bb", 1.0)),
        ("log", ("m", 1.0, 2**70)),
        ("log_param", ("p", "x" * 6001)),
        ("log_param", ("p", "a\0b")),
        ("log_text", ("../../x", "text")),
        ("log_table", ("t", {"a": [1], "b": [1, 2]})),
        ("log_confusion_matrix", ("c", {"class_labels": ["a"], "matrix": [[1, 2]]})),
        ("log_image", ("i",)),
    ],
)
def test_what_cannot_be_logged_is_refused_at_the_call(
    workspace: Workspace, method: str, arguments: tuple[object, ...]
) -> None:
    with workspace.experiments["x"].start_run() as run, pytest.raises(InvalidError) as caught:
        getattr(run, method)(*arguments)
    assert "Traceback" not in str(caught.value)


def test_the_longest_param_is_kept_whole(workspace: Workspace) -> None:
    with workspace.experiments["x"].start_run() as run:
        run.log_param("p", "é" * 6000)
    assert run.params["p"] == "é" * 6000


def test_an_ended_run_takes_nothing_more_but_tags(workspace: Workspace) -> None:
    with workspace.experiments["x"].start_run() as run:
        run.log("a", 1.0)
    with pytest.raises(ConflictError, match="Completed"):
        run.log("a", 2.0)
    with pytest.raises(ConflictError):
        run.fail("too late")
    run.set_tags({"after": "yes"})
    assert workspace.runs.get(run.id).tags == {"after": "yes"}


def test_children_to_any_depth(workspace: Workspace) -> None:
    with (
        workspace.experiments["x"].start_run() as root,
        root.child_run("a") as child,
        child.child_run("b") as grandchild,
    ):
        pass
    assert root.get_children() == [child]
    assert set(root.get_children(recursive=True)) == {child, grandchild}
    assert grandchild.parent_id == child.id


def test_a_run_is_found_by_the_beginning_of_its_id_or_its_name(workspace: Workspace) -> None:
    with workspace.experiments["x"].start_run("quiet-fox-12") as run:
        pass
    assert workspace.runs.get("quiet-fox-12") == run
    assert workspace.runs.get(run.id[:16]) == run
    with pytest.raises(NotFoundError) as caught:
        workspace.runs.get("quiet-fix-12")
    assert "quiet-fox-12" in (caught.value.hint or "")


def test_deleting_a_run_removes_it_and_what_it_held(workspace: Workspace) -> None:
    with workspace.experiments["x"].start_run() as run:
        for step in range(100):
            run.log("v", float(step), step)
        with pytest.raises(ConflictError, match="Running"):
            run.delete()
    run.delete()
    with pytest.raises(NotFoundError):
        workspace.runs.get(run.id)


def test_experiments_are_made_listed_archived_and_deleted(workspace: Workspace) -> None:
    workspace.experiments.create("one", "first", {"k": "v"})
    with workspace.experiments["two"].start_run():
        pass
    assert [experiment.name for experiment in workspace.experiments.list()] == ["two", "one"]
    assert workspace.experiments["one"].get_details()["tags"] == {"k": "v"}
    workspace.experiments.archive("one")
    assert [experiment.name for experiment in workspace.experiments] == ["two"]
    workspace.experiments.restore("one")
    with pytest.raises(ConflictError, match="1 runs"):
        workspace.experiments.delete("two")
    workspace.experiments.delete("one")
    with pytest.raises(NotFoundError) as caught:
        workspace.experiments.get("twoo")
    assert "'two'" in (caught.value.hint or "")


def test_a_killed_process_loses_nothing_it_logged_and_its_run_ends(workspace: Workspace) -> None:
    code = (
        "import os, signal\nfrom jupyter_aml import Workspace\n"
        "run = Workspace.default().experiments['x'].start_run('victim')\n"
        "for i in range(2000): run.log('v', float(i), i)\n"
        "run.log_text('kept.txt', 'kept')\n"
        "print(run.id, flush=True)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    run = workspace.runs.get(done.stdout.strip())
    assert len(run.metric_history("v")["values"]) == 2000
    deadline = time.monotonic() + 30
    while not run.is_final and time.monotonic() < deadline:
        time.sleep(0.1)
    assert run.status == "Failed" and "without ending" in (run.error or {})["message"]
    assert run.read_file("kept.txt") == b"kept"


def test_a_forked_child_logs_to_the_same_run(workspace: Workspace) -> None:
    with workspace.experiments["x"].start_run() as run:
        run.log("parent", 1.0)
        pid = os.fork()
        if pid == 0:
            run.log("child", 2.0)
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    assert run.metrics == {"parent": 1.0, "child": 2.0}


def test_names_of_prototypes_and_formats_are_ordinary_keys(workspace: Workspace) -> None:
    names = ["__proto__", "constructor", "{0.__class__}", "{{7*7}}", "<script>alert(1)</script>", "a'b\"c"]
    with workspace.experiments["x"].start_run() as run:
        for name in names:
            run.log(name, 1.0)
            run.log_param(name, name)
    assert set(run.metrics) == set(names) == set(run.params)


def test_a_service_that_is_killed_is_back_at_the_next_call(workspace: Workspace) -> None:
    from jupyter_aml.client import launch

    with workspace.experiments["x"].start_run() as run:
        run.log("before", 1.0)
        address = launch.read_address(workspace.client.location.folder)
        assert address is not None
        os.kill(address.pid, signal.SIGKILL)
        for step in range(1000):
            run.log("while it is down", float(step), step)
        assert run.metrics == {"before": 1.0, "while it is down": 999.0}
    assert run.status == "Completed"


def test_the_run_of_this_code_is_the_tracked_one(workspace: Workspace) -> None:
    from jupyter_aml import Run

    with workspace.experiments["x"].start_run() as run:
        assert Run.get_context() is run
        Run.get_context().log("v", 1.0)
    assert run.metrics == {"v": 1.0}


def test_errors_are_the_same_over_the_wire(workspace: Workspace) -> None:
    with pytest.raises(AmlError) as caught:
        workspace.client.call("get_run", run_id="0" * 32)
    assert type(caught.value) is NotFoundError
