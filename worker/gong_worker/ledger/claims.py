"""Claiming an event: who may call Gong for it, and for how long.

`decide` is the whole of the decision and touches no database. `claim` runs it on the locked row, so of two
workers that ask at the same instant one waits for the other's commit and then sees its claim.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from gong_views import EventKey
from gong_worker.domain.states import Status
from gong_worker.ledger import rows
from gong_worker.ledger.columns import utc
from gong_worker.ledger.models import Delivery
from gong_worker.ledger.rows import DeliveryState
from gong_worker.ledger.transactions import writing
from gong_worker.ledger.values import AlreadyHandled, Busy, Claim, Claimed, EventFacts, MessageRef


class Take(Enum):
    """What a message does with an event that the ledger knows already."""

    CLAIM = "claim"  # go on where it was left
    REOPEN = "reopen"  # start anew after its death
    END = "end"  # nothing left to do for this message
    DUPLICATE = "duplicate"  # nothing left to do, and to be counted


def decide(
    state: DeliveryState,
    message: MessageRef,
    facts: EventFacts,
    *,
    latest_letter: int | None,
    now: datetime,
    lease_seconds: float,
) -> Take | Busy:
    """What `message`, which has no recorded end yet, may do with its event; `latest_letter` if it is dead."""
    same = rows.same_message(state, message)
    match Status(state.status):
        case Status.DELIVERED:
            return Take.END if same else Take.DUPLICATE
        case Status.DEAD:
            if same:
                return Take.END
            replay = message.replay_of is not None and message.replay_of == latest_letter
            return Take.REOPEN if replay or facts.payload_sha256 != state.payload_sha256 else Take.DUPLICATE
        case Status.WAITING:
            # Its own message comes when it is due. Only when that one is overdue is it taken for lost.
            until = (state.next_attempt_at or state.updated_at) + timedelta(seconds=lease_seconds)
            return Take.CLAIM if same or until <= now else Busy(until)
        case Status.SENDING:
            until = state.lease_expires_at or now
            return Take.CLAIM if until <= now else Busy(until)


def claim(
    engine: Engine,
    key: EventKey,
    message: MessageRef,
    facts: EventFacts,
    *,
    now: datetime,
    lease_seconds: float,
) -> Claimed | AlreadyHandled | Busy:
    """Ask for an event; see `Ledger.claim`."""
    now = utc(now)
    token = uuid.uuid4().hex
    lease = {
        "status": Status.SENDING.value,
        "claim_token": token,
        "lease_expires_at": now + timedelta(seconds=lease_seconds),
        "next_attempt_at": None,
        "settled_at": None,
        "updated_at": now,
        **rows.brought_by(message, facts),
    }
    with writing(engine) as connection:
        if _insert(connection, key, lease, now):
            return Claimed(Claim(key, token, message, facts, 0, now))
        state = rows.lock(connection, key)
        duplicate_before = rows.is_duplicate(connection, key, message)
        if duplicate_before or rows.has_letter(connection, key, message):
            # Seen to its end before; this is its redelivery, whatever the event has come to meanwhile.
            _close_letters_of_delivered(connection, key, state, message, now)
            return AlreadyHandled(state.status, duplicate=duplicate_before)
        dead = state.status == Status.DEAD
        latest_letter = rows.latest_letter(connection, key) if dead else None
        decision = decide(
            state, message, facts, latest_letter=latest_letter, now=now, lease_seconds=lease_seconds
        )
        match decision:
            case Busy():
                return decision
            case Take.END:
                return AlreadyHandled(state.status, duplicate=False)
            case Take.DUPLICATE:
                rows.add_duplicate(connection, key, message, now)
                _close_letters_of_delivered(connection, key, state, message, now)
                return AlreadyHandled(state.status, duplicate=True)
            case Take.CLAIM | Take.REOPEN:
                spent = 0 if decision is Take.REOPEN else state.attempt_count
                rows.interrupt_open_attempts(connection, key)
                rows.update_delivery(connection, key, state, {**lease, "attempt_count": spent})
                return Claimed(Claim(key, token, message, facts, spent, state.first_seen_at))


def _close_letters_of_delivered(
    connection: sa.Connection, key: EventKey, state: DeliveryState, message: MessageRef, now: datetime
) -> None:
    """The replay of a letter whose event was delivered meanwhile has nothing left to do either."""
    if state.status == Status.DELIVERED:
        rows.close_letters(connection, key, message, now)


def _insert(connection: sa.Connection, key: EventKey, lease: dict[str, Any], now: datetime) -> bool:
    return rows.inserted(
        connection,
        rows.insert_into(connection, Delivery)
        .values(
            event_id=key.event_id,
            reporting_system=key.reporting_system,
            attempt_count=0,
            duplicate_count=0,
            first_seen_at=now,
            **lease,
        )
        .on_conflict_do_nothing(index_elements=["event_id", "reporting_system"]),
    )


def renew(engine: Engine, claims: Iterable[Claim], *, now: datetime, lease_seconds: float) -> list[Claim]:
    """Prolong leases; see `Ledger.renew`."""
    lost = []
    until = utc(now) + timedelta(seconds=lease_seconds)
    ordered = sorted(
        claims, key=lambda claim: claim.key
    )  # one order everywhere, so that no two wait in a ring
    if not ordered:
        return []
    with writing(engine) as connection:
        for claim in ordered:
            renewed = connection.execute(
                sa.update(Delivery)
                .where(rows.is_event(Delivery, claim.key), Delivery.claim_token == claim.token)
                .values(lease_expires_at=until, updated_at=now)
            )
            if renewed.rowcount == 0:
                lost.append(claim)
    return lost


def release_claim(engine: Engine, claim: Claim, *, now: datetime) -> bool:
    """Give an event back without a call; see `Ledger.release_claim`."""
    with writing(engine) as connection:
        state = rows.lock(connection, claim.key)
        if state.claim_token != claim.token:
            return False
        rows.update_delivery(
            connection,
            claim.key,
            state,
            {"status": Status.WAITING.value, "next_attempt_at": now, "updated_at": now, **rows.NO_CLAIM},
        )
        return True
