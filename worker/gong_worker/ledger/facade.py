"""The ledger as the rest of the application sees it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Engine

from gong_views import EventKey
from gong_worker.ledger import claims, dead_letters, reads, record
from gong_worker.ledger.values import (
    AlreadyHandled,
    AttemptFacts,
    Busy,
    Claim,
    Claimed,
    DeadLetter,
    EventFacts,
    EventReport,
    FinalCounts,
    LaneDay,
    MessageRef,
    ReconciliationSnapshot,
)


class Ledger:
    """What became of every event and every message.

    Every method is one transaction and may raise LedgerUnavailable; after that it may be called again with
    the same arguments, also when the first call had in fact been committed. Times are timezone-aware
    (ValueError otherwise). The methods that record a result return whether the claim was still ours.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def ping(self) -> None:
        """Raise LedgerUnavailable unless a transaction that writes can be committed right now."""
        reads.ping(self.engine)

    def claim(
        self, key: EventKey, message: MessageRef, facts: EventFacts, *, now: datetime, lease_seconds: float
    ) -> Claimed | AlreadyHandled | Busy:
        """Ask for the right to call Gong for an event.

        Claimed: it is ours for `lease_seconds`; calls that an earlier holder left open are `interrupted`.
        AlreadyHandled: the message has nothing left to do, acknowledge it; a duplicate is counted once per message.
        Busy: another holds the event, or another message's turn is not yet overdue; ask again at `until`.
        A dead event opens again for the replay of its latest letter and for another payload.
        """
        return claims.claim(self.engine, key, message, facts, now=now, lease_seconds=lease_seconds)

    def renew(self, held: Iterable[Claim], *, now: datetime, lease_seconds: float) -> list[Claim]:
        """Prolong leases to `lease_seconds` from now; returns the claims that are lost."""
        return claims.renew(self.engine, held, now=now, lease_seconds=lease_seconds)

    def release_claim(self, claim: Claim, *, now: datetime) -> bool:
        """Give an event back without a call: its own message may claim it again at once."""
        return claims.release_claim(self.engine, claim, now=now)

    def begin_attempt(self, claim: Claim, *, now: datetime) -> int:
        """Note a call before it is made, so that a crash cannot hide it; returns its number.

        Raises ClaimLost when another took the event over, or the lease has run out so that one may at any
        moment: make no call.
        """
        return record.begin_attempt(self.engine, claim, now=now)

    def cancel_attempt(self, claim: Claim, number: int) -> None:
        """Remove the note of a call that was not made after all."""
        record.cancel_attempt(self.engine, claim, number)

    def complete(
        self,
        claim: Claim,
        attempt_number: int,
        attempt: AttemptFacts,
        *,
        now: datetime,
        resolution: str,
        integration_id: int | None,
    ) -> bool:
        """Gong has the event: delivered for good, also when the claim was lost meanwhile.

        `resolution` is 'accepted' or 'already_reported'. When another message delivered first, this one is
        counted as a duplicate.
        """
        return record.complete(
            self.engine,
            claim,
            attempt_number,
            attempt,
            now=now,
            resolution=resolution,
            integration_id=integration_id,
        )

    def dead_letter_event(
        self,
        claim: Claim,
        attempt_number: int | None,
        attempt: AttemptFacts | None,
        *,
        now: datetime,
        reason: str,
        errors: list[str],
        payload: dict[str, Any],
    ) -> bool:
        """The event is dead: `reason` 'rejected', 'exhausted' or 'invalid'.

        Its letter is the only place that keeps the payload. With a lost claim no letter is written: the event
        is another's by now, and this message ends as a duplicate if it is another message's.
        """
        return record.dead_letter_event(
            self.engine,
            claim,
            attempt_number,
            attempt,
            now=now,
            reason=reason,
            errors=errors,
            payload=payload,
        )

    def defer(
        self,
        claim: Claim,
        attempt_number: int | None,
        attempt: AttemptFacts | None,
        *,
        now: datetime,
        next_attempt_at: datetime,
        spent: bool,
    ) -> bool:
        """The event waits for another try; `spent` counts this call against its attempts."""
        return record.defer(
            self.engine, claim, attempt_number, attempt, now=now, next_attempt_at=next_attempt_at, spent=spent
        )

    def dead_letter_message(
        self,
        raw: bytes | str,
        message: MessageRef,
        *,
        reason_text: str,
        now: datetime,
        reason: str = "unreadable",
    ) -> None:
        """Keep a message that holds no event, with its exact body; once, however often it comes.

        `reason` may also be 'invalid', for one that could be read and whose event breaks the contract.
        """
        dead_letters.dead_letter_message(
            self.engine, raw, message, reason_text=reason_text, now=now, reason=reason
        )

    def list_dead_letters(
        self, open_only: bool = True, limit: int = 100, after_id: int = 0
    ) -> list[DeadLetter]:
        """At most `limit` letters with a number above `after_id`, oldest first."""
        return dead_letters.list_dead_letters(
            self.engine, open_only=open_only, limit=limit, after_id=after_id
        )

    def get_dead_letter(self, letter_id: int) -> DeadLetter:
        """One letter. Raises DeadLetterNotFound."""
        return dead_letters.get_dead_letter(self.engine, letter_id)

    def raw_body(self, letter_id: int) -> bytes | None:
        """The exact body of a message that holds no event; None for others, and when it is gone."""
        return dead_letters.raw_body(self.engine, letter_id)

    def open_dead_letter_ids(self) -> list[int]:
        """The numbers of all open letters, oldest first."""
        return dead_letters.open_dead_letter_ids(self.engine)

    def mark_replayed(self, letter_id: int, by: str, now: datetime) -> None:
        """Note who put a letter's event on the queue again. Its payload stays until that is dealt with.

        Raises AlreadyResolved, DeadLetterNotFound.
        """
        dead_letters.mark_replayed(self.engine, letter_id, by=by, now=now)

    def mark_discarded(self, letter_id: int, by: str, now: datetime) -> None:
        """Give a letter up; its payload is gone at once. Raises AlreadyResolved, DeadLetterNotFound."""
        dead_letters.mark_discarded(self.engine, letter_id, by=by, now=now)

    def counts(self) -> dict[str, int]:
        """Events by status (sending, waiting, delivered, dead), `duplicates`, `dead_letters_open`."""
        return reads.counts(self.engine)

    def event(self, event_id: str, reporting_system: str | None = None) -> list[EventReport]:
        """Every event of this id (one for each reporting system), with its calls and dead letters."""
        return reads.event(self.engine, event_id, reporting_system)

    def calls_per_minute(self, since: datetime) -> list[tuple[datetime, int]]:
        """Calls started since, by minute (UTC), oldest first; what never reached Gong is no call.

        A call whose worker died is one: it may have arrived.
        """
        return reads.calls_per_minute(self.engine, since)

    def final_counts(self) -> dict[LaneDay, FinalCounts]:
        """How messages ended, by lane and UTC day of enqueue; every message is counted once at most."""
        return reads.final_counts(self.engine)

    def unsettled(self) -> dict[LaneDay, int]:
        """Events in `sending` or `waiting`, by lane and UTC day of enqueue."""
        return reads.unsettled(self.engine)

    def mirror_enqueue_counts(self, generation: str, counts: Mapping[LaneDay, int]) -> None:
        """Take over the counts of one life of Redis; a count never goes down."""
        reads.mirror_enqueue_counts(self.engine, generation, counts)

    def enqueue_counts(self) -> dict[LaneDay, int]:
        """Messages that went in, by lane and UTC day, over all lives of Redis."""
        return reads.enqueue_counts(self.engine)

    def reconciliation_snapshot(self) -> ReconciliationSnapshot:
        """`final_counts`, `unsettled` and `enqueue_counts` of one and the same instant."""
        return reads.reconciliation_snapshot(self.engine)
