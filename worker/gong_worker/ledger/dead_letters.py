"""Dead letters: writing those that no event stands behind, listing them, resolving them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gong_worker.domain.error_kinds import error_kind
from gong_worker.domain.states import DeadLetterReason, DeadLetterResolution
from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.errors import DeadLetterNotFound
from gong_worker.ledger.models import DEAD_LETTERS
from gong_worker.ledger.transactions import reading, writing
from gong_worker.ledger.values import DeadLetter, MessageRef

_FORGOTTEN: Final[dict[str, Any]] = {"payload": None, "errors": []}
_COLUMNS: Final = tuple(DEAD_LETTERS.columns)
_FORGET_BODY: Final = (
    sa.update(DEAD_LETTERS)
    .where(
        DEAD_LETTERS.c.message_id == bindparam("message"),
        DEAD_LETTERS.c.event_id.is_(None),
        DEAD_LETTERS.c.resolution == DeadLetterResolution.REPLAYED,
        DEAD_LETTERS.c.payload.is_not(None),
    )
    .values(payload=None)
)
_ADD: Final = rows.OnEach(DEAD_LETTERS, lambda insert: insert.on_conflict_do_nothing())


class DeadLetters(LedgerPart):
    """Dead letters, as operators see and resolve them."""

    def dead_letter_message(
        self,
        raw: bytes | str,
        message: MessageRef,
        *,
        reason_text: str,
        now: datetime,
        reason: DeadLetterReason = DeadLetterReason.UNREADABLE,
    ) -> None:
        """Keep a message that holds no event, with its exact body; once, however often it comes.

        `reason` may also be INVALID, for one that could be read and whose event breaks the contract.
        """
        body = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")
        letter = {
            "message_id": message.message_id,
            "lane": message.lane,
            "source": message.source,
            "enqueued_at": message.enqueued_at,
            "reason": reason,
            "errors": [reason_text],
            # Undecodable bytes become lone surrogates, which the JSON text of the column holds as \\udcNN.
            "payload": body.decode("utf-8", "surrogateescape"),
            "created_at": now,
            "replay_of": message.replay_of,
            "error_kind": error_kind([reason_text]),
        }
        with writing(self.engine) as connection:
            rows.inserted(connection, _ADD, letter)
            # Replayed as it was and unreadable again: the new letter alone has the body.
            connection.execute(_FORGET_BODY, {"message": message.message_id})

    def list_dead_letters(
        self, open_only: bool = True, limit: int = 100, after_id: int = 0
    ) -> list[DeadLetter]:
        """At most `limit` letters with a number above `after_id`, oldest first."""
        query = sa.select(*_COLUMNS).where(DEAD_LETTERS.c.id > after_id)
        if open_only:
            query = query.where(DEAD_LETTERS.c.resolution.is_(None))
        with reading(self.engine) as connection:
            found = connection.execute(query.order_by(DEAD_LETTERS.c.id).limit(limit)).all()
        return [letter_of(row) for row in found]

    def get_dead_letter(self, letter_id: int) -> DeadLetter:
        """One letter. Raises DeadLetterNotFound."""
        query = sa.select(*_COLUMNS).where(DEAD_LETTERS.c.id == letter_id)
        with reading(self.engine) as connection:
            row = connection.execute(query).first()
        if row is None:
            raise DeadLetterNotFound(letter_id)
        return letter_of(row)

    def mark_discarded(self, letter_ids: Sequence[int], by: str, now: datetime) -> list[int]:
        """Give up those of the letters that are open; returns their numbers.

        Their payloads and Gong's error texts are gone at once.
        """
        changes = {"resolution": DeadLetterResolution.DISCARDED, "resolved_at": now, "resolved_by": by}
        still_open = (DEAD_LETTERS.c.id.in_(letter_ids), DEAD_LETTERS.c.resolution.is_(None))
        with writing(self.engine) as connection:
            discard = sa.update(DEAD_LETTERS).where(*still_open).values(changes | _FORGOTTEN)
            discarded = sorted(connection.execute(discard.returning(DEAD_LETTERS.c.id)).scalars())
            for letter_id in discarded:
                _forget_replayed(connection, letter_id)
        return discarded

    def mark_replayed(self, letter_ids: Sequence[int], by: str, now: datetime) -> None:
        """Note who put the letters' events on the queue again. A payload stays until that is dealt with.

        The messages are on their way already, so this also holds when another operator discarded a letter
        between the two steps, or a fast worker has delivered the event before the mark. A letter that was
        replayed before stays as it is.
        """
        changes = {"resolution": DeadLetterResolution.REPLAYED, "resolved_at": now, "resolved_by": by}
        not_before = DEAD_LETTERS.c.resolution.is_distinct_from(DeadLetterResolution.REPLAYED)
        with writing(self.engine) as connection:
            connection.execute(
                sa.update(DEAD_LETTERS).where(DEAD_LETTERS.c.id.in_(letter_ids), not_before).values(changes)
            )


def _forget_replayed(connection: sa.Connection, letter_id: int) -> None:
    """What the letters before this one kept from before an operator's edit goes with it, unless others need it."""
    own, others = DEAD_LETTERS.c, DEAD_LETTERS.alias().c
    while True:
        before = sa.select(own.replay_of).where(own.id == letter_id).scalar_subquery()
        needed = sa.exists().where(others.replay_of == own.id, others.resolution.is_(None))
        forgotten = connection.execute(
            sa.update(DEAD_LETTERS)
            .where(own.id == before, own.resolution == DeadLetterResolution.REPLAYED, ~needed)
            .values(_FORGOTTEN)
            .returning(own.id)
        ).scalar()
        if forgotten is None:
            return
        letter_id = forgotten


def letter_of(row: Any) -> DeadLetter:
    """A whole row as a dead letter."""
    values = dict(row._mapping)
    if values["event_id"] is None and values["payload"] is not None:
        body = values["payload"].encode("utf-8", "surrogateescape")
        values["payload"] = body.decode("utf-8", "backslashreplace")
    return DeadLetter(**values)
