"""Replaying dead letters, as they are or edited; and taking replays back while they wait."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gong_views import EventKey, InvalidViewEvent, ViewEvent
from gong_views.commands import Item, to_item
from gong_views.names import Lane
from gong_worker.domain.audit import AuditAction
from gong_worker.domain.edits import Edit, EditError, difference, edited
from gong_worker.ledger import DeadLetter, DeadLetterFilter, MessageRef
from gong_worker.operations.cost import Cost, cost
from gong_worker.operations.dead_letters import (
    Bulk,
    BulkResult,
    Result,
    event_of,
    pages,
    recorded,
    resolved_before,
)
from gong_worker.operations.services import Services
from gong_worker.queue.browse import QueuedMessage, browse_lane, remove_from_lane
from gong_worker.queue.enqueue import enqueue_items

EXAMPLES = 10
# A replay takes the place of the producer's own enqueue.
SOURCE = None

Replacement = Callable[[DeadLetter], Any]
"""The event to send in place of a letter's own; raises EditError."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would do: letters that can be replayed, what cannot, what an edit changes, and the cost."""

    letters: int
    cost: Cost
    edited: int = 0
    invalid: list[Result] = field(default_factory=list)
    examples: list[Result] = field(default_factory=list)


def edit_of(edit: Edit) -> Replacement:
    """The same edit for every letter."""
    return lambda letter: edited(event_of(letter), edit)


def payloads_of(payloads: dict[int, Any]) -> Replacement:
    """A payload for each letter by its number, such as an edited export."""
    return lambda letter: payloads[letter.id] if letter.id in payloads else event_of(letter)


def plan(
    services: Services,
    wanted: DeadLetterFilter,
    *,
    lane: Lane,
    replacement: Replacement | None = None,
    each: bool = False,
) -> Plan:
    """Count, and with a replacement, or for `each`, validate every letter; nothing is enqueued.

    Raises what `cost` raises.
    """
    letters, events, _ = services.ledger.count_dead_letters(wanted)
    if replacement is None and not each:
        return Plan(letters, cost(services, events, lane))
    found = BulkResult()
    changed, good = [], 0
    for page in pages(services.ledger, wanted, Bulk(by=""), found):
        for letter in page:
            result, item = _prepared(letter, replacement)
            if item is None:
                found.add(result)
            else:
                good += 1
                changed += [result] if result.changes else []
    invalid = [result for result in found.results if result.error is not None]
    return Plan(good, cost(services, min(good, events), lane), len(changed), invalid, changed[:EXAMPLES])


def replay(
    services: Services,
    wanted: DeadLetterFilter,
    bulk: Bulk,
    *,
    lane: Lane = Lane.BULK,
    replacement: Replacement | None = None,
    details: dict[str, Any] | None = None,
) -> BulkResult:
    """Enqueue the letters again page by page, then mark them. `details` is for the audit.

    In this order a crash in between enqueues a page twice at worst, which the event key makes harmless. One that
    cannot be replayed says so in its result and stops none of the others. Raises RedisError, LedgerUnavailable;
    what was done until then stays, and the same call goes on from there.
    """
    result = BulkResult()
    action = AuditAction.REPLAY if replacement is None else AuditAction.EDIT
    with recorded(services.ledger, action, wanted, bulk, result, details=details):
        for page in pages(services.ledger, wanted, bulk, result):
            prepared = [_prepared(letter, replacement) for letter in page]
            ready = [(done, item) for done, item in prepared if item is not None]
            receipts = enqueue_items(services.client, lane, [item for _, item in ready])
            # Somebody else may have replayed one at the same moment: the event key lets one of the two count.
            services.ledger.mark_replayed([done.id for done, _ in ready], bulk.by, datetime.now(UTC))
            for done, item in prepared:
                if item is None:
                    result.add(done)
            for (done, _), receipt in zip(ready, receipts, strict=True):
                sent = Result(done.id, "replayed", receipt.event_id, receipt.message_id, changes=done.changes)
                result.add(sent, done=True)
    return result


def _prepared(letter: DeadLetter, replacement: Replacement | None) -> tuple[Result, Item | None]:
    """The item to enqueue, or why there is none."""
    if letter.resolution is not None:
        return resolved_before(letter), None
    before = event_of(letter)
    try:
        after = before if replacement is None else replacement(letter)
        event = ViewEvent.parse(after)
    except EditError as error:
        return _failed(letter, str(error)), None
    except InvalidViewEvent as error:
        return _failed(letter, f"not a valid event, edit it: {error}"), None
    if letter.event_id is not None and event.key != (letter.reporting_system, letter.event_id):
        return _failed(letter, "the payload's reportingSystem or eventId is another than the letter's"), None
    changes = [] if replacement is None else difference(before, after)
    result = Result(letter.id, "ready", event.event_id, changes=changes)
    return result, to_item(event, source=SOURCE, replay_of=letter.id)


def _failed(letter: DeadLetter, error: str) -> Result:
    return Result(letter.id, "failed", letter.event_id, error=error)


@dataclass(frozen=True, slots=True)
class WaitingReplay:
    """A replay that no worker has taken up. `ahead`: messages that go before it in its lane."""

    letter_id: int
    reporting_system: str | None
    event_id: str | None
    lane: Lane
    message_id: str
    enqueued_at: datetime | None
    ahead: int | None


def waiting_replays(services: Services) -> list[WaitingReplay]:
    """The replays in the lanes, next ones first; reads every waiting message. Raises RedisError."""
    return [_waiting(message) for message in _replay_messages(services, None)]


def cancel_replays(services: Services, letter_ids: Iterable[int] | None, bulk: Bulk) -> BulkResult:
    """Take replays off the queue and open their letters again; None: all that wait.

    One that a worker has taken up meanwhile is beyond recall, and said to be. Raises RedisError,
    LedgerUnavailable.
    """
    ids = None if letter_ids is None else frozenset(letter_ids)
    result = BulkResult()
    wanted = DeadLetterFilter(ids=None if ids is None else tuple(sorted(ids)))
    with recorded(services.ledger, AuditAction.CANCEL_REPLAY, wanted, bulk, result):
        for message in _replay_messages(services, ids):
            if bulk.stop.is_set():
                result.interrupted = True
                break
            one = _cancelled(services, message)
            result.add(one, done=one.error is None)
            bulk.progress(len(result.results))
        for missing in sorted((ids or frozenset()) - {one.id for one in result.results}):
            error = f"no replay of dead letter {missing} waits in the queue"
            result.add(Result(missing, "failed", error=error))
    return result


def _cancelled(services: Services, message: QueuedMessage) -> Result:
    envelope = message.envelope
    assert envelope is not None and envelope.replay_of is not None, "it was found as a replay"
    now = datetime.now(UTC)
    try:
        key = ViewEvent.parse(envelope.event).key
    except InvalidViewEvent:
        return Result(envelope.replay_of, "failed", error="its message holds no valid event")
    reference = MessageRef(
        envelope.message_id, message.lane, envelope.enqueued_at or now, envelope.replay_of, envelope.source
    )
    if not services.ledger.cancel_replay(envelope.replay_of, key, reference, now=now):
        return Result(
            envelope.replay_of, "failed", key.event_id, envelope.message_id,
            error="too late: a worker has taken its event up, or it is a letter without an event of its own",
        )  # fmt: skip
    remove_from_lane(services.client, message)
    return Result(envelope.replay_of, "cancelled", key.event_id, envelope.message_id)


def _replay_messages(services: Services, ids: frozenset[int] | None) -> list[QueuedMessage]:
    return [
        message
        for lane in Lane
        for message in browse_lane(services.client, lane)
        if message.envelope is not None
        and message.envelope.replay_of is not None
        and (ids is None or message.envelope.replay_of in ids)
    ]


def _waiting(message: QueuedMessage) -> WaitingReplay:
    envelope = message.envelope
    assert envelope is not None and envelope.replay_of is not None, "it was found as a replay"
    key = _key(envelope.event)
    return WaitingReplay(
        envelope.replay_of, key and key.reporting_system, key and key.event_id, message.lane,
        envelope.message_id, envelope.enqueued_at, message.ahead,
    )  # fmt: skip


def _key(event: dict[str, Any]) -> EventKey | None:
    system, event_id = event.get("reportingSystem"), event.get("eventId")
    return EventKey(system, event_id) if isinstance(system, str) and isinstance(event_id, str) else None
