"""Following the calls live."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from redis import RedisError

from gong_worker.ledger import AttemptFilter, AttemptKey, AttemptLine, Ledger
from gong_worker.operations.services import Services
from gong_worker.queue.workers import redis_now

# A call's row is written before the call, under a time taken before that. A writer gives up after less than this
# (SQLite: 10 s for its turn; PostgreSQL: 5 s for a connection and for a lock, 30 s for a statement).
LATE_COMMIT = timedelta(seconds=60)


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
    """Calls that have ended, in the order of their beginnings. `next_since`: ask from there for more.

    Also after a full page it goes past no call that is under way, or that is yet to be written under an earlier time:
    with more calls than `limit` since LATE_COMMIT, the latest come once the ones before are old enough. Some of these
    calls come again then: who asks knows them by event and attempt.
    """

    next_since: datetime
    calls: list[AttemptLine]


def calls_since(
    services: Services, wanted: AttemptFilter, since: datetime | None, *, limit: int
) -> CallsPage:
    """The calls begun since a time, by default for a minute. Raises LedgerUnavailable."""
    settled = workers_now(services) - LATE_COMMIT
    begin = since or settled
    found = list(services.ledger.attempts_since(begin, wanted, limit=limit + 1).values())
    after = max(begin, settled)
    if len(found) > limit:
        after = min(after, found.pop().started_at)
    ended = [line for line in found if line.outcome is not None and wanted.outcome in (None, line.outcome)]
    return CallsPage(after, ended)


def workers_now(services: Services) -> datetime:
    """The workers' clock, Redis's; this machine's while Redis is away."""
    try:
        return redis_now(services.client)
    except RedisError:
        return datetime.now(UTC)


def _ended_at(line: AttemptLine) -> datetime:
    return line.started_at + timedelta(milliseconds=line.duration_ms or 0)
