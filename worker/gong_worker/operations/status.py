"""What is going on, why, and until when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis

from gong_views.names import Lane
from gong_worker.domain.holds import GateState, HoldReason
from gong_worker.domain.parts import Part
from gong_worker.gate import GateStatus, GateUnavailable, Probe, Share
from gong_worker.ledger.errors import LedgerUnavailable, SchemaOutdated
from gong_worker.operations.drain import Drain, drain
from gong_worker.operations.services import Services
from gong_worker.operations.workers_gate import gate_of_workers
from gong_worker.queue import inspect
from gong_worker.queue.availability import away, check_writes, place
from gong_worker.queue.inspect import QueueCounts
from gong_worker.queue.part_holds import PartHold, read_part_holds
from gong_worker.queue.workers import Worker, read_workers


@dataclass(frozen=True, slots=True)
class QueueReport:
    """Messages by place; None when Redis does not answer. `error`: why producers are refused."""

    live: int | None = None
    bulk: int | None = None
    delayed: int | None = None
    unacked: int | None = None
    held: int | None = None
    """Set aside for parts that are held."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold that stands. `until` None: until it is released, or until a probe that is out comes back.

    `part`: only the events of this part of the traffic are held; None: every call. `messages`: set aside for it.
    """

    reason: HoldReason
    until: datetime | None
    note: str
    by: str | None
    part: Part | None = None
    messages: int | None = None


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The event that probes a held gate, or probed it last, and what it was answered."""

    reporting_system: str
    event_id: str
    out: bool
    answer: str | None
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class GateReport:
    """Whether calls are made. `reason`, `until` and `note` are of the first of `holds` that is not of a part."""

    state: GateState
    reason: HoldReason | None
    until: datetime | None
    note: str | None
    holds: list[Hold]
    probe: ProbeReport | None


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """One worker by its last heartbeat; one that is not alive was killed, frozen, or is cut off from Redis."""

    id: str
    host: str
    pid: int
    version: str
    concurrency: int
    in_hand: int
    paused: str | None
    since: datetime
    heartbeat_at: datetime
    alive: bool
    ledger: str


@dataclass(frozen=True, slots=True)
class OldestWaiting:
    """Age of the oldest message that waits in each lane; None where none waits."""

    live_seconds: float | None
    bulk_seconds: float | None


@dataclass(frozen=True, slots=True)
class ShareReport:
    """What calls of a lane may use of the limit: whole calls in each window (a second, or longer for a limit below 1).

    calls: at present; most: when no call is refused. grows_at: when it grows next, to `grows_to`; whole_at: when it is
    `most` again, unless a call is refused meanwhile. None at `most`.
    """

    calls: int
    most: int
    grows_at: datetime | None
    grows_to: int | None
    whole_at: datetime | None


@dataclass(frozen=True, slots=True)
class CallsReport:
    """What the gate allows and what of it is used.

    current_rate: calls/s of live events that are let through at present. throttled_at: the latest 429 that told that
    others spend, too.
    """

    per_second_limit: float
    current_rate: float
    reserve_per_second: int
    bulk_reserve_per_second: int
    live: ShareReport
    bulk: ShareReport
    throttled_at: datetime | None
    last_24h: int
    per_day_limit: int
    per_day_cap: int


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """Events by status, None while the ledger is away; then `error` says why."""

    sending: int | None = None
    waiting: int | None = None
    delivered: int | None = None
    dead: int | None = None
    duplicates: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLettersReport:
    """Dead letters that nobody has dealt with. Events whose letter was discarded or whose replay waits stay
    `dead` in the ledger without an open letter."""

    open: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """The whole picture."""

    queue: QueueReport
    gate: GateReport
    calls: CallsReport | None
    workers: list[WorkerReport]
    oldest_waiting: OldestWaiting
    ledger: LedgerReport
    dead_letters: DeadLettersReport
    drain: Drain


@dataclass(frozen=True, slots=True)
class _QueueSide:
    """What Redis tells. `gate` None: its script did not run, `refused` says why; so no call is made either."""

    counts: QueueCounts
    gate: GateStatus | None
    refused: str | None
    producers_refused: str | None
    workers: list[Worker]
    oldest: OldestWaiting
    parts: list[PartHold]
    last_due_at: datetime | None


def status(services: Services) -> Status:
    """The whole picture, also while a part is away: that is when the others are wanted most."""
    ledger, dead_letters = _ledger(services)
    try:
        side = _queue_side(services, ledger_answers=ledger.error is None)
    except redis.RedisError as error:
        why = away(error, place(services.client))
        return Status(
            queue=QueueReport(error=why),
            gate=GateReport(GateState.UNAVAILABLE, None, None, why, [], None),
            calls=None,
            workers=[],
            oldest_waiting=OldestWaiting(None, None),
            ledger=ledger,
            dead_letters=dead_letters,
            drain=Drain(None, None, False, "the queue does not answer"),
        )
    counts, gate = side.counts, side.gate
    return Status(
        queue=QueueReport(
            counts.live, counts.bulk, counts.delayed, counts.unacked, counts.held, side.producers_refused
        ),
        gate=gate_report(gate, side.parts, unavailable=side.refused),
        calls=None if gate is None else _calls(gate),
        workers=[_worker(worker) for worker in side.workers],
        oldest_waiting=side.oldest,
        ledger=ledger,
        dead_letters=dead_letters,
        drain=drain(
            counts.live,
            counts.total
            - counts.live
            - counts.held,  # what is delayed or in hand may be of either lane: the slower pace
            gate if side.refused is None else None,
            workers=side.workers,
            ledger_answers=ledger.error is None,
            last_due_at=side.last_due_at,
            held=counts.held,
        ),
    )


def gate_report(
    gate: GateStatus | None, parts: Sequence[PartHold], *, unavailable: str | None = None
) -> GateReport:
    """Open or held, why, until when, by whom; `unavailable`: why no call can be made whatever the gate says."""
    if gate is None:
        return GateReport(GateState.UNAVAILABLE, None, None, unavailable, [], None)
    probe = None if gate.probe is None else _probe(gate.probe)
    holds = [Hold(hold.reason, hold.until, hold.note, hold.by) for hold in gate.holds if hold.mine]
    holds += [Hold(one.reason, one.until, one.note, one.by, one.part, one.messages) for one in parts]
    if unavailable is not None:
        return GateReport(GateState.UNAVAILABLE, gate.reason, gate.until, unavailable, holds, probe)
    return GateReport(GateState(gate.state), gate.reason, gate.until, gate.note, holds, probe)


def _calls(gate: GateStatus) -> CallsReport:
    limits = {one.name: int(one.value) for one in gate.limits}
    live, bulk = (_share(gate.shares[lane]) for lane in (Lane.LIVE, Lane.BULK))
    return CallsReport(
        gate.per_second_limit, live.calls / gate.window_seconds,
        limits["reserve_per_second"], limits["bulk_reserve_per_second"], live, bulk,
        gate.throttled_at, gate.last_24h, gate.per_day_limit, gate.per_day_cap,
    )  # fmt: skip


def _share(share: Share) -> ShareReport:
    if not share.growth:
        return ShareReport(share.calls, share.most, None, None, None)
    (grows_at, grows_to), (whole_at, _) = share.growth[0], share.growth[-1]
    return ShareReport(share.calls, share.most, grows_at, grows_to, whole_at)


def other_ledgers(workers: Sequence[WorkerReport]) -> str | None:
    """What is wrong when the workers that live name several ledgers; None when they share one."""
    ledgers = sorted({worker.ledger for worker in workers if worker.alive and worker.ledger})
    if len(ledgers) < 2:
        return None
    return f"they name {len(ledgers)} ledgers, so events may be called twice: {', '.join(ledgers)}"


def _probe(probe: Probe) -> ProbeReport:
    reporting_system, _, event_id = probe.event.partition("\x00")
    return ProbeReport(reporting_system, event_id, probe.out, probe.answer, probe.at)


def _worker(worker: Worker) -> WorkerReport:
    return WorkerReport(
        worker.id, worker.host, worker.pid, worker.version, worker.concurrency, worker.in_hand,
        worker.paused, worker.since, worker.heartbeat_at, worker.alive, worker.ledger,
    )  # fmt: skip


def _queue_side(services: Services, *, ledger_answers: bool) -> _QueueSide:
    client = services.client
    counts, writes, workers = inspect.count(client), check_writes(client), read_workers(client)
    gate, refused = None, writes.workers
    try:
        gate = gate_of_workers(services, workers, whole_day=ledger_answers)
    except GateUnavailable as error:
        refused = refused or away(error, place(client))
    except LedgerUnavailable as error:  # the day's calls are unknown, and counted from the ledger
        refused = refused or str(error)
    oldest = inspect.oldest_waiting(client)
    return _QueueSide(
        counts,
        gate,
        refused,
        writes.producers,
        workers,
        OldestWaiting(oldest[Lane.LIVE], oldest[Lane.BULK]),
        read_part_holds(client),
        inspect.last_due_at(client),
    )


def _ledger(services: Services) -> tuple[LedgerReport, DeadLettersReport]:
    try:
        counts: dict[str, Any] = dict(services.lazy_ledger.counts())
    except LedgerUnavailable as error:
        return LedgerReport(error=_why_away(services, error)), DeadLettersReport(None)
    letters = counts.pop("dead_letters_open")
    return LedgerReport(**counts), DeadLettersReport(letters)


def _why_away(services: Services, error: LedgerUnavailable) -> str:
    """Why the ledger does not tell: above all its schema, which may be another release's."""
    from gong_worker.ledger import check_schema

    try:
        check_schema(services.ledger.engine)
    except SchemaOutdated as outdated:
        return str(outdated)
    except LedgerUnavailable:
        pass
    return str(error)
