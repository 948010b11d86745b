"""Instances on this machine: their states, what they run, and what ends with them."""

from __future__ import annotations

import os
import signal

import pytest

from jupyter_aml import command
from jupyter_aml.client import launch
from jupyter_aml.compute.compute import ComputeFailedError
from jupyter_aml.errors import ConflictError, InvalidError
from jupyter_aml.workspace import Workspace
from tests.compute.conftest import is_alive, until

SMALL = {"cpus": 1, "memory": "256MiB"}


def test_an_instance_takes_jobs_while_it_is_on(machines: Workspace) -> None:
    instance = machines.compute.create_instance("ci-ada", **SMALL, tags={"team": "x"})
    assert instance.state == "Running" and instance.get_status()["tags"] == {"team": "x"}
    run = machines.submit(command("sleep 1; echo on $AML_SLICE"), compute="ci-ada")
    until(lambda: instance.state == "JobRunning")
    assert instance.get_active_runs() == [run.id]
    run.wait_for_completion(show_output=False)
    assert run.logs().endswith("ci-ada\n")
    until(lambda: instance.state == "Running")
    instance.stop()
    assert instance.state == "Stopped"
    waiting = machines.submit(command("echo later"), compute="ci-ada")
    instance.start()
    waiting.wait_for_completion(show_output=False)


def test_stopping_ends_what_is_on_it_and_stops_the_meter(machines: Workspace) -> None:
    instance = machines.compute.create_instance("ci-ada", **SMALL)
    run = machines.submit(command("setsid sleep 300 & echo $!; wait"), compute="ci-ada")
    until(lambda: run.logs().strip())
    pid = int(run.logs())
    instance.stop()
    assert not is_alive(pid)
    run.wait_for_completion(show_output=False, raise_on_error=False)
    assert run.status == "Canceled"
    used = machines.compute.usage("ci-ada")[0]["seconds"]
    until(lambda: machines.compute.usage("ci-ada")[0]["seconds"] == used)
    assert machines.compute.usage("ci-ada")[0]["seconds"] == used > 0


def test_only_a_stopped_one_is_resized_and_only_to_what_fits(machines: Workspace) -> None:
    instance = machines.compute.create_instance("ci-ada", **SMALL)
    with pytest.raises(ConflictError, match=r"is Running(.|\n)*aml compute stop"):
        instance.resize(cpus=1, memory="512MiB")
    instance.stop()
    instance.resize(cpus=1, memory="512MiB")
    assert instance.get_status()["size"]["memory"] == 512 * 1024**2
    with pytest.raises(InvalidError, match="cannot hold"):
        instance.resize("STANDARD_ND40RS_V2")
    instance.start()
    assert instance.state == "Running"
    with pytest.raises(ConflictError, match="cannot start"):
        instance.start()


def test_one_that_does_not_fit_beside_the_running_ones_is_told_what_is_free(machines: Workspace) -> None:
    cores = len(os.sched_getaffinity(0))
    first = machines.compute.create_instance("ci-ada", cpus=cores, memory="256MiB")
    with pytest.raises(ConflictError, match=r"0 cores, .* are free(.|\n)*ci-ada"):
        machines.compute.create_instance("ci-bob", cpus=1, memory="256MiB")
    first.stop()
    machines.compute.create_instance("ci-bob", cpus=1, memory="256MiB")
    with pytest.raises(ConflictError, match="ci-bob"):
        first.start()


def test_a_setup_script_runs_on_it_first_and_its_failure_is_told(machines: Workspace) -> None:
    script = "echo made > made.txt; echo $AML_SLICE"
    instance = machines.compute.create_instance("ci-ada", **SMALL, setup_script=script)
    folder = machines.path / "compute" / "ci-ada"
    assert (folder / "made.txt").read_text() == "made\n"
    assert (folder / "setup.log").read_text().endswith("ci-ada\n")
    with pytest.raises(ComputeFailedError, match=r"exit code 3(.|\n)*no such thing"):
        machines.compute.create_instance("ci-bob", **SMALL, setup_script="echo no such thing; exit 3")
    assert machines.compute.get("ci-bob").state == "CreateFailed"
    assert instance.state == "Running"


def test_a_killed_service_brings_the_wish_about_when_it_is_back(machines: Workspace) -> None:
    instance = machines.compute.create_instance("ci-ada", **SMALL)
    for tell, state in (
        (instance.stop, "Stopped"),
        (instance.start, "Running"),
        (instance.restart, "Running"),
    ):
        tell(wait=False)
        address = launch.read_address(machines.client.location.folder)
        assert address is not None
        os.kill(address.pid, signal.SIGKILL)
        until(lambda state=state: instance.state == state)


def test_a_schedule_is_kept_and_shown_with_its_next_time(machines: Workspace) -> None:
    stop = {"action": "stop", "cron": "0 18 * * 1-5", "time_zone": "Europe/Berlin"}
    instance = machines.compute.create_instance("ci-ada", **SMALL, schedule=[stop])
    found = instance.get_status()
    assert found["schedules"][0]["cron"] == stop["cron"]
    assert (
        found["next_actions"][0]["action"] == "stop" and found["next_actions"][0]["at"] > found["created_at"]
    )
    with pytest.raises(InvalidError, match="cron"):
        instance.update(schedules=[{"action": "stop", "cron": "whenever"}])
