"""What goes when a person is erased: payloads and error texts. Keys and hashes stay, so that no event is sent twice."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from gong_worker.domain.person import Person
from gong_worker.domain.readings import marks
from gong_worker.domain.states import DeadLetterReason, DeadLetterResolution, Move
from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.dead_letters import letter_of
from gong_worker.ledger.models import ATTEMPTS, DEAD_LETTERS, DELIVERIES, OPERATOR_ACTIONS
from gong_worker.ledger.transactions import reading, writing
from gong_worker.ledger.values import Claim, DeadLetter, MessageRef

PAGE: Final = 200
READ_AT_ONCE: Final = 1000
_ERASED: Final[dict[str, Any]] = {"payload": None, "errors": []}
_ADD: Final = rows.OnEach(DEAD_LETTERS, lambda insert: insert.on_conflict_do_nothing())
_ATTEMPT: Final = (ATTEMPTS.c.event_id, ATTEMPTS.c.reporting_system, ATTEMPTS.c.attempt_number)
_NAMES: Final[dict[sa.Table, tuple[Any, ...]]] = {
    DELIVERIES: (DELIVERIES.c.event_id, DELIVERIES.c.content_id, DELIVERIES.c.source),
    OPERATOR_ACTIONS: (
        OPERATOR_ACTIONS.c.by,
        OPERATOR_ACTIONS.c.reason,
        sa.type_coerce(OPERATOR_ACTIONS.c.target, sa.Text),
        sa.type_coerce(OPERATOR_ACTIONS.c.details, sa.Text),
    ),
}


class Quote(NamedTuple):
    """The key of an attempt whose error text has a person."""

    event_id: str
    reporting_system: str
    attempt_number: int


class Erasing(LedgerPart):
    """Finds what holds texts of people, and erases it."""

    def letters_with_texts(self) -> Iterator[DeadLetter]:
        """Every letter that has a payload or errors, oldest first; a page is one transaction."""
        after = 0
        has_texts = sa.or_(DEAD_LETTERS.c.payload.is_not(None), DEAD_LETTERS.c.errors != [])
        query = sa.select(*DEAD_LETTERS.columns).where(has_texts)
        while True:
            page = query.where(DEAD_LETTERS.c.id > after).order_by(DEAD_LETTERS.c.id).limit(PAGE)
            with reading(self.engine) as connection:
                found = connection.execute(page).all()
            if not found:
                return
            yield from map(letter_of, found)
            after = found[-1].id

    def erase_letters(self, letter_ids: Sequence[int], by: str, now: datetime) -> int:
        """Payloads and errors go; an open letter is discarded, any other keeps what became of it. How many."""
        these = DEAD_LETTERS.c.id.in_(letter_ids)
        closed = {"resolution": DeadLetterResolution.DISCARDED, "resolved_at": now, "resolved_by": by}
        with writing(self.engine) as connection:
            connection.execute(
                sa.update(DEAD_LETTERS).where(these, DEAD_LETTERS.c.resolution.is_(None)).values(closed)
            )
            erased = sa.update(DEAD_LETTERS).where(these).values(**_ERASED, erased_at=now)
            return connection.execute(erased).rowcount

    def erase_claimed(self, claim: Claim, *, by: str, now: datetime) -> bool:
        """The claimed event will not be sent: dead, with a letter that is discarded and empty.

        False, and nothing is written, when the claim is lost: the event is another's by now.
        """
        with writing(self.engine) as connection:
            state = rows.lock(connection, claim.key)
            if state.claim_token != claim.token:
                return False
            changes = {"settled_at": now, "updated_at": now, "next_attempt_at": None, **rows.NO_CLAIM}
            rows.update_delivery(connection, claim.key, state, changes, move=Move.DEAD_LETTERED)
            key = {"reporting_system": claim.key.reporting_system, "event_id": claim.key.event_id}
            connection.execute(sa.insert(DEAD_LETTERS), key | _empty_letter(claim.message, by, now))
            return True

    def erase_message(self, message: MessageRef, *, by: str, now: datetime) -> None:
        """The end of a message whose event has no key; once, however often it comes."""
        with writing(self.engine) as connection:
            rows.inserted(connection, _ADD, _empty_letter(message, by, now))

    def attempts_quoting(self, person: Person) -> list[Quote]:
        """The attempts whose error texts have the person. It reads every attempt."""
        with reading(self.engine) as connection:
            found = _texts_of(connection, ATTEMPTS, _ATTEMPT, (ATTEMPTS.c.error,), person)
            return [Quote(*key) for key, texts in found if any(map(person.in_text, texts))]

    def forget_errors(self, quotes: Sequence[Quote]) -> int:
        """Delete these attempts' error texts; how many."""
        forgotten = 0
        for start in range(0, len(quotes), PAGE):
            keys = [tuple(quote) for quote in quotes[start : start + PAGE]]
            with writing(self.engine) as connection:
                these = sa.update(ATTEMPTS).where(sa.tuple_(*_ATTEMPT).in_(keys)).values(error=None)
                forgotten += connection.execute(these).rowcount
        return forgotten

    def count_named(self, person: Person) -> int:
        """Events and audit rows that have the person in an id, or in an operator's words: none of it can be erased."""
        with reading(self.engine) as connection:
            return sum(
                any(map(person.in_text, texts))
                for table, columns in _NAMES.items()
                for _, texts in _texts_of(connection, table, (), columns, person)
            )


def _texts_of(
    connection: sa.Connection, table: sa.Table, key: Sequence[Any], columns: Sequence[Any], person: Person
) -> Iterator[tuple[Sequence[Any], list[str]]]:
    """The keys of the rows that may have the person, and their texts as they are stored."""
    query = sa.select(*key, *columns).select_from(table)
    if person.name.isascii():
        found = (one.icontains(mark, autoescape=True) for one in columns for mark in marks(person.name))
        query = query.where(sa.or_(*found))
    for row in connection.execute(query, execution_options={"yield_per": READ_AT_ONCE}):
        yield row[: len(key)], [text for text in row[len(key) :] if text]


def _empty_letter(message: MessageRef, by: str, now: datetime) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "lane": message.lane,
        "source": message.source,
        "enqueued_at": message.enqueued_at,
        "reason": DeadLetterReason.DROPPED,
        "created_at": now,
        "replay_of": message.replay_of,
        "error_kind": "",
        "resolution": DeadLetterResolution.DISCARDED,
        "resolved_at": now,
        "resolved_by": by,
        "erased_at": now,
        **_ERASED,
    }
