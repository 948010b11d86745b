"""The registry: versions that never change, what is said of them, aliases and stages, what may be named."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jupyter_aml import command
from jupyter_aml.client import Client
from jupyter_aml.core.blobs import bytes_digest
from jupyter_aml.errors import AmlError, ConflictError, InvalidError, NotFoundError
from jupyter_aml.models.registry import Model
from jupyter_aml.workspace import Workspace
from tests.models.conftest import AddModel

PAYLOADS = json.loads((Path(__file__).parents[1] / "security" / "payloads.json").read_text())


def test_a_run_s_file_becomes_version_after_version_and_no_byte_is_copied(ws: Workspace) -> None:
    with ws.experiments["iris"].start_run() as run:
        run.log_text("outputs/model.bin", "weights")
        first = run.register_model(
            "diabetes", "outputs/model.bin", tags={"team": "blue"}, properties={"r2": 0.5}, description="d"
        )
    assert (first.id, first.size, first.get_file_names()) == ("diabetes:1", 7, ["model.bin"])
    assert (first.tags, first.properties, first.description) == ({"team": "blue"}, {"r2": "0.5"}, "d")
    blobs = {path.name for path in ws.client.location.folder.blobs.rglob("*") if path.is_file()}
    assert run.register_model("diabetes", "outputs/model.bin").version == 2
    assert {path.name for path in ws.client.location.folder.blobs.rglob("*") if path.is_file()} == blobs
    assert ws.models["diabetes"].version == 2 and ws.models["diabetes:1"] == first
    assert [model.version for model in ws.models.list("diabetes")] == [2, 1]
    assert first.run == run and first.lineage["experiment"] == "iris"


def test_a_folder_is_one_model_and_its_neighbours_are_not(ws: Workspace) -> None:
    with ws.experiments["iris"].start_run() as run:
        for path in (
            "outputs/model/a.bin",
            "outputs/model/sub/b.bin",
            "outputs/model.txt",
            "outputs/models/c",
        ):
            run.log_text(path, path)
    model = run.register_model("folder", "outputs/model/")
    assert model.get_file_names() == ["a.bin", "sub/b.bin"] and model.data["root"] == "model"
    with pytest.raises(NotFoundError, match="no file and no folder 'outputs/modle'") as caught:
        run.register_model("folder", "outputs/modle")
    assert caught.value.hint == "Did you mean 'outputs/model'?"


def test_local_files_are_sent_once(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "m" / "sub").mkdir(parents=True)
    (tmp_path / "m" / "a.bin").write_bytes(b"a" * 3_000_000)
    (tmp_path / "m" / "sub" / "b.bin").write_bytes(b"")
    model = ws.models.register("local", tmp_path / "m", version=5)
    assert (model.id, model.size, model.run) == ("local:5", 3_000_000, None)
    assert ws.models.register("local", tmp_path / "m" / "a.bin").id == "local:6"
    with pytest.raises(ConflictError, match="has a version 5 already"):
        ws.models.register("local", tmp_path / "m", version=5)
    (tmp_path / "m" / "link").symlink_to("/etc/passwd")
    with pytest.raises(InvalidError, match="link"):
        ws.models.register("local", tmp_path / "m")
    with pytest.raises(NotFoundError, match="no file and no folder"):
        ws.models.register("local", tmp_path / "gone")


def test_a_path_may_name_a_run_as_mlflow_and_azure_do(ws: Workspace, add_model: AddModel) -> None:
    run = add_model("named", {"outputs/m.bin": b"x"}).run
    assert run is not None
    for form in ("runs:/{}/outputs/m.bin", "azureml://jobs/{}/outputs/artifacts/paths/outputs/m.bin"):
        model = ws.models.register("named", form.format(run.id))
        assert model.run == run and model.lineage["path"] == "outputs/m.bin"
    for wrong in ("azureml://datastores/x/paths/y", "https://example.invalid/m.pkl", "file:///etc/passwd"):
        with pytest.raises(InvalidError, match="cannot be registered from"):
            ws.models.register("named", wrong)


def test_sixteen_clients_get_the_numbers_one_to_sixteen(ws: Workspace, add_model: AddModel) -> None:
    run = add_model("seed", {"m.bin": b"x"}).run
    assert run is not None

    def register(number: int) -> tuple[int, str]:
        client = Client(ws.client.location)
        made = client.call("register_run_model", run_id=run.id, name="crowd", path="m.bin")
        client.call("set_model_alias", name="crowd", alias="champion", version=made["version"])
        client.call(
            "set_model_stage",
            name="crowd",
            version=made["version"],
            stage="Production",
            archive_existing=True,
        )
        client.close()
        return int(made["version"]), str(number)

    with ThreadPoolExecutor(16) as pool:
        versions = sorted(version for version, _ in pool.map(register, range(16)))
    assert versions == list(range(1, 17))
    models = ws.models.list("crowd")
    assert sum("champion" in model.aliases for model in models) == 1
    assert sum(model.stage == "Production" for model in models) == 1


def test_the_same_key_gives_the_same_version(ws: Workspace, add_model: AddModel) -> None:
    run = add_model("seed", {"m.bin": b"x"}).run
    assert run is not None
    ask = {"run_id": run.id, "name": "keyed", "path": "m.bin", "key": "once"}
    assert [ws.client.call("register_run_model", **ask)["version"] for _ in range(3)] == [1, 1, 1]
    with pytest.raises(ConflictError, match="idempotency key"):
        ws.client.call("register_run_model", **ask, description="other")


def test_an_alias_means_one_version_and_stages_move_together(ws: Workspace, add_model: AddModel) -> None:
    one, two = (add_model("staged", {"m.bin": data}) for data in (b"1", b"2"))
    one.set_alias("champion")
    assert one.aliases == ["champion"] and ws.models["staged@champion"] == one
    two.set_alias("champion")
    assert ws.models["staged@champion"] == two and ws.models.get("staged:1").aliases == []
    one.set_stage("production")
    two.set_stage("Production", archive_existing=True)
    assert [model.stage for model in ws.models.list("staged")] == ["Production", "Archived"]
    assert ws.models.details("staged")["aliases"] == {"champion": 2}
    ws.models.delete_alias("staged", "champion")
    with pytest.raises(NotFoundError, match="no alias 'champion'"):
        ws.models.get("staged", label="champion")
    assert ws.models.get("staged@latest") == ws.models.get("models:/staged/latest") == two


def test_what_is_said_of_a_version_can_be_changed_and_its_files_cannot(
    ws: Workspace, add_model: AddModel
) -> None:
    model = add_model("said", {"m.bin": b"x"}, tags={"a": "1", "b": "2"})
    model.update(description="new", tags={"a": None, "c": 3}, properties={"p": "q"})
    again = ws.models["said:1"]
    assert (again.description, again.tags, again.properties) == ("new", {"b": "2", "c": "3"}, {"p": "q"})
    assert (again.digest, again.get_file_names()) == (model.digest, ["m.bin"])
    ws.models.update("said", new_name="told", description="all of them", tags={"x": "y"})
    assert ws.models["told:1"].tags == again.tags and ws.models.details("told")["tags"] == {"x": "y"}
    with pytest.raises(NotFoundError, match="There is no model 'said'"):
        ws.models.get("said")
    other = add_model("other-said", {"m.bin": b"x"})
    with pytest.raises(ConflictError, match="There is a model 'told' already"):
        ws.models.update(other.name, new_name="told")


def test_an_archived_version_is_hidden_and_comes_back(ws: Workspace, add_model: AddModel) -> None:
    one, two = (add_model("old", {"m.bin": data}) for data in (b"1", b"2"))
    two.archive()
    assert ws.models["old"] == one and ws.models["old:2"].archived
    assert ws.models.list("old", archived=True) == [two]
    ws.models.archive("old")
    assert "old" not in [model.name for model in ws.models]
    with pytest.raises(NotFoundError, match="no version that is not archived"):
        ws.models.get("old")
    two.restore()
    assert ws.models["old"] == two
    ws.models.restore("old")
    assert len(ws.models.list("old")) == 2


def test_a_deleted_number_is_not_given_again(ws: Workspace, add_model: AddModel) -> None:
    for _ in range(2):
        model = add_model("gone", {"m.bin": b"x"})
    model.set_alias("best")
    model.delete()
    assert add_model("gone", {"m.bin": b"x"}).version == 3
    assert ws.models.details("gone")["aliases"] == {}
    ws.models.delete("gone")
    with pytest.raises(NotFoundError):
        ws.models.get("gone")
    assert add_model("gone", {"m.bin": b"x"}).version == 1


def test_filters_find_models(ws: Workspace, add_model: AddModel) -> None:
    blue = add_model("blue-one", {"m.bin": b"x"}, tags={"team": "sky", "val loss": "1"})
    red = add_model("red-one", {"m.bin": b"x"}, tags={"team": "red"}, properties={"framework": "torch"})
    assert blue.run is not None
    for text, found in [
        ("tags.team = 'sky'", [blue]),
        ("tags.team IN ('red', 'sky')", [red, blue]),
        ("name LIKE '%-one' AND tags.team != 'sky'", [red]),
        ("name ILIKE 'RED%'", [red]),
        ("properties.framework = 'torch'", [red]),
        ("tag.`val loss` = '1'", [blue]),
        (f"run_id = '{blue.run.id}'", [blue]),
        ("name LIKE '%-one' and flavor = 'custom' and version < 2 and stage = 'None'", [red, blue]),
        ("name LIKE '%-one' AND tags.nobody != 'x'", [red, blue]),
        ("tags.team NOT IN ('red') AND name LIKE '%-one'", [blue]),
    ]:
        assert ws.models.list(filter=text) == found, text
    for wrong in (
        "team = 'x'",
        "tags.team > 'x'",
        "tags = 'x'",
        "name = x",
        "version = 'a'",
        "name = 'a' OR",
        "'",
    ):
        with pytest.raises(InvalidError, match="The filter cannot be read at position"):
            ws.models.list(filter=wrong)


def test_a_filter_and_a_page_token_give_every_version_once(ws: Workspace, add_model: AddModel) -> None:
    made = [add_model("paged", {"m.bin": str(number).encode()}).version for number in range(5)]
    seen: list[int] = []
    token = None
    while token is not None or not seen:
        page = ws.client.call("list_model_versions", name="paged", limit=2, page_token=token)
        seen += [item["version"] for item in page["items"]]
        token = page["next_page_token"]
    assert seen == made[::-1]


@pytest.mark.parametrize(
    ("sample", "inputs"),
    [
        (pd.DataFrame({"age": [1.5], "sex": ["f"]}), [("age", "float64", None), ("sex", "str", None)]),
        (np.zeros((4, 2), "float32"), [(None, "float32", [-1, 2])]),
        ({"x": np.zeros((4, 3)), "y": [1, 2]}, [("x", "float64", [-1, 3]), ("y", "int", None)]),
        ([{"a": 1, "b": "t"}], [("a", "int", None), ("b", "str", None)]),
        ([1.0, 2.0], [(None, "list of float", None)]),
    ],
    ids=["frame", "array", "dictionary", "rows", "list"],
)
def test_a_sample_tells_names_and_types(
    ws: Workspace, add_model: AddModel, sample: object, inputs: list[tuple[str | None, str, list[int] | None]]
) -> None:
    told = add_model("sampled", {"m.bin": b"x"}, sample_input=sample).signature
    assert told is not None and told["source"] == "sample"
    assert [(column["name"], column["type"], column["shape"]) for column in told["inputs"]] == inputs


def test_a_job_registers_what_it_made_and_the_model_knows_where_it_comes_from(
    ws: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(
        "from pathlib import Path\nfrom jupyter_aml import Run\n"
        "Path('outputs/model').mkdir(parents=True)\nPath('outputs/model/m.bin').write_text('w')\n"
        "print(Run.get_context().register_model('by-job', 'outputs/model', datasets=['diabetes:3']))\n"
        "from jupyter_aml import Workspace\n"
        "ws = Workspace.default()\nmade = ws.models.register('by-file', 'outputs/model/m.bin')\n"
        "try: made.set_alias('champion')\nexcept Exception as error: print('REFUSED', error)\n"
    )
    run = ws.submit(command("python train.py", code=str(tmp_path)), experiment="train")
    run.wait_for_completion(show_output=False)
    model = ws.models["by-job"]
    lineage = model.lineage
    assert model.run == run and model.get_file_names() == ["m.bin"]
    assert (lineage["run_kind"], lineage["experiment"], lineage["path"]) == (
        "command",
        "train",
        "outputs/model",
    )
    assert len(lineage["snapshot"]) == 64
    assert lineage["datasets"] == [{"purpose": "training", "reference": "diabetes:3"}]
    assert "REFUSED A run's token may not write aml.models" in run.logs()
    assert ws.models["by-file"].run == run and ws.models["by-file"].aliases == []
    run.delete()
    assert model.run is None and model.download(tmp_path / "here").joinpath("m.bin").read_text() == "w"


def test_the_files_of_a_version_stay_what_they_were(ws: Workspace, tmp_path: Path) -> None:
    with ws.experiments["iris"].start_run() as run:
        run.log_text("m.bin", "first")
        model = run.register_model("fixed", "m.bin")
        run.log_text("m.bin", "second")
        other = run.register_model("fixed", "m.bin")
    assert model.download(tmp_path / "1").read_text() == "first"
    assert other.download(tmp_path / "2").read_text() == "second"


def test_versions_are_compared_with_params_and_metrics_of_their_runs(ws: Workspace) -> None:
    for alpha in (0.1, 0.2):
        with ws.experiments["iris"].start_run() as run:
            run.log_param("alpha", alpha)
            run.log_param("same", 1)
            run.log_param("markup", f"<img src=x onerror=alert({alpha})>")
            run.log("rmse", alpha * 10)
            run.log_text("m.bin", str(alpha))
        run.register_model("compared", "m.bin")
    compared = ws.models.compare("compared", [1, 2])
    assert [(row["model"], row["params.alpha"], row["metrics.rmse"]) for row in compared.rows] == [
        ("compared:1", "0.1", 1.0),
        ("compared:2", "0.2", 2.0),
    ]
    assert "params.same" not in compared.rows[0]
    shown = compared._repr_mimebundle_()
    assert "params.alpha" in shown["text/plain"] and "&lt;img src=x" in shown["text/html"]
    assert "<img" not in shown["text/html"]
    run.delete()
    assert ws.models.compare("compared").rows[0]["metrics.rmse"] is None


NAMES = [
    "",
    "-x",
    "a/b",
    "../x",
    "a:b",
    "a@b",
    "a\n",
    "a ",
    ".x",
    "models:/x/1",
    "x" * 129,
    "%2e%2e",
    "a\x00b",
]


@pytest.mark.parametrize("name", [*NAMES, *PAYLOADS["name"][:60]])
def test_names_that_are_none_are_refused(ws: Workspace, add_model: AddModel, name: str) -> None:
    run = add_model("seed", {"m.bin": b"x"}).run
    assert run is not None
    try:
        made = run.register_model(name, "m.bin")
    except (InvalidError, NotFoundError):
        return
    assert made.name == name and ws.models.get(f"{name}:{made.version}") == made


@pytest.mark.parametrize(
    "alias", ["1", "v1", "V23", "latest", "Latest", "", "a b", "a/b", "a:1", "-x", "x" * 200]
)
def test_an_alias_that_could_mean_something_else_is_refused(
    ws: Workspace, add_model: AddModel, alias: str
) -> None:
    model = add_model("aliased", {"m.bin": b"x"})
    with pytest.raises(InvalidError, match="alias"):
        model.set_alias(alias)


@pytest.mark.parametrize("version", [0, -1, "1.0", "latest", "01", "1e3", 10**12, "x"])
def test_versions_are_plain_numbers(ws: Workspace, add_model: AddModel, version: int | str) -> None:
    run = add_model("numbered", {"m.bin": b"x"}).run
    assert run is not None
    with pytest.raises(InvalidError, match="no version"):
        run.register_model("numbered", "m.bin", version=version)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../m.bin", "a//b", "a\\b", "%2e%2e/x", "file:///x", "", ".", "a\0"]
)
def test_paths_that_lead_out_of_a_run_are_refused(ws: Workspace, add_model: AddModel, path: str) -> None:
    run = add_model("seed", {"m.bin": b"x"}).run
    assert run is not None
    with pytest.raises((InvalidError, NotFoundError)):
        run.register_model("paths", path)
    with pytest.raises(InvalidError):
        file = {"path": path, "digest": bytes_digest(b"x"), "size": 1}
        ws.client.call("create_model_version", name="paths", files=[file], root="m")
    with pytest.raises(InvalidError):
        file = {"path": "m", "digest": bytes_digest(b"x"), "size": 1}
        ws.client.call("create_model_version", name="paths", files=[file], root=path)


def test_files_must_have_been_sent_and_be_what_they_are_said_to_be(
    ws: Workspace, add_model: AddModel
) -> None:
    add_model("seed", {"m.bin": b"x"})
    x, absent = bytes_digest(b"x"), "0" * 64

    def register(*files: tuple[str, str, int]) -> Model:
        listed = [{"path": path, "digest": digest, "size": size} for path, digest, size in files]
        return Model(ws.client, ws.client.call("create_model_version", name="sent", files=listed, root="m"))

    assert register(("m", x, 1)).version == 1
    for files in (
        [("m", absent, 1)],
        [("m", x, 2)],
        [("m", x, 1), ("m", x, 1)],
        [("m", x, 1), ("m/a", x, 1)],
        [],
    ):
        with pytest.raises((InvalidError, NotFoundError)):
            register(*files)
    with pytest.raises(InvalidError, match="comes from one place"):
        ws.client.call("create_model_version", name="sent")
    assert [model.version for model in ws.models.list("sent")] == [1]


def test_a_version_is_copied_with_its_lineage(ws: Workspace, add_model: AddModel) -> None:
    model = add_model("origin", {"m.bin": b"x"})
    copy = Model(ws.client, ws.client.call("create_model_version", name="copy", model="models:/origin/1"))
    assert copy.digest == model.digest and copy.run == model.run and copy.lineage["model"] == "origin:1"


def test_errors_name_the_nearest_and_leave_no_trace(ws: Workspace, add_model: AddModel) -> None:
    add_model("vision", {"m.bin": b"x"})
    with pytest.raises(NotFoundError) as caught:
        ws.models.get("visoin")
    assert caught.value.hint == "Did you mean 'vision'?"
    with pytest.raises(NotFoundError, match="has no version 9") as caught:
        ws.models.get("vision:9")
    assert caught.value.hint == "It has: 1."
    for text in ("vision:1:2", "vision@a@b", "models:/vision", "vision:", "@x"):
        with pytest.raises(AmlError):
            ws.models.get(text)


def test_too_many_files_are_refused(ws: Workspace) -> None:
    files = [{"path": f"f{number}", "digest": "0" * 64, "size": 1} for number in range(100_001)]
    with pytest.raises(InvalidError):
        ws.client.call("create_model_version", name="large", files=files, root="m")
