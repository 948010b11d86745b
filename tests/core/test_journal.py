"""The journal keeps what was written, in order, whatever happens to the writer; a torn end is cut off."""

from __future__ import annotations

import math
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_aml.core.journal import JournalWriter, LifeLock, Scalar, parse_journal, read_journal


def scalars(path: Path) -> list[Scalar]:
    return [record for record in read_journal(path).records if isinstance(record, Scalar)]


def test_points_come_back_as_they_were(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, 3)
    values = [0.5, math.nan, math.inf, -math.inf, -0.0, 1e308, 5e-324]
    for step, value in enumerate(values):
        writer.metric("loss", value, step, 1000 + step)
    writer.metric("λ", 1.0)
    found = scalars(writer.path)
    assert [struct.pack("d", point.value) for point in found[:7]] == [
        struct.pack("d", value) for value in values
    ]
    assert [point.step for point in found] == [*range(7), None]
    assert [point.time for point in found[:7]] == list(range(1000, 1007))
    assert found[7].name == "λ"
    assert writer.path.name.startswith("3.") and writer.path.stat().st_mode & 0o777 == 0o600


def test_operations_and_points_keep_their_order(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, 1)
    writer.write({"op": "param", "name": "a", "value": "1"})
    writer.metric("x", 1.0)
    writer.write({"op": "end"}, sync=True)
    kinds = [
        record.name if isinstance(record, Scalar) else record["op"]
        for record in read_journal(writer.path).records
    ]
    assert kinds == ["param", "x", "end"]


def test_reading_goes_on_where_it_stopped(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, 1)
    writer.metric("x", 1.0)
    first = read_journal(writer.path)
    writer.metric("x", 2.0)
    second = read_journal(writer.path, first.offset, first.sequence)
    assert [record.value for record in second.records if isinstance(record, Scalar)] == [2.0]
    assert read_journal(writer.path, second.offset, second.sequence).records == []


def test_every_cut_leaves_the_whole_records_before_it(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, 1)
    for value in range(5):
        writer.metric("x", float(value))
    data = writer.path.read_bytes()
    size = (len(data) - 5) // 5
    for cut in range(len(data) + 1):
        chunk = parse_journal(data[:cut], 0, 0)
        whole = max(0, (cut - 5) // size)
        assert len(chunk.records) == whole
        assert chunk.torn == (cut not in (0, *(5 + size * n for n in range(6))))


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_flipped_byte_never_gives_a_wrong_record(position: int, flip: int) -> None:
    records = b""
    for sequence in range(4):
        body = struct.pack("<QBqqd", sequence, 1, 7, 8, 9.0) + b"name"
        from zlib import crc32

        records += struct.pack("<II", len(body) - 8, crc32(body)) + body
    data = bytearray(b"AMLJ\x01" + records)
    position %= len(data)
    data[position] ^= flip
    for record in parse_journal(bytes(data), 0, 0).records:
        assert record == Scalar("name", 9.0, 8, 7)


def test_a_killed_writer_loses_nothing_it_wrote(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from jupyter_aml.core.journal import JournalWriter\n"
        "w = JournalWriter(Path(sys.argv[1]), 1)\n"
        "for i in range(1000): w.metric('x', float(i))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (path,) = tmp_path.glob("*.journal")
    assert [point.value for point in scalars(path)] == [float(i) for i in range(1000)]


def test_threads_and_forked_processes_write_without_loss(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, 1)

    def work() -> None:
        for value in range(500):
            writer.metric("x", float(value))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    work()
    counts = sorted(len(scalars(path)) for path in tmp_path.glob("*.journal"))
    assert counts == [500, 2500]


def test_a_lock_lives_as_long_as_its_holder(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from jupyter_aml.core.journal import LifeLock\n"
        "lock = LifeLock(Path(sys.argv[1])); print(lock.take(), flush=True); sys.stdin.read()"
    )
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "True\n"
        lock = LifeLock(path)
        assert not lock.take()
        holder.kill()
        holder.wait()
        assert lock.take()
    lock.release()


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = LifeLock(tmp_path / "lock")
    assert lock.take()
    read, write = os.pipe()
    forked, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write)
        os.write(told, b"!")
        os.read(read, 1)
        os._exit(0)
    os.read(forked, 1)
    lock.release()
    other = LifeLock(tmp_path / "lock")
    assert other.take()
    other.release()
    os.close(write)
    os.waitpid(pid, 0)
    for descriptor in (read, forked, told):
        os.close(descriptor)


def test_a_full_disk_is_an_error_and_no_torn_middle(tmp_path: Path) -> None:
    import resource

    pid = os.fork()
    if pid == 0:  # in a child, because a file size limit cannot be raised again
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        writer = JournalWriter(tmp_path, 1)
        first = writer.path
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        written = 0
        try:
            while True:
                writer.metric("x", 1.0)
                written += 1
        except OSError:
            os._exit(0 if len(scalars(first)) == written > 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize("content", [b"", b"AMLJ", b"AMLJ\x02rest", b"not a journal"])
def test_what_is_no_journal_gives_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "1.x.journal"
    path.write_bytes(content)
    assert read_journal(path).records == []
