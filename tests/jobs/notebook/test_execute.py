"""What a user sees of a notebook that was run: its cells, outputs, failures, and the file that is left."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

if TYPE_CHECKING:
    from tests.jobs.conftest import Runs


def _text(cell: dict) -> str:
    return "".join(output.get("text", "") for output in cell["outputs"])


def test_all_cells_run_and_are_told(runs: Runs) -> None:
    ran = runs("\n# first\nprint('hello')", new_markdown_cell("## Then"), "1 + 1")
    assert ran.ok
    plan, *progress = ran.told
    assert plan == [
        "plan",
        [
            {"index": 0, "label": "# first", "kind": "code"},
            {"index": 1, "label": "## Then", "kind": "markdown"},
            {"index": 2, "label": "1 + 1", "kind": "code"},
        ],
    ]
    assert progress == [[0, "running"], [0, "completed"], [1, "completed"], [2, "running"], [2, "completed"]]
    assert ran.text == "hello\n2\n"
    cells = ran.notebook.cells
    assert _text(cells[0]) == "hello\n"
    assert cells[2].outputs[0].data["text/plain"] == "2"
    assert [cell.get("execution_count") for cell in cells] == [1, None, 2]
    assert cells[0].metadata.papermill.status == "completed"
    assert ran.notebook.metadata.papermill.duration > 0
    assert ran.notebook.metadata.language_info.name == "python"


def test_started_cold_it_is_the_same(runs: Runs) -> None:
    ran = runs("import os, sys\nprint(os.getcwd(), sys.path[0:1] != [''], '' in sys.path)", "1/0", cold=True)
    assert not ran.ok
    assert ran.error["class"] == "ZeroDivisionError"
    assert "True True" in ran.text


def test_failed_cell_keeps_its_error_and_stops(runs: Runs) -> None:
    ran = runs("x = 1", "def f():\n    raise ValueError('bad \\x1b[31mred')\nf()", "print('never')")
    assert ran.error["class"] == "ValueError"
    assert ran.error["message"] == "bad red"
    assert ran.error["cell"] == 1
    assert ran.error["reason"] == "user_error"
    assert "in f()" in ran.error["traceback"]
    assert "\x1b" not in ran.error["traceback"]
    assert [1, "failed"] in ran.told
    assert ran.told[-1] == [1, "failed"]
    cells = ran.notebook.cells
    assert len(cells) == 3  # no banner cells
    assert cells[1].outputs[-1].ename == "ValueError"
    assert [cell.metadata.papermill.status for cell in cells] == ["completed", "failed", "pending"]


def test_cell_that_may_fail_is_no_failure(runs: Runs) -> None:
    tagged = new_code_cell("1/0", metadata={"tags": ["raises-exception"]})
    ran = runs(tagged, "print('on')")
    assert ran.ok
    assert ran.text.endswith("on\n")


def test_injected_and_hidden_cells_are_not_counted(runs: Runs) -> None:
    ran = runs(
        new_code_cell("hidden = 1", metadata={"tags": ["aml-hidden"]}),
        new_markdown_cell("banner", metadata={"tags": ["papermill-error-cell-tag"]}),
        new_code_cell("a = 1", metadata={"tags": ["parameters"]}),
        "print(a)",
        "1/0",
        parameters={"a": 5},
    )
    assert [cell["index"] for cell in ran.told[0][1]] == [1, 2, 3]
    assert ran.text.startswith("5\n")
    assert ran.error["cell"] == 3
    assert ran.told[-1] == [3, "failed"]


def test_parameters_replace_those_of_an_earlier_run(runs: Runs) -> None:
    ran = runs(
        new_code_cell("a = 1", metadata={"tags": ["parameters"]}),
        new_code_cell("a = 2", metadata={"tags": ["injected-parameters"]}),
        "print(a)",
        parameters={"a": float("inf")},
    )
    assert ran.text == "inf\n"
    assert [cell["index"] for cell in ran.told[0][1]] == [0, 1, 2]
    json.loads(ran.output.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os; os._exit(3)", "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "out of memory"),
    ],
)
def test_dead_kernel_is_told_at_once(runs: Runs, source: str, message: str) -> None:
    ran = runs(
        "print('kept')", f"print('last words', flush=True)\nimport time; time.sleep(0.1)\n{source}", "1"
    )
    assert ran.error["class"] == "KernelDied"
    assert ran.error["reason"] == "kernel_died"
    assert message in ran.error["message"]
    assert ran.error["cell"] == 1
    cells = ran.notebook.cells
    assert _text(cells[0]) == "kept\n"
    assert _text(cells[1]) == "last words\n"
    assert cells[1].outputs[-1].ename == "KernelDied"
    assert cells[1].metadata.papermill.status == "failed"


@pytest.mark.parametrize("source", ["import sys; sys.exit(0)", "raise SystemExit(3)"])
def test_sys_exit_fails_the_cell(runs: Runs, source: str) -> None:
    ran = runs(source, "print('never')")
    assert (ran.error["class"], ran.error["reason"], ran.error["cell"]) == ("SystemExit", "user_error", 0)


def test_input_fails_at_once_and_says_why(runs: Runs) -> None:
    ran = runs("input('name? ')")
    assert ran.error["class"] == "StdinNotImplementedError"
    assert "nobody to ask" in ran.error["message"]


def test_raised_keyboard_interrupt_is_the_users_error(runs: Runs) -> None:
    ran = runs("raise KeyboardInterrupt")
    assert (ran.error["class"], ran.error["reason"]) == ("KeyboardInterrupt", "user_error")


def test_interrupt_saves_what_there_is(runs: Runs) -> None:
    ran = runs(
        "import time\nprint('begun', flush=True)\ntime.sleep(60)",
        "print('never')",
        stop={"when": "begun", "how": "interrupt"},
    )
    assert (ran.error["class"], ran.error["reason"], ran.error["cell"]) == (
        "KeyboardInterrupt",
        "canceled",
        0,
    )
    assert _text(ran.notebook.cells[0]).startswith("begun\n")
    assert ran.notebook.cells[0].outputs[-1].ename == "KeyboardInterrupt"


def test_interrupt_before_the_cell_has_begun_counts_too(runs: Runs) -> None:
    ran = runs("import time; time.sleep(60)", stop={"at": [0, "running"], "how": "interrupt"})
    assert (ran.error["class"], ran.error["reason"]) == ("KeyboardInterrupt", "canceled")


def test_interrupt_between_cells_lets_no_further_one_begin(runs: Runs) -> None:
    ran = runs("1", "print('never')", stop={"at": [0, "completed"], "how": "interrupt"})
    assert ran.error["reason"] == "canceled"
    assert "never" not in ran.text


def test_kill_ends_a_cell_that_will_not_be_interrupted(runs: Runs) -> None:
    ran = runs(
        "import signal, time\nfor number in (2, 15): signal.signal(number, signal.SIG_IGN)\n"
        "print('begun', flush=True)\nwhile True: time.sleep(1)",
        stop={"when": "begun", "how": "interrupt terminate kill"},
    )
    assert (ran.error["class"], ran.error["reason"]) == ("KernelDied", "canceled")


def test_what_c_code_and_programs_print_comes_once(runs: Runs) -> None:
    source = "os.write(1, 'ä\\n'.encode())\nsubprocess.run(['echo', 'child'])\ntime.sleep(0.5)"
    ran = runs("import os, subprocess, time\n" + source)
    assert sorted(ran.text.split()) == ["child", "ä"]
    assert ran.kernel_log.read_text() == ""


def test_cell_timeout_interrupts(runs: Runs) -> None:
    ran = runs("print('a')\nwhile True: pass", "2", cell_timeout=0.5)
    assert (ran.error["class"], ran.error["reason"], ran.error["cell"]) == ("CellTimeoutError", "timeout", 0)
    assert _text(ran.notebook.cells[0]) == "a\n"


def test_cell_timeout_ends_a_stopped_kernel(runs: Runs) -> None:
    ran = runs("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", cell_timeout=0.5)
    assert ran.error["reason"] == "timeout"


def test_progress_bars_collapse(runs: Runs) -> None:
    ran = runs(
        "import sys, time\nfor i in range(101):\n    sys.stderr.write(f'\\r{i}%'); sys.stderr.flush()\n"
        "print('', file=sys.stderr, flush=True)\nprint('50\\b\\b60\\r\\nab\\rc')"
    )
    assert sorted(output.text for output in ran.notebook.cells[0].outputs) == ["100%\n", "60\nc\n"]
    assert "\r7%" in ran.text


def test_flood_is_bounded_in_the_notebook_and_in_memory_and_whole_in_the_log(runs: Runs) -> None:
    ran = runs("line = 'x' * 99 + '\\n'\nfor i in range(1_000_000): print(line, end='')", "print('after')")
    assert ran.ok
    assert ran.result["length"] == 100_000_000 + len("after\n")
    assert ran.result["grown"] < 150_000_000
    text = _text(ran.notebook.cells[0])
    assert text.startswith("x" * 99 + "\n")
    assert 10_000_000 < len(text) < 10_700_000
    assert text.endswith("The run's log goes on where this ends.]\n")
    assert _text(ran.notebook.cells[1]) == "after\n"


def test_one_endless_line_is_bounded_too(runs: Runs) -> None:
    ran = runs("print('y' * 60_000_000)")
    assert ran.result["length"] == 60_000_001
    assert ran.result["grown"] < 150_000_000


def test_huge_display_is_left_out_with_a_note(runs: Runs) -> None:
    ran = runs("from IPython.display import HTML, display\ndisplay(HTML('z' * 20_000_000))\nprint('end')")
    assert ran.ok
    outputs = ran.notebook.cells[0].outputs
    assert [output.output_type for output in outputs] == ["stream"]
    assert "more characters of output were not kept" in outputs[0].text
    assert "end" in ran.text


def test_displays_are_updated_and_cleared(runs: Runs) -> None:
    ran = runs(
        "from IPython.display import display, clear_output\nh = display('a', display_id='d')",
        "h.update('b')\nprint('gone')\nclear_output(wait=True)\nprint('left')",
    )
    first, second = ran.notebook.cells
    assert first.outputs[0].data["text/plain"] == "'b'"
    assert _text(second) == "left\n"


def test_running_notebook_is_saved_while_a_silent_cell_runs(runs: Runs) -> None:
    from tests.jobs.conftest import wait_for

    folder = runs.begin(
        ["print('early')", "import time\nwhile not __import__('os').path.exists('go'): time.sleep(0.02)"],
        save_every=0.05,
    )
    output = folder / "executed.ipynb"

    def saved() -> bool:
        cells = json.loads(output.read_text())["cells"] if output.exists() else [{}, {"metadata": {}}]
        return cells[1]["metadata"].get("papermill", {}).get("status") == "running"

    wait_for(saved)
    assert "early" in output.read_text()
    (folder / "work" / "go").touch()
    wait_for((folder / "result.json").exists)
    assert not list(folder.glob(".executed*"))


def test_kernel_has_ended_and_left_no_sockets(runs: Runs) -> None:
    ran = runs("import sys; print(sys.argv[2])", "import atexit; atexit.register(open, 'ended', 'w')")
    assert not os.path.exists(os.path.dirname(ran.text.strip()))
    with pytest.raises(ProcessLookupError):
        os.kill(ran.result["kernel_pid"], signal.SIGCONT)
    assert (ran.output.parent / "work" / "ended").exists()
