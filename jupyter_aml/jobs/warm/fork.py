"""What a forked process must do before it is as good as a freshly started one.

A fork copies descriptors, environment, signal handlers and random seeds, and keeps only the thread that
called it. The functions here undo each of these; they are called in the new process, in any order, before
other people's code runs there.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import random
import signal
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


def thread_count() -> int:
    """How many threads this process has, those that Python does not know of included."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:  # not Linux: only Python's own can be counted
        return threading.active_count()


def spawn_detached(body: Callable[[], int]) -> int:
    """Run ``body`` in a new process that is a child of nobody here, in its own session; its process id.

    The process between exits at once, so init (or a subreaper above us) is the parent. ``body`` returns
    the exit code; the new process never comes back into the caller's frames.
    """
    reader, writer = os.pipe()
    flush_streams()
    between = os.fork()
    if between == 0:
        try:
            grandchild = os.fork()
            if grandchild:
                os.write(writer, b"%d" % grandchild)
        except OSError:
            os._exit(1)
        if grandchild:
            os._exit(0)
        os.close(reader)
        os.close(writer)
        os.setsid()
        live(body)
    os.close(writer)
    try:
        answer = os.read(reader, 32)
    finally:
        os.close(reader)
        os.waitpid(between, 0)
    if not answer:
        raise OSError("the process between could not fork")
    return int(answer)


def flush_streams() -> None:
    """Write out what is buffered; done before a fork, so that it is not written twice."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def live(body: Callable[[], int]) -> NoReturn:
    """Run ``body`` as the rest of this forked process, then end as an interpreter would; no unwinding."""
    # Finalizers (of temporary folders, for one) belong to the process that made them.
    weakref.finalize._registry.clear()  # type: ignore[attr-defined]
    code = 1
    try:
        code = body()
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001 - nothing may reach the frames below, which are another process's
        traceback.print_exc()
    leave(code)


def leave(code: int) -> NoReturn:
    """End the process: wait for its threads, run exit handlers, flush, exit; frames below stay untouched."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        flush_streams()
    except BaseException:  # noqa: BLE001 - as in `live`
        traceback.print_exc()
    finally:
        os._exit(code)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when ``parent`` ends; ends at once where it is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def close_descriptors(keep: Iterable[int] = ()) -> None:
    """Close every descriptor but 0, 1, 2 and those in ``keep``."""
    low = 3
    for descriptor in sorted(number for number in keep if number > 2):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))


def redirect_streams(stdout: int, stderr: int) -> None:
    """Point descriptor 0 at nothing, 1 and 2 at the given descriptors."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.close(nothing)


def replace_environment(environment: Mapping[str, str]) -> None:
    """Make ``environment`` the whole environment, for Python and for C."""
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()


def reset_signals() -> None:
    """Give each signal the handler a new interpreter has, and block none."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if number in (signal.SIGKILL, signal.SIGSTOP):
            continue
        handler: signal.Handlers | Callable[..., object] = signal.SIG_DFL
        if number == signal.SIGINT:
            handler = signal.default_int_handler
        elif number in (signal.SIGPIPE, signal.SIGXFSZ):
            handler = signal.SIG_IGN
        if signal.getsignal(number) not in (handler, None):
            signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def renew_seeds() -> None:
    """Give the global generators of ``random`` and numpy new entropy, so that no two forks draw alike."""
    random.seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
