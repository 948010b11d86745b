"""MLflow under the Jupyter server: Jupyter's token and authorizer outside, the same protocol inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_server.auth import Authorizer
from tornado.httpserver import HTTPServer

from jupyter_aml.core.paths import WorkspaceFolder
from jupyter_aml.mlflow.routes import ROUTES


@pytest.fixture
def front(http_server: HTTPServer, jp_http_port: int, jp_base_url: str) -> str:
    """What somebody sets as MLFLOW_TRACKING_URI."""
    return f"http://127.0.0.1:{jp_http_port}{jp_base_url}aml/mlflow"


@pytest.fixture
def bearer(jp_serverapp: Any) -> dict[str, str]:
    """Jupyter's token, as MLflow's clients send MLFLOW_TRACKING_TOKEN."""
    return {"Authorization": f"Bearer {jp_serverapp.identity_provider.token}"}


async def test_a_client_works_through_jupyter(
    front: str, bearer: dict[str, str], folder: WorkspaceFolder
) -> None:
    async with httpx.AsyncClient(
        base_url=f"{front}/api/2.0/", headers=bearer, timeout=60, trust_env=False
    ) as http:
        made = (
            await http.post("mlflow/runs/create", json={"experiment_id": "0", "run_name": "fronted"})
        ).json()
        run = made["run"]["info"]["run_id"]
        batch = {"run_id": run, "metrics": [{"key": "m", "value": 1, "timestamp": 1}]}
        assert (await http.post("mlflow/runs/log-batch", json=batch)).json() == {}
        place = f"mlflow-artifacts/artifacts/0/{run}/artifacts/d/a%20b.bin"
        data = bytes(range(256)) * 4000
        assert (await http.put(place, content=data)).json() == {}
        assert (await http.get(place)).content == data
        listed = await http.get("mlflow-artifacts/artifacts", params={"path": f"0/{run}/artifacts/d"})
        assert listed.json()["files"] == [{"path": "a b.bin", "is_dir": False, "file_size": len(data)}]
        await http.post("mlflow/registered-models/create", json={"name": "fronted"})
        gone = await http.request("DELETE", "mlflow/registered-models/delete", json={"name": "fronted"})
        assert gone.json() == {}  # a DELETE says in its body what to delete
        found = await http.get("mlflow/runs/get", params={"run_id": run})
        assert found.json()["run"]["data"]["metrics"][0]["key"] == "m"
        assert folder.token.read_text() not in found.text and "set-cookie" not in found.headers


async def test_refusals_have_mlflow_s_form(front: str, bearer: dict[str, str]) -> None:
    async with httpx.AsyncClient(headers=bearer, timeout=60, trust_env=False) as http:
        for path, status, code in (
            ("/api/2.0/mlflow/nothing", 404, "ENDPOINT_NOT_FOUND"),
            ("/api/v1/handshake", 404, "ENDPOINT_NOT_FOUND"),
            ("/..%2fapi/v1/handshake", 400, "INVALID_PARAMETER_VALUE"),
            ("/api/2.0/mlflow/runs/get", 400, "INVALID_PARAMETER_VALUE"),
            ("/api/2.0/mlflow-artifacts/artifacts/0/%2e%2e%2f%2e%2e/x", 400, "INVALID_PARAMETER_VALUE"),
        ):
            answer = await http.get(front + path)
            assert (answer.status_code, answer.json()["error_code"]) == (status, code), path


async def test_nobody_comes_in_without_jupyter_s_token(front: str, folder: WorkspaceFolder) -> None:
    service_token = folder.token.read_text() if folder.token.exists() else "x"
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {service_token}"}):
            for route in ROUTES:
                answer = await http.request(route.method, f"{front}/api/2.0/{route.path}", headers=headers)
                assert answer.status_code == 403 and set(answer.json()) == {"error_code", "message"}, route


class Reader(Authorizer):
    """Lets everybody read what the workspace tracks, and nothing else."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return action == "read" and resource.startswith("aml.")


@pytest.mark.parametrize("authorizer", [Reader])
async def test_jupyter_s_authorizer_is_asked_for_every_endpoint(
    front: str, bearer: dict[str, str], authorizer: type[Authorizer], tmp_path: Path
) -> None:
    async with httpx.AsyncClient(headers=bearer, timeout=60, trust_env=False) as http:
        for route in ROUTES:
            path = (
                "/health"
                if route.path == "health"
                else f"/api/2.0/{route.path.replace('{', '').replace('}', '')}"
            )
            answer = await http.request(route.method, front + path)
            assert (answer.status_code == 403) == (route.rule.action != "read"), (route, answer.text)
