"""Following the calls live."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from redis import RedisError

from gong_worker.ledger import AttemptFilter, AttemptKey, AttemptLine, BadCursor, Ledger
from gong_worker.operations.services import Services
from gong_worker.queue.workers import redis_now

# A call's row is written before the call, under a time taken before that. A writer gives up after less than this
# (SQLite: 10 s for its turn; PostgreSQL: 5 s for a connection and for a lock, 30 s for a statement).
LATE_COMMIT = timedelta(seconds=60)
# The longest visibility timeout: by then the message of a worker that was killed in a call is back, and the call ended.
LONGEST_UNDER_WAY = timedelta(hours=1)
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class AttemptTail:
    """The calls that ended since the poll before, each of them once.

    What was committed late, under an earlier time, is found by looking back for as long as a commit may take, and a
    call that takes longer by remembering that it had begun. `clock`: the one by which the workers write.
    """

    def __init__(
        self, ledger: Ledger, wanted: AttemptFilter, *, since: datetime, clock: Callable[[], datetime]
    ) -> None:
        self._ledger, self._wanted, self._clock = ledger, wanted, clock
        self._since: datetime | None = since
        self._reached = since
        self._told: dict[AttemptKey, AttemptLine] = {}
        self._open: set[AttemptKey] = set()

    def poll(self) -> list[AttemptLine]:
        """What is new, in the order in which the calls ended. Raises LedgerUnavailable; the next poll goes on."""
        now = self._clock()
        look_back = min(now, self._reached) - LATE_COMMIT
        found = self._ledger.attempts_since(look_back, self._wanted, self._open)
        ended = {key: line for key, line in found.items() if line.outcome is not None}
        new = [line for key, line in ended.items() if self._told.get(key) != line]
        if self._since is not None:
            new = [line for line in new if _ended_at(line) >= self._since]
        self._open = found.keys() - ended.keys()
        self._told, self._reached, self._since = ended, now, None
        return sorted((line for line in new if self._meant(line)), key=_ended_at)

    def _meant(self, line: AttemptLine) -> bool:
        return self._wanted.outcome in (None, line.outcome)


def follow(services: Services, wanted: AttemptFilter, *, since: datetime | None = None) -> AttemptTail:
    """The calls that end from now on, or since a time, as the workers' clock, Redis's, has it."""

    def clock() -> datetime:
        return workers_now(services)

    return AttemptTail(services.ledger, wanted, since=since or clock(), clock=clock)


@dataclass(frozen=True, slots=True)
class CallsPage:
    """Calls that have ended, in the order of their beginnings. `next`: pass it as `after`, at once, for those after
    them; None when these are the latest. `next_since`: ask from there later for more.

    `next_since` goes past no call that is under way, for an hour, or that is yet to be written under an earlier time.
    Some of these calls come again then: who asks knows them by event and attempt.
    """

    next_since: datetime
    next: str | None
    calls: list[AttemptLine]


def calls_since(
    services: Services,
    wanted: AttemptFilter,
    since: datetime | None,
    *,
    limit: int,
    after: str | None = None,
) -> CallsPage:
    """The calls begun since a time, by default for a minute, or those past the page before.

    Raises BadCursor, LedgerUnavailable.
    """
    now = workers_now(services)
    if after is None:
        settled = now - LATE_COMMIT
        begin = since or settled
        # Of the first page: what was written late while the others were read comes when it is asked for anew.
        again = max(begin, settled)
    else:
        begin, again = _position(after)
    found = list(services.ledger.attempts_since(begin, wanted, limit=limit + 1).values())
    further = found.pop().started_at if len(found) > limit else None
    under_way = [line.started_at for line in found if line.outcome is None]
    again = min([again, *(one for one in under_way if one > now - LONGEST_UNDER_WAY)])
    ended = [line for line in found if line.outcome is not None and wanted.outcome in (None, line.outcome)]
    if further is None:
        return CallsPage(again, None, ended)
    return CallsPage(min(again, further), _cursor(further, again), ended)


def _cursor(*moments: datetime) -> str:
    return "-".join(str((moment - _EPOCH) // timedelta(microseconds=1)) for moment in moments)


def _position(cursor: str) -> tuple[datetime, datetime]:
    found = re.fullmatch(r"([0-9]{1,16})-([0-9]{1,16})", cursor)
    if found is None:
        raise BadCursor
    begin, again = (_EPOCH + timedelta(microseconds=int(number)) for number in found.groups())
    return begin, again


def workers_now(services: Services) -> datetime:
    """The workers' clock, Redis's; this machine's while Redis is away."""
    try:
        return redis_now(services.client)
    except RedisError:
        return datetime.now(UTC)


def _ended_at(line: AttemptLine) -> datetime:
    return line.started_at + timedelta(milliseconds=line.duration_ms or 0)
