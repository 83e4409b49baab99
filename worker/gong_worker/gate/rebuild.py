"""The gate's day and the ledger's: counted from it after a wipe, and compared with it from time to time."""

import logging
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from gong_worker.gate.scripts import Scripts

logger = logging.getLogger("gong_worker.gate")

# Calls per minute since a moment: (start of the minute, calls made in it).
History = Callable[[datetime], Iterable[tuple[datetime, int]]]
# The same without attempts that have no outcome and were begun after the second moment: they may wait for their slot.
Recorded = Callable[[datetime, datetime], Iterable[tuple[datetime, int]]]
_DAY = timedelta(hours=24, minutes=6)
# An attempt's row is written at most a second or two before its call is counted; older open ones are calls.
_OPEN = timedelta(seconds=60)


def calls_since(history: History, redis_us: int) -> list[tuple[int, int]]:
    """The ledger's minutes of the last rolling day, in Redis's microseconds. Raises what `history` raises."""
    since = datetime.fromtimestamp(redis_us / 1e6, UTC) - _DAY
    return [(int(minute.timestamp()) * 1_000_000, calls) for minute, calls in history(since) if calls > 0]


def rebuild(
    scripts: Scripts, history: History, restore_limits: Callable[[], None], token: str, redis_us: int
) -> float:
    """Start a new generation. Returns 0, or the seconds to wait when someone else is at it.

    The limits come first: without the day no slot is given, so none is given under other limits.

    Raises whatever the two raise (the ledger is away): the gate stays shut and the next asker tries again.
    """
    try:
        restore_limits()
        minutes = calls_since(history, redis_us)
    except Exception:
        scripts.run("rebuild_day", token=token)
        raise
    recent = any(minute > redis_us - 120_000_000 for minute, _ in minutes)
    reply = scripts.run("rebuild_day", token=token, gen=uuid.uuid4().hex, recent=recent, minutes=minutes)
    if reply[0] == "later":
        return int(reply[2]) / 1e6
    logger.info(
        "gate: counted %d calls of the last day from the ledger",
        sum(calls for _, calls in minutes),
        extra={"action": "gate_rebuilt"},
    )
    return 0.0


def compare(scripts: Scripts, recorded: Recorded, redis_us: int) -> None:
    """Raise the gate's day to the ledger's where that has more. Raises what `recorded` raises."""
    open_until = datetime.fromtimestamp(redis_us / 1e6, UTC) - _OPEN
    minutes = calls_since(lambda since: recorded(since, open_until), redis_us)
    reply = scripts.run("compare_day", minutes=minutes)
    raised = int(reply[2]) if reply[0] == "compared" else 0
    if raised > 0:
        logger.warning(
            "gate: the day's count lacked %d calls that the ledger has; it has been raised",
            raised,
            extra={"action": "gate_day_raised", "count": raised},
        )
