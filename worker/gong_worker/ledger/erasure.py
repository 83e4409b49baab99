"""What goes when a person is erased: payloads and error texts. Keys and hashes stay, so that no event is sent twice."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from gong_worker.domain.states import DeadLetterReason, DeadLetterResolution, Move
from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.dead_letters import letter_of
from gong_worker.ledger.models import Attempt, DeadLetterRow, Delivery, OperatorAction
from gong_worker.ledger.transactions import reading, writing
from gong_worker.ledger.values import Claim, DeadLetter, MessageRef

PAGE: Final = 200
_ERASED: Final[dict[str, Any]] = {"payload": None, "errors": []}
_ADD: Final = rows.on_each(DeadLetterRow, lambda insert: insert.on_conflict_do_nothing())
_ATTEMPT: Final = (Attempt.event_id, Attempt.reporting_system, Attempt.attempt_number)


class Quote(NamedTuple):
    """An attempt's error text, and the attempt's key."""

    event_id: str
    reporting_system: str
    attempt_number: int
    error: str


class Erasing(LedgerPart):
    """Finds what holds texts of people, and erases it."""

    def letters_with_texts(self) -> Iterator[DeadLetter]:
        """Every letter that has a payload or errors, oldest first; a page is one transaction."""
        after = 0
        has_texts = sa.or_(DeadLetterRow.payload.is_not(None), DeadLetterRow.errors != [])
        query = sa.select(*DeadLetterRow.__table__.columns).where(has_texts)
        while True:
            page = query.where(DeadLetterRow.id > after).order_by(DeadLetterRow.id).limit(PAGE)
            with reading(self.engine) as connection:
                found = connection.execute(page).all()
            if not found:
                return
            yield from map(letter_of, found)
            after = found[-1].id

    def erase_letters(self, letter_ids: Sequence[int], by: str, now: datetime) -> int:
        """Payloads and errors go; an open letter is discarded, any other keeps what became of it. How many."""
        these = DeadLetterRow.id.in_(letter_ids)
        closed = {"resolution": DeadLetterResolution.DISCARDED, "resolved_at": now, "resolved_by": by}
        with writing(self.engine) as connection:
            connection.execute(
                sa.update(DeadLetterRow).where(these, DeadLetterRow.resolution.is_(None)).values(closed)
            )
            erased = sa.update(DeadLetterRow).where(these).values(**_ERASED, erased_at=now)
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
            connection.execute(sa.insert(DeadLetterRow), key | _empty_letter(claim.message, by, now))
            return True

    def erase_message(self, message: MessageRef, *, by: str, now: datetime) -> None:
        """The end of a message whose event has no key; once, however often it comes."""
        with writing(self.engine) as connection:
            rows.inserted(connection, _ADD, _empty_letter(message, by, now))

    def attempts_quoting(self, text: str) -> list[Quote]:
        """The attempts whose error texts contain this, whatever its case. It reads every attempt."""
        query = sa.select(*_ATTEMPT, Attempt.error).where(
            Attempt.error.is_not(None), Attempt.error.icontains(text, autoescape=True)
        )
        with reading(self.engine) as connection:
            return [Quote(e, s, n, error or "") for e, s, n, error in connection.execute(query)]

    def forget_errors(self, quotes: Sequence[Quote]) -> int:
        """Delete these attempts' error texts; how many."""
        forgotten = 0
        for start in range(0, len(quotes), PAGE):
            keys = [quote[:3] for quote in quotes[start : start + PAGE]]
            with writing(self.engine) as connection:
                these = sa.update(Attempt).where(sa.tuple_(*_ATTEMPT).in_(keys)).values(error=None)
                forgotten += connection.execute(these).rowcount
        return forgotten

    def count_named(self, text: str) -> int:
        """Events and audit rows that contain this in an id, or in an operator's words: none of it can be erased."""
        ids = (Delivery.event_id, Delivery.content_id, Delivery.source)
        words = (OperatorAction.reason, sa.type_coerce(OperatorAction.target, sa.Text))
        with reading(self.engine) as connection:
            return sum(
                connection.execute(
                    sa.select(sa.func.count())
                    .select_from(table)
                    .where(sa.or_(*(column.icontains(text, autoescape=True) for column in columns)))
                ).scalar_one()
                for table, columns in ((Delivery, ids), (OperatorAction, words))
            )


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
