"""Moves committed rows of the outbox to the queue. Run by `gong-views relay`, or by a backend itself:

    threading.Thread(target=Relay(engine, ViewQueue(source="shop")).run, args=(stop,)).start()

First the queue, then the mark: a crash in between repeats the batch, and the event key makes the repeat
harmless. The other order would lose it.
"""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.engine import Connection, Engine

from gong_views.errors import QueueUnavailable
from gong_views.event import ViewEvent
from gong_views.names import Lane
from gong_views.outbox import rows
from gong_views.outbox.errors import OutboxError, OutboxUnavailable, translated
from gong_views.outbox.relay_lock import RelayLock
from gong_views.outbox.rows import Mark, Row
from gong_views.queue import ViewQueue

log = logging.getLogger(__name__)

PRUNE_EVERY_SECONDS: Final = 3600.0
FIRST_WAIT_SECONDS: Final = 0.25
LONGEST_WAIT_SECONDS: Final = 5.0
STANDBY_SECONDS: Final = 0.1
#: Another relay that keeps the lock for longer than this is told of: it hangs, or is frozen.
LONG_STANDBY_SECONDS: Final = 30.0
_PRUNE_ROWS: Final = 1000  # a transaction: short enough that the backend's writers do not notice


@dataclass(slots=True)
class Totals:
    """What a relay has done since it was made, in rows."""

    relayed: int = 0
    invalid: int = 0
    """Rows that are no valid event: marked with `error` and passed over."""
    repeated: int = 0
    """Rows enqueued again by `repeat`."""
    pruned: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One turn of the relay: how many rows it took, or that another relay had the turn (SQLite)."""

    taken: int
    standby: bool = False


class OutageBackoff:
    """Backoff while a server is away: told once, longer each time, ended at once by the stop event."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._wait = FIRST_WAIT_SECONDS
        self._began_at: float | None = None  # time.monotonic()

    def wait(self, error: Exception) -> None:
        """Say why, unless this outage was told already, and wait before the next try."""
        if self._began_at is None:
            self._began_at = time.monotonic()
            who = "queue" if isinstance(error, QueueUnavailable) else "database"
            log.warning("%s; the rows wait", error, extra={"action": f"outbox.{who}_unavailable"})
        self._stop.wait(self._wait)
        self._wait = min(self._wait * 2, LONGEST_WAIT_SECONDS)

    def over(self) -> None:
        """It works: say so if it did not before."""
        if self._began_at is None:
            return
        seconds = round(time.monotonic() - self._began_at, 1)
        log.warning("relaying again", extra={"action": "outbox.resumed", "after_seconds": seconds})
        self._began_at, self._wait = None, FIRST_WAIT_SECONDS


class Relay:
    """Moves rows from one database to one queue; for one thread. Several relays may run at once.

    `queue` should raise when Redis is away (the default): the outbox itself is the better spool.
    `batch` is rows in one round trip; `poll_seconds` the pause after finding nothing more to do;
    `keep_days` how long relayed rows are kept for `repeat` (None: for ever).
    """

    def __init__(
        self,
        engine: Engine,
        queue: ViewQueue,
        *,
        batch: int = 200,
        poll_seconds: float = 0.5,
        keep_days: float | None = 7.0,
    ) -> None:
        if batch < 1 or poll_seconds <= 0 or (keep_days is not None and keep_days < 0):
            raise OutboxError("batch is at least 1, poll_seconds above 0 and keep_days 0 or more")
        self.totals = Totals()
        self._engine, self._queue = engine, queue
        self._batch, self._poll, self._keep_days = batch, poll_seconds, keep_days
        self._lock = RelayLock(engine)
        # Rows that are on the queue but could not be marked: marked first next time, instead of sent again.
        self._unmarked: list[Mark] = []
        self._prune_at = time.monotonic()
        self._told_holder: int | None = None

    def run(self, stop: threading.Event) -> None:
        """Relay until `stop` is set, waiting out a Redis or a database that is away.

        Returns after the batch in hand, within the queue's timeout at worst. Raises OutboxMissing.
        """
        outage = OutageBackoff(stop)
        while not stop.is_set():
            try:
                step = self.step()
            except (QueueUnavailable, OutboxUnavailable) as error:
                outage.wait(error)
                continue
            outage.over()
            if step.standby:
                self._tell_standby()
            self._prune_when_due(stop)
            if step.taken < self._batch:
                stop.wait(self._poll)

    def drain(self, stop: threading.Event) -> None:
        """Relay until no row waits or `stop` is set.

        Raises QueueUnavailable, OutboxUnavailable, OutboxMissing; what was relayed until then is in `totals`.
        """
        while not stop.is_set():
            step = self.step()
            if step.standby:
                self._tell_standby()
                stop.wait(STANDBY_SECONDS)
            elif step.taken < self._batch:
                break
        self._prune_when_due(stop)

    def step(self) -> Step:
        """Relay one batch, oldest rows first. Raises as `drain`."""
        with self._lock.taken() as ours, translated(self._engine):
            if not ours:
                return Step(0, standby=True)
            self._told_holder = None
            with rows.connect(self._engine) as connection:
                if self._unmarked:
                    self._mark(connection)
                batch = rows.take(connection, self._batch)
                if not batch:
                    return Step(0)
                if self._engine.dialect.name == "sqlite":
                    connection.commit()  # no lock on the backend's database while we talk to Redis
                self._unmarked, down = self._send(batch)
                self._mark(connection)
        if down is not None:
            raise down
        return Step(len(batch))

    def repeat(self, since: datetime, stop: threading.Event) -> int:
        """Enqueue again every row created since then, relayed or not: after a Redis that lost its data.

        Nothing is marked, so it may be done again, and beside running relays. Returns how many.
        Raises as `drain`; `totals.repeated` then has the number until then.
        """
        if since.tzinfo is None:
            raise ValueError("since needs an offset")
        with translated(self._engine), rows.connect(self._engine) as connection:
            last, after = rows.newest_id(connection), 0
        while not stop.is_set():
            with translated(self._engine), rows.connect(self._engine) as connection:
                page = rows.created_since(connection, since, after=after, up_to=last, limit=self._batch)
            marks, down = self._send(page)
            self.totals.repeated += sum(mark.error is None for mark in marks)
            self.totals.invalid += sum(mark.error is not None for mark in marks)
            if down is not None:
                raise down
            if len(page) < self._batch:
                break
            after = page[-1].id
        log.info("rows enqueued again", extra={"action": "outbox.repeated", "rows": self.totals.repeated})
        return self.totals.repeated

    def prune(self, stop: threading.Event) -> int:
        """Delete the rows relayed more than `keep_days` ago; returns how many. Raises as `drain`."""
        if self._keep_days is None:
            return 0
        before, pruned = datetime.now(UTC) - timedelta(days=self._keep_days), 0
        while not stop.is_set():
            with translated(self._engine), rows.connect(self._engine) as connection:
                number = rows.prune(connection, before, _PRUNE_ROWS)
                connection.commit()
            pruned += number
            self.totals.pruned += number
            if number < _PRUNE_ROWS:
                break
        if pruned:
            log.info("old rows deleted", extra={"action": "outbox.pruned", "rows": pruned})
        return pruned

    def _tell_standby(self) -> None:
        """Say once for each holder that it keeps the lock for long, and which process it is."""
        holder = self._lock.holder()
        if holder is None or holder.held_seconds < LONG_STANDBY_SECONDS or holder.pid == self._told_holder:
            return
        self._told_holder = holder.pid
        log.warning(
            "another relay, pid %d, has kept the lock for %.0f s: is it frozen? Rows wait until it goes on or ends",
            holder.pid,
            holder.held_seconds,
            extra={"action": "outbox.standby", "holder_pid": holder.pid},
        )

    def _prune_when_due(self, stop: threading.Event) -> None:
        if time.monotonic() < self._prune_at:
            return
        self._prune_at = time.monotonic() + PRUNE_EVERY_SECONDS
        try:
            self.prune(stop)
        except OutboxUnavailable as error:  # a user without DELETE must not stop the relay
            log.warning("old rows not deleted: %s", error, extra={"action": "outbox.prune_failed"})

    def _send(self, batch: Sequence[Row]) -> tuple[list[Mark], QueueUnavailable | None]:
        """Put the rows on the queue, one round trip a lane; what became of each, and what ended it."""
        marks: list[Mark] = []
        lanes: dict[Lane, list[tuple[int, ViewEvent]]] = {lane: [] for lane in Lane}
        for row in batch:
            event = rows.read(row)
            if isinstance(event, str):
                marks.append(Mark(row.id, None, event))
                log.warning("row is no valid event", extra={"action": "outbox.invalid", "row": row.id})
            else:
                lanes[Lane(row.lane)].append((row.id, event))
        for lane, events in lanes.items():
            try:
                result = self._queue.enqueue_many(
                    [event for _, event in events], lane, batch_size=max(1, len(events))
                )
            except QueueUnavailable as error:
                return marks, error
            marks += [Mark(events[i][0], receipt.message_id or None, None) for i, receipt in result.accepted]
        return marks, None

    def _mark(self, connection: Connection) -> None:
        rows.mark(connection, self._unmarked)
        connection.commit()
        marks, self._unmarked = self._unmarked, []
        relayed = sum(mark.error is None for mark in marks)
        self.totals.relayed += relayed
        self.totals.invalid += len(marks) - relayed
        if relayed:
            log.info("rows relayed", extra={"action": "outbox.relayed", "rows": relayed})
