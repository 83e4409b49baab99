"""Claiming an event: who may call Gong for it, and for how long.

`decide` is the whole of the decision and touches no database. `claim` runs it on the locked row, so of two
workers that ask at the same instant one waits for the other's commit and then sees its claim.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gong_views import EventKey
from gong_worker.domain.states import DeadLetterResolution, Move, Status, status_after
from gong_worker.ledger import attempt_rows, rows, steps
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.columns import utc
from gong_worker.ledger.errors import LedgerRefused
from gong_worker.ledger.models import DELIVERIES
from gong_worker.ledger.rows import DeadLetterFacts, DeliveryState
from gong_worker.ledger.transactions import writing
from gong_worker.ledger.values import AlreadyHandled, Busy, Claim, Claimed, EventFacts, MessageRef

PRUNED_MEANWHILE: Final = 2
_RENEW: Final = (
    sa.update(DELIVERIES)
    .where(rows.is_event(DELIVERIES), DELIVERIES.c.claim_token == bindparam("token"))
    .values(lease_expires_at=bindparam("until"), updated_at=bindparam("now"))
)


class Take(Enum):
    """What a message does with an event that the ledger knows already."""

    CLAIM = "claim"  # its own message goes on where it was left
    TAKE_OVER = "take over"  # another message goes on, or the claim's lease has run out
    REOPEN = "reopen"  # start anew after its death
    END = "end"  # nothing left to do for this message
    DUPLICATE = "duplicate"  # nothing left to do, and to be counted


_MOVES: Final = {Take.CLAIM: Move.CLAIMED, Take.TAKE_OVER: Move.TAKEN_OVER, Take.REOPEN: Move.REOPENED}


def decide(
    state: DeliveryState,
    message: MessageRef,
    facts: EventFacts,
    *,
    letters: list[DeadLetterFacts],
    now: datetime,
    lease_seconds: float,
) -> Take | Busy:
    """What `message`, which has no recorded end yet, may do with its event; `letters` are those of a dead one."""
    same = rows.same_message(state, message)
    match state.status:
        case Status.DELIVERED:
            return Take.END if same else Take.DUPLICATE
        case Status.DEAD:
            if same:
                return Take.END
            if _is_of_erased(message, letters):
                return Take.DUPLICATE
            corrected = state.payload_sha256 not in (facts.payload_sha256, facts.unkeyed_sha256)
            reopened = corrected or _is_first_replay(message, letters) or not _is_held(state, letters)
            return Take.REOPEN if reopened else Take.DUPLICATE
        case Status.WAITING:
            if same:
                return Take.CLAIM
            # Its own message comes when it is due. Only when that one is overdue is it taken for lost.
            until = (state.next_attempt_at or state.updated_at) + timedelta(seconds=lease_seconds)
            return Take.TAKE_OVER if until <= now else Busy(until)
        case Status.SENDING:
            until = _lease_end(state, now)
            return Take.TAKE_OVER if until <= now else Busy(until)


def _is_first_replay(message: MessageRef, letters: list[DeadLetterFacts]) -> bool:
    """Whether it replays a letter of the event of which no replay has died yet."""
    replay_of = message.replay_of
    return any(letter.id == replay_of for letter in letters) and not any(
        letter.replay_of == replay_of for letter in letters
    )


def _is_of_erased(message: MessageRef, letters: list[DeadLetterFacts]) -> bool:
    """Whether it replays a letter from which a person was erased: the replay had begun before."""
    return any(letter.id == message.replay_of and letter.erased_at is not None for letter in letters)


def _is_held(state: DeliveryState, letters: list[DeadLetterFacts]) -> bool:
    """Whether the letter of the event's last death holds it; a discarded one has let it go, unless it was erased."""
    return any(
        letter.message_id == state.message_id
        and (letter.resolution is not DeadLetterResolution.DISCARDED or letter.erased_at is not None)
        for letter in letters
    )


def _close_dead_letters_of_delivered(
    connection: sa.Connection, key: EventKey, state: DeliveryState, message: MessageRef, now: datetime
) -> None:
    """The replay of a letter whose event was delivered meanwhile has nothing left to do either."""
    if state.status is Status.DELIVERED:
        rows.close_dead_letters_of_delivered(connection, key, message, now)


def _lease_end(state: DeliveryState, now: datetime) -> datetime:
    """When the claim's lease runs out; counted from now when the clock was set back since it was given."""
    assert state.lease_expires_at is not None, "an event in `sending` has a lease"
    return state.lease_expires_at - max(timedelta(0), state.updated_at - now)


class Claiming(LedgerPart):
    """Claims and their leases."""

    def claim(
        self, key: EventKey, message: MessageRef, facts: EventFacts, *, now: datetime, lease_seconds: float
    ) -> Claimed | AlreadyHandled | Busy:
        """Ask for the right to call Gong for an event.

        Claimed: it is ours for `lease_seconds`; calls that an earlier holder left open are `interrupted`.
        AlreadyHandled: the message has nothing left to do, acknowledge it; a duplicate is counted once per message.
        Busy: another holds the event, or another message's turn is not yet overdue; ask again at `until`.
        A dead event opens again for the replay of any of its letters, for another payload, and for any message
        once an operator discarded the letter of its last death; but not when a person was erased from that.
        """
        for _ in range(PRUNED_MEANWHILE):
            try:
                return self._claim(key, message, facts, now=now, lease_seconds=lease_seconds)
            except (sa.exc.NoResultFound, LedgerRefused):
                pass  # its row was there and was pruned before it could be locked: it is a new event now
        return self._claim(key, message, facts, now=now, lease_seconds=lease_seconds)

    def _claim(
        self, key: EventKey, message: MessageRef, facts: EventFacts, *, now: datetime, lease_seconds: float
    ) -> Claimed | AlreadyHandled | Busy:
        now = utc(now)
        claim = Claim(key, uuid.uuid4().hex, message, facts, 0, now)
        lease = {
            "claim_token": claim.token,
            "lease_expires_at": now + timedelta(seconds=lease_seconds),
            "next_attempt_at": None,
            "settled_at": None,
            "updated_at": now,
            **rows.brought_by(message, facts),
        }
        new = {
            "event_id": key.event_id,
            "reporting_system": key.reporting_system,
            "status": status_after(None, Move.CLAIMED),
            "attempt_count": 0,
            "duplicate_count": 0,
            "first_seen_at": now,
        }
        if self.steps.run(steps.CLAIM, new | lease):
            return Claimed(claim)
        again = {**rows.delivered_by(key, message, now), **rows.brought_by(message, facts), "more": 1}
        if self.steps.run(steps.DUPLICATE, again):
            return AlreadyHandled(Status.DELIVERED, duplicate=True)
        with writing(self.engine) as connection:
            state = rows.lock(connection, key)
            if state.claim_token == claim.token:
                return Claimed(claim)  # written when the connection broke, which is why it was asked again
            duplicate_before = rows.is_duplicate(connection, key, message)
            if duplicate_before or rows.has_dead_letter(connection, key, message):
                # Seen to its end before; this is its redelivery, whatever the event has come to meanwhile.
                _close_dead_letters_of_delivered(connection, key, state, message, now)
                return AlreadyHandled(state.status, duplicate=duplicate_before)
            dead = state.status is Status.DEAD
            letters = rows.dead_letters_of(connection, key) if dead else []
            decision = decide(state, message, facts, letters=letters, now=now, lease_seconds=lease_seconds)
            match decision:
                case Busy():
                    if state.status is Status.SENDING and state.updated_at > now:
                        # Written down, or each look would count it from its own now and never see its end.
                        shortened = {"token": state.claim_token, "until": decision.until, "now": now}
                        connection.execute(_RENEW, {**rows.of(key), **shortened})
                    return decision
                case Take.END:
                    return AlreadyHandled(state.status, duplicate=False)
                case Take.DUPLICATE:
                    rows.add_duplicate(connection, key, message, now)
                    _close_dead_letters_of_delivered(connection, key, state, message, now)
                    return AlreadyHandled(state.status, duplicate=True)
                case Take.CLAIM | Take.TAKE_OVER | Take.REOPEN:
                    spent = 0 if decision is Take.REOPEN else state.attempt_count
                    connection.execute(attempt_rows.INTERRUPT, rows.of(key))
                    changes = {**lease, "attempt_count": spent}
                    rows.update_delivery(connection, key, state, changes, move=_MOVES[decision])
                    return Claimed(Claim(key, claim.token, message, facts, spent, state.first_seen_at))

    def renew(self, held: Iterable[Claim], *, now: datetime, lease_seconds: float) -> list[Claim]:
        """Prolong leases to `lease_seconds` from now; returns the claims that are lost."""
        until = utc(now) + timedelta(seconds=lease_seconds)
        # One order everywhere, so that no two wait in a ring.
        ordered = sorted(held, key=lambda claim: claim.key)
        if not ordered:
            return []
        lost = []
        with writing(self.engine) as connection:
            for claim in ordered:
                parameters = {**rows.of(claim.key), "token": claim.token, "until": until, "now": now}
                if connection.execute(_RENEW, parameters).rowcount == 0:
                    lost.append(claim)
        return lost

    def release_claim(self, claim: Claim, *, now: datetime) -> bool:
        """Give an event back without a call: its own message may claim it again at once."""
        with writing(self.engine) as connection:
            state = rows.lock(connection, claim.key)
            if state.claim_token != claim.token:
                return False
            changes = {"next_attempt_at": now, "updated_at": now, **rows.NO_CLAIM}
            rows.update_delivery(connection, claim.key, state, changes, move=Move.RELEASED)
            return True
