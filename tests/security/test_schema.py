"""Whatever fits the service's own description of itself, or nearly does, is answered as it says (schemathesis)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance

from jupyter_aml.errors import AmlError
from jupyter_aml.service.process import all_operations
from jupyter_aml.tracking.run import Run
from jupyter_aml.workspace import Workspace
from tests.security.conftest import Service

LEFT_OUT = ("stop_service", "warm_up", "events")  # the last of them never ends
LAST = ("cancel_run", "finish_run", "delete_run")
NEVER_WRONG = (
    "get_workspace",
    "handshake",
    "health",
    "get_experiment",
    "delete_experiment",
    "list_quotas",
    "list_sizes",
    "list_built_environments",
    "list_datastores",
    "get_default_datastore",
    "get_datastore",
    "delete_datastore",
    "open_mlflow",
)  # nothing, or any text, is right
NAMES = sorted(
    (operation.name for operation in all_operations() if operation.name not in LEFT_OUT),
    key=lambda name: (name in LAST, name),
)
EXAMPLES = 25


@pytest.fixture(scope="module")
def target(workspace: Workspace, service: Service, owner: httpx.Client) -> Iterator[Run]:
    """A run with something of everything, that the attacks may end."""
    run = workspace.experiments["attacked"].start_run()
    run.log("m", 1.0)
    run.log_list("l", [1, "x"])
    run.log_text("a.txt", "text")
    run.set_tag("t", "v")
    yield run
    try:
        run.complete()
    except AmlError:  # it was ended by one of them
        return


@pytest.fixture(scope="module")
def described(owner: httpx.Client) -> Any:
    """The service's description, as schemathesis reads it."""
    return schemathesis.openapi.from_dict(owner.get("/openapi.json").json())


def harmless(case: Any, run: Run) -> None:
    """Let a case meet a run that exists, and start no command but ``true``."""
    if "run_id" in (case.path_parameters or {}):
        case.path_parameters["run_id"] = run.id
    job = case.body.get("job") if isinstance(case.body, dict) else None
    if isinstance(job, dict) and isinstance(job.get("command"), str) and job["command"]:
        job["command"] = "true"


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", NAMES)
def test_a_case_is_answered_as_described(
    owner: httpx.Client, target: Run, described: Any, name: str, mode: GenerationMode
) -> None:
    (operation,) = (
        found.ok()
        for found in described.get_all_operations()
        if found.ok().definition.raw["operationId"] == name
    )
    if mode is GenerationMode.NEGATIVE and name in NEVER_WRONG:
        return

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        harmless(case, target)
        sent = case.as_transport_kwargs(base_url="http://aml")
        headers = {
            k: v
            for k, v in sent["headers"].items()
            if k.lower() not in ("user-agent", "x-schemathesis-testcaseid")
        }
        body = (
            {"json": sent["json"]}
            if sent.get("json") is not None
            else {"content": sent["data"]}
            if sent.get("data")
            else {}
        )
        try:
            request = owner.build_request(
                sent["method"], sent["url"], params=sent.get("params"), headers=headers, **body
            )
        except (UnicodeEncodeError, ValueError, TypeError, httpx.InvalidURL):
            return  # no client could send it
        response = owner.send(request)
        case.validate_response(response, checks=[not_a_server_error, response_schema_conformance])

    ask()
