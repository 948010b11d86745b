# ruff: noqa: DTZ001 - times in tables have no zone
"""Tables: the same definition over files of several kinds, a database and a frame; lazy, exact, repeatable."""

from __future__ import annotations

import gzip
import random
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402

from jupyter_aml.data.tabular import TabularDataset, col  # noqa: E402
from jupyter_aml.data.tabular.expression import parse  # noqa: E402
from jupyter_aml.errors import AmlError, ConflictError, InvalidError, NotFoundError  # noqa: E402
from jupyter_aml.workspace import Workspace  # noqa: E402

ROWS = 1_000


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """A table with numbers, texts, times and missing values."""
    rng = random.Random(7)
    return pd.DataFrame(
        {
            "id": range(ROWS),
            "age": [rng.randint(18, 90) for _ in range(ROWS)],
            "score": [None if i % 10 == 0 else rng.random() for i in range(ROWS)],
            "city": [rng.choice(["Oslo", "Rome", "Paris, France"]) for _ in range(ROWS)],
            "day": pd.date_range("2024-01-01", periods=ROWS, freq="h").astype("datetime64[us]"),
        }
    )


@pytest.fixture(params=["csv", "tsv", "packed", "parquet", "json", "sql", "frame"])
def table(
    request: pytest.FixtureRequest, frame: pd.DataFrame, ws: Workspace, tmp_path: Path
) -> TabularDataset:
    """The same table from every kind of source."""
    half = ROWS // 2
    parts = [frame.iloc[:half], frame.iloc[half:]]
    kind = request.param
    if kind == "frame":
        return TabularDataset.from_frame(frame)
    if kind == "sql":
        with sqlite3.connect(tmp_path / "x.db") as connection:
            frame.to_sql("people", connection, index=False)
        store = ws.datastores.create(f"db-{tmp_path.name}", url=f"sqlite:///{tmp_path}/x.db")
        return TabularDataset.from_sql_query(store, "SELECT * FROM people ORDER BY id;")
    for number, part in enumerate(parts):
        name = tmp_path / f"part-{number}"
        if kind == "csv":
            part.to_csv(f"{name}.csv", index=False)
        elif kind == "tsv":
            part.to_csv(f"{name}.tsv", index=False, sep="\t", encoding="latin-1")
        elif kind == "packed":
            Path(f"{name}.csv.gz").write_bytes(gzip.compress(part.to_csv(index=False).encode()))
        elif kind == "parquet":
            part.to_parquet(f"{name}.parquet", index=False)
        else:
            part.to_json(f"{name}.jsonl", orient="records", lines=True, date_format="iso")
    if kind == "tsv":
        return TabularDataset.from_delimited_files(f"{tmp_path}/*.tsv", "\t", encoding="latin-1")
    if kind == "parquet":
        return TabularDataset.from_parquet_files(tmp_path)
    if kind == "json":
        return TabularDataset.from_json_lines_files(f"{tmp_path}/part-*.jsonl")
    return TabularDataset.from_delimited_files(f"{tmp_path}/part-*")


def test_every_source_gives_the_same_table(table: TabularDataset, frame: pd.DataFrame) -> None:
    assert table.columns == ["id", "age", "score", "city", "day"]
    found = table.to_pandas_dataframe()
    for name in ("id", "age", "city"):
        assert found[name].tolist() == frame[name].tolist()
    pd.testing.assert_series_equal(found["score"], frame["score"])
    chosen = table.filter((col("age") > 50) & (table["city"] != "Oslo")).keep_columns(["city", "age"])
    expected = frame[(frame.age > 50) & (frame.city != "Oslo")][["city", "age"]]
    assert chosen.to_pandas_dataframe().values.tolist() == expected.values.tolist()
    assert table.filter('score < 0.5 and city in ["Rome"]').count() == int(
        ((frame.score < 0.5) & (frame.city == "Rome")).sum()
    )
    assert table.filter(col("score").is_null()).count() == 100
    assert table.drop_columns("score").columns == ["id", "age", "city", "day"]
    assert table.skip(10).take(5).to_arrow()["id"].to_pylist() == [10, 11, 12, 13, 14]
    assert table.take(5).filter(col("id") > 2).keep_columns("id").to_arrow()["id"].to_pylist() == [3, 4]
    assert table.filter(col("id") >= 990).take(3).to_arrow()["id"].to_pylist() == [990, 991, 992]


def test_a_split_is_whole_and_the_same_each_time(table: TabularDataset) -> None:
    train, test = table.random_split(0.7, seed=3)
    ids = [part.to_arrow()["id"].to_pylist() for part in (train, test)]
    assert sorted(ids[0] + ids[1]) == list(range(ROWS)) and 600 < len(ids[0]) < 800
    again, _ = table.keep_columns(["id", "age"]).random_split(0.7, seed=3)
    assert again.to_arrow()["id"].to_pylist() == ids[0]
    other, _ = table.random_split(0.7, seed=4)
    assert other.to_arrow()["id"].to_pylist() != ids[0]
    first, second = table.random_split(0.5)
    assert first.count() + second.count() == ROWS
    assert table.sample(0.1, seed=1).count() == table.sample(0.1, seed=1).count() < 200


def test_what_is_not_in_the_table_is_named(table: TabularDataset) -> None:
    for wrong in (
        table.filter(col("agee") > 1), table.keep_columns(["agee"]), table.drop_columns(["agee"]),
        table.keep_columns(["id"]).filter(col("age") > 1), table.take(2).filter(col("agee") > 1),
    ):  # fmt: skip
        with pytest.raises(InvalidError, match="no column 'age"):
            wrong.to_arrow()


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    table = TabularDataset.from_delimited_files(tmp_path / "later.csv").filter(col("a") > 1)
    with pytest.raises(NotFoundError, match="later"):
        table.to_arrow()
    (tmp_path / "later.csv").write_text("a\n1\n2\n")
    assert TabularDataset.from_delimited_files(tmp_path / "later.csv").filter("a > 1").count() == 1


def test_times(frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "x.csv", index=False)
    table = TabularDataset.from_delimited_files(tmp_path / "x.csv").with_timestamp_columns("day")
    start, end = datetime(2024, 1, 2), datetime(2024, 1, 3)
    assert table.time_before(start).count() == 25 and table.time_before(start, False).count() == 24
    assert table.time_after(start).count() == ROWS - 24
    assert table.time_between(start, end).count() == 25
    assert table.time_recent(timedelta(days=1)).count() == 0
    with pytest.raises(InvalidError, match="which column"):
        TabularDataset.from_delimited_files(tmp_path / "x.csv").time_before(end)


def test_columns_from_paths(tmp_path: Path) -> None:
    for country, day in [("no", "2024/01/02"), ("no", "2024/01/03"), ("it", "2024/01/02")]:
        folder = tmp_path / country / day
        folder.mkdir(parents=True)
        (folder / "data.csv").write_text("x\n1\n2\n")
    table = TabularDataset.from_delimited_files(
        tmp_path, partition_format="/{country}/{day:yyyy/MM/dd}/data.csv", include_path=True
    )
    assert table.columns == ["x", "country", "day", "Path"]
    found = (
        table.filter((col("country") == "no") & (col("day") > datetime(2024, 1, 2))).to_arrow().to_pylist()
    )
    where = {"country": "no", "day": datetime(2024, 1, 3), "Path": "/no/2024/01/03/data.csv"}
    assert found == [{"x": 1, **where}, {"x": 2, **where}]
    for wrong in ("/{country}/x.csv", "plain", "/{country}/{country}"):
        with pytest.raises(InvalidError, match="partition format"):
            TabularDataset.from_delimited_files(tmp_path, partition_format=wrong).to_arrow()


def test_headers_types_and_bad_lines(tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("1;a\n2;b\n")
    table = TabularDataset.from_delimited_files(tmp_path / "bare.csv", ";", header=False)
    assert table.to_arrow().to_pylist() == [{"Column1": 1, "Column2": "a"}, {"Column1": 2, "Column2": "b"}]
    (tmp_path / "zip.csv").write_text("zip,n\n01234,1\n98765,x\n")
    with pytest.raises(InvalidError):
        TabularDataset.from_delimited_files(tmp_path / "zip.csv", column_types={"n": "integer"}).to_arrow()
    table = TabularDataset.from_delimited_files(tmp_path / "zip.csv", column_types={"zip": "text"})
    assert table.to_arrow()["zip"].to_pylist() == ["01234", "98765"]
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n3\n4,5\n")
    with pytest.raises(InvalidError):
        TabularDataset.from_delimited_files(tmp_path / "bad.csv").to_arrow()
    skipped = TabularDataset.from_delimited_files(tmp_path / "bad.csv", bad_lines="skip")
    assert skipped.to_arrow()["a"].to_pylist() == [1, 4]


def test_a_column_that_changes_its_type_is_found_by_file_row_and_column(tmp_path: Path) -> None:
    for number in range(10):
        lines = [f"{i},{i}" for i in range(100)]
        if number == 7:
            lines[41] = "41,oops"
        (tmp_path / f"f{number}.csv").write_text("id,value\n" + "\n".join(lines) + "\n")
    with pytest.raises(InvalidError) as caught:
        TabularDataset.from_delimited_files(f"{tmp_path}/*.csv").to_pandas_dataframe()
    detail = str(caught.value.detail)
    assert "f7.csv" in detail and "column 'value'" in detail and "Row #43" in detail and "oops" in detail


def test_a_table_is_registered_with_what_it_does(ws: Workspace, frame: pd.DataFrame, tmp_path: Path) -> None:
    frame.to_csv(tmp_path / "people.csv", index=False)
    adults = (
        TabularDataset.from_delimited_files(tmp_path / "people.csv")
        .filter(col("age") >= 65)
        .keep_columns(["id", "age"])
    )
    asset = ws.data.register("seniors", adults)
    assert asset.type == "mltable"
    (tmp_path / "people.csv").unlink()
    found = ws.data["seniors"].to_pandas_dataframe()
    assert found.id.tolist() == frame[frame.age >= 65].id.tolist() and list(found) == ["id", "age"]
    again = ws.data.register("oldest", ws.data["seniors"].to_tabular().filter("age > 80"))
    assert again.to_tabular().count() == int((frame.age > 80).sum())


def test_a_frame_is_registered_as_it_is(ws: Workspace, frame: pd.DataFrame) -> None:
    asset = ws.data.register("people", frame=frame)
    assert asset.type == "mltable" and ws.data.register("people", frame=frame.copy()) == asset
    pd.testing.assert_frame_equal(asset.to_pandas_dataframe(), frame)
    with pytest.raises(InvalidError):
        ws.data.register("people", frame={"a": 1})


def test_files_are_read_by_what_their_names_end_with(ws: Workspace, csv: Path, tmp_path: Path) -> None:
    assert ws.data.register("plain", csv).to_pandas_dataframe().age.tolist() == [59, 48, 72, 24]
    store = ws.datastores.get_default()
    store.upload(csv, "tables/2024")
    store.upload(csv, "tables/2025")
    table = TabularDataset.from_delimited_files(store.path("tables/*/diabetes.csv"))
    assert table.count() == 8
    assert ws.data.register("both", table).to_tabular().filter("sex == 1").count() == 4
    (tmp_path / "x.bin").write_bytes(b"\0")
    with pytest.raises(InvalidError, match="from its name"):
        ws.data.register("odd", tmp_path / "x.bin").to_tabular()


def test_a_query_is_registered(ws: Workspace, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE sales (day TEXT, amount REAL)")
        connection.executemany("INSERT INTO sales VALUES (?, ?)", [("mon", 1.5), ("tue", None), ("wed", 3.0)])
    store = ws.datastores.create("sales", url=f"sqlite:///{tmp_path}/shop.db")
    asset = ws.data.register("sales", TabularDataset.from_sql_query(store, "SELECT * FROM sales"))
    assert asset.to_tabular().filter("amount > 2").to_arrow().to_pylist() == [{"day": "wed", "amount": 3.0}]
    for query in ("SELECT * FROM absent", "DROP TABLE sales", "SELECT 1; DROP TABLE sales", "nonsense"):
        with pytest.raises(AmlError):
            TabularDataset.from_sql_query(store, query).to_arrow()
    (tmp_path / "shop.db").unlink()
    with pytest.raises(AmlError, match="not there"):
        asset.to_pandas_dataframe()


def test_an_mltable_folder_is_read_as_it_says(ws: Workspace, csv: Path, tmp_path: Path) -> None:
    root = tmp_path / "mltable"
    root.mkdir()
    (root / "a.csv").write_bytes(csv.read_bytes())
    text = """
paths:
  - pattern: ./*.csv
transformations:
  - read_delimited: {delimiter: ",", encoding: utf8, header: all_files_same_headers}
  - filter: col("age") > 30
  - keep_columns: [age, target]
  - take: 2
"""
    (root / "MLTable").write_text(text)
    asset = ws.data.register("from-mltable", root)
    assert asset.type == "mltable"
    assert asset.to_tabular().to_arrow().to_pylist() == [
        {"age": 59, "target": 151.0},
        {"age": 48, "target": 75.0},
    ]
    for wrong in (
        "paths: [{file: ../x.csv}]", "paths: [{file: /etc/passwd}]", "paths: [{file: 'https://x/y.csv'}]", "[]",
        "!!python/object/apply:os.system ['true']", "paths: [{pattern: '*.csv'}]\ntransformations: [{exec: x}]",
        "paths: [{pattern: '*.txt'}]\ntransformations: [read_delimited]",
        "paths: [{pattern: '*.csv'}]\ntransformations: [read_delimited, {filter: '__import__(\"os\")'}]",
    ):  # fmt: skip
        (root / "MLTable").write_text(wrong)
        with pytest.raises(InvalidError):
            ws.data.register("wrong", root)


@pytest.mark.parametrize(
    "text",
    ["", "1", "col('x')  >", "__import__('os').system('true') == 0", "x.__class__ == 1", "(lambda: 1)() == 1",
     "col(x) > 1", "'a' == 'a'", "[x for x in y]", "x > {}", "(" * 5000, "x > 1\nimport os", "f(x) > 1",
     "x ** 2 > 1", "1 + " * 3000 + "1 > x"],
)  # fmt: skip
def test_only_conditions_are_conditions(text: str) -> None:
    """Nothing of a text is ever run."""
    with pytest.raises(InvalidError):
        parse(text)


def test_a_condition_reads_as_it_is_written() -> None:
    for text in [
        'col("a") > 1', "a >= 1.5 and not (b == 'x' or c.is_null())", 'col("a b").isin(["x", "\\"y\\""])',
        'day < datetime("2024-01-02T03:04:05")', "0 < a <= 5", "a not in [1, 2]", "a == True", "a > -1",
    ]:  # fmt: skip
        found = parse(text)
        assert repr(parse(repr(found))) == repr(found)
    with pytest.raises(InvalidError, match="&"):
        assert (col("a") > 1) and (col("b") > 1)


def test_a_profile_says_what_the_columns_hold(table: TabularDataset, frame: pd.DataFrame) -> None:
    profile = table.profile()
    assert profile.rows == ROWS and list(profile.columns) == list(frame)
    age, score, city = profile["age"], profile["score"], profile["city"]
    assert (age.min, age.max, age.missing) == (frame.age.min(), frame.age.max(), 0)
    assert age.mean == pytest.approx(frame.age.mean()) and sum(age.histogram) == ROWS
    assert age.standard_deviation == pytest.approx(frame.age.std())
    assert age.quantiles[0.5] == pytest.approx(frame.age.median(), abs=2)
    assert (score.count, score.missing) == (900, 100)
    assert city.top == [(name, count) for name, count in frame.city.value_counts().items()]
    assert profile.to_pandas_dataframe().loc["age", "max"] == frame.age.max()


def test_tables_go_to_parquet_and_duckdb(table: TabularDataset, tmp_path: Path) -> None:
    chosen = table.filter("age > 50")
    file = chosen.to_parquet(tmp_path / "out.parquet")
    assert pq.read_table(file)["id"].to_pylist() == chosen.to_arrow()["id"].to_pylist()
    with pytest.raises(ConflictError):
        chosen.to_parquet(file)
    relation = chosen.keep_columns(["age", "id"]).to_duckdb()
    for _ in range(2):
        assert relation.aggregate("count(*), min(age)").fetchall() == [(chosen.count(), 51)]
    empty = table.filter("age > 1000").to_parquet(tmp_path / "empty.parquet")
    assert pq.read_table(empty).num_rows == 0


BOUNDED = """
import re, sys
from jupyter_aml.data.tabular import TabularDataset, col
table = TabularDataset.from_delimited_files(sys.argv[1])
table.filter(col("a") < 0.1).to_pandas_dataframe()
table.to_parquet(sys.argv[2])
print(int(re.search(r"VmHWM:\\s+([0-9]+)", open("/proc/self/status").read())[1]) // 1024)
"""


@pytest.mark.slow
def test_memory_stays_bounded_whatever_the_size(tmp_path: Path) -> None:
    """Bound to the size: a file of 256 MB needs no more than 400 MB, of which a part is the libraries'."""
    rng = random.Random(1)
    block = "".join(f"{rng.random():.6f},{i},some text number {i % 97}\n" for i in range(100_000))
    with (tmp_path / "big.csv").open("w") as stream:
        stream.write("a,b,c\n")
        while stream.tell() < 256 * 2**20:
            stream.write(block)
    script = [sys.executable, "-c", BOUNDED, str(tmp_path / "big.csv"), str(tmp_path / "out.parquet")]
    done = subprocess.run(script, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 400
