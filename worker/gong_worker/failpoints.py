"""Failpoints: named steps of a delivery at which a test may stop a worker exactly. Inert unless the variable is set.

`GONG_VIEWS_TEST_STOP_AT=<point>:<folder>` makes the process write `<folder>/<point>.<pid>` and stop itself
(SIGSTOP) the first time it gets there, so that a test can kill it between two known steps.
"""

import os
import signal
from pathlib import Path

POINTS = (
    "received",
    "claimed",
    "slot",
    "attempt_row",
    "request_written",
    "answer_read",
    "committed",
    "before_ack",
    "chained",
)

# Steps of an access token's renewal.
RENEWAL_POINTS = ("renewal_leased", "renewal_answered")

# Once a batch of what is old is pruned.
PRUNE_POINTS = ("pruned",)

_target, _, _folder = os.environ.get("GONG_VIEWS_TEST_STOP_AT", "").partition(":")


def failpoint(point: str) -> None:
    """Called by the pipeline at each step; does nothing in production."""
    if _target and point == _target:
        marker = Path(_folder) / f"{point}.{os.getpid()}"
        if not marker.exists():
            marker.touch()
            # To this very thread: a signal to the process (os.kill) may be taken up by another one, and this
            # one would run on past the point until the stop reaches it.
            signal.raise_signal(signal.SIGSTOP)
