"""The contract between the queue and the places that run what is submitted.

A run is carried attempt by attempt. One *program* carries an attempt: a process of its own on the service's
machine, started with ``python -m MODULE RUN_FOLDER ATTEMPT``. On this machine (``local``, instances, the
nodes of clusters) it is the runner, which runs the job as its own child. For any other place it is a
*courier*: it has the job run there by the same runner, and brings back what comes of it. The queue sees no
difference. An *engine* is what the service asks of a kind of compute: whether there is room for a run, what
the attempt needs to know of its place, and which program carries it. `jupyter_aml.testing.engines` is this
contract as tests.

What a program promises

1. It takes the lock of the run's folder first, and holds it for its life: the lock is how everybody knows
   that the attempt is alive, never a process's number or the time. Without the lock, or when ``attempt`` in
   the folder is not its number, it ends and has done nothing. So a second start is harmless, during the
   first and after it, and one that comes late finds itself fenced off by the attempt that followed.
2. ``N/spec.json`` is all it is told. It needs no service to carry the attempt to its end, and the
   death of the service changes nothing.
3. What was submitted is what runs: every file of the snapshot is checked against its digest.
4. What the job prints is in ``logs/user_logs/std_log.txt`` and what it says in ``journal/`` within a second,
   while it runs. Both only grow. Records of a journal are taken in by their numbers, so that bringing them
   twice is harmless.
5. A file ``cancel`` in the run's folder is a wish: the job is interrupted, then asked to end, then killed,
   with `limits.CANCEL_GRACE_SECONDS` and `limits.TERMINATE_GRACE_SECONDS` between. So is its time-out. A
   place that can take room back does the same at a file ``preempt``, beginning with SIGTERM.
6. When the attempt has ended, nothing that the job started is left, whatever session it went to.
7. What lies in ``outputs/`` and ``logs/`` of the work folder is kept with its digests, of a failed, canceled
   or lost attempt too.
8. ``N/result.json`` is written last, whole or not at all: ``status`` (Completed, Failed, Canceled),
   ``ended_at`` in milliseconds and ``error``: None, or its ``class``, ``message`` and ``reason``. Reasons are
   ``user_error``, ``oom``, ``canceled``, ``timeout``, ``preempted``, ``env_build``, ``start_failed``,
   ``runner_lost``, ``runner_failed``. What a scheduler or a connection says counts only where there is none.

What the queue does with an attempt whose lock is free

* There is a result: that is how it ended. ``preempted`` queues the run again; so does a failure while the
  job has retries left. The next attempt has the next number, a log of its own, and none of the old one's.
* There is none, and the runner carried it: nobody runs it any more. What is left of it is killed, what it
  left is kept, and it is Failed with ``runner_lost``; or queued again where it had not begun.
* There is none, and a courier carried it: what runs elsewhere may go on. The courier is started again for
  the same attempt, finds what the first began, and begins nothing twice. A place that cannot be reached is
  *unknown*, which is waited for and never becomes a failure.

Together: at least once, never two at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import sqlalchemy as sa


class Program(Protocol):
    """The entry of a module that carries attempts."""

    def __call__(self, arguments: list[str]) -> int:
        """Carry one: ``[RUN_FOLDER, ATTEMPT]``. 0 when it has ended, or is somebody else's."""


class Engine(Protocol):
    """What the service asks of a kind of compute. Whatever a method begins it finds again after a crash."""

    @property
    def courier(self) -> str | None:
        """The module that carries an attempt to another machine; None where the runner itself carries it."""

    def step(self, now: int) -> bool:
        """Bring its computes nearer to what is wished for; whether something is still on its way.

        May be called at any time, twice, from any start. ``now`` is in milliseconds. What goes wrong with one
        compute is raised after the others.
        """

    def has_slot(self, connection: sa.Connection, compute: sa.Row[Any], run: sa.Row[Any]) -> bool:
        """Whether the compute could take the queued run now. Asked before a write is tried; it may change."""

    def claim(
        self, connection: sa.Connection, compute: sa.Row[Any], run: sa.Row[Any]
    ) -> Sequence[dict[str, Any]] | None:
        """Take what the run needs of the compute, in the caller's transaction; None where it is gone by now.

        The answer is the slices of this machine that the attempt is held to; none for another machine.
        """
