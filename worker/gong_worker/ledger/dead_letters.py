"""Dead letters: writing those that no event stands behind, listing them, resolving them."""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from gong_worker.domain.states import DeadLetterReason, DeadLetterResolution
from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.errors import AlreadyResolved, DeadLetterNotFound
from gong_worker.ledger.models import DeadLetterRow
from gong_worker.ledger.transactions import reading, writing
from gong_worker.ledger.values import DeadLetter, MessageRef

_COLUMNS: Final = tuple(DeadLetterRow.__table__.columns)
_ADD: Final = rows.on_each(DeadLetterRow, lambda insert: insert.on_conflict_do_nothing())


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
        }
        with writing(self.engine) as connection:
            rows.inserted(connection, _ADD, letter)
            rows.close_letters(connection, None, message, now, supersede=False)

    def list_dead_letters(
        self, open_only: bool = True, limit: int = 100, after_id: int = 0
    ) -> list[DeadLetter]:
        """At most `limit` letters with a number above `after_id`, oldest first."""
        query = sa.select(*_COLUMNS).where(DeadLetterRow.id > after_id)
        if open_only:
            query = query.where(DeadLetterRow.resolution.is_(None))
        with reading(self.engine) as connection:
            found = connection.execute(query.order_by(DeadLetterRow.id).limit(limit)).all()
        return [_letter(row) for row in found]

    def get_dead_letter(self, letter_id: int) -> DeadLetter:
        """One letter. Raises DeadLetterNotFound."""
        query = sa.select(*_COLUMNS).where(DeadLetterRow.id == letter_id)
        with reading(self.engine) as connection:
            row = connection.execute(query).first()
        if row is None:
            raise DeadLetterNotFound(letter_id)
        return _letter(row)

    def open_dead_letter_ids(self) -> list[int]:
        """The numbers of all open letters, oldest first."""
        is_open = DeadLetterRow.resolution.is_(None)
        with reading(self.engine) as connection:
            query = sa.select(DeadLetterRow.id).where(is_open).order_by(DeadLetterRow.id)
            return list(connection.execute(query).scalars())

    def mark_replayed(self, letter_id: int, by: str, now: datetime) -> None:
        """Note who put a letter's event on the queue again. Its payload stays until that is dealt with.

        Raises AlreadyResolved, DeadLetterNotFound.
        """
        # A fast worker may have delivered the replay before it is marked: then the letter is superseded already.
        open_or_overtaken = sa.or_(
            DeadLetterRow.resolution.is_(None), DeadLetterRow.resolution == DeadLetterResolution.SUPERSEDED
        )
        changes = {"resolution": DeadLetterResolution.REPLAYED, "resolved_at": now, "resolved_by": by}
        with writing(self.engine) as connection:
            _resolve(connection, letter_id, open_or_overtaken, changes)

    def mark_discarded(self, letter_id: int, by: str, now: datetime) -> None:
        """Give a letter up; its payload is gone at once. Raises AlreadyResolved, DeadLetterNotFound."""
        resolved = {"resolution": DeadLetterResolution.DISCARDED, "resolved_at": now, "resolved_by": by}
        with writing(self.engine) as connection:
            _resolve(connection, letter_id, DeadLetterRow.resolution.is_(None), {**resolved, "payload": None})
            _forget_older(connection, letter_id)


def _resolve(
    connection: sa.Connection, letter_id: int, allowed: sa.ColumnElement[bool], changes: dict[str, Any]
) -> None:
    done = connection.execute(
        sa.update(DeadLetterRow).where(DeadLetterRow.id == letter_id, allowed).values(changes)
    )
    if done.rowcount == 1:
        return
    query = sa.select(DeadLetterRow.resolution).where(DeadLetterRow.id == letter_id)
    found = connection.execute(query).first()
    if found is None:
        raise DeadLetterNotFound(letter_id)
    raise AlreadyResolved(letter_id, found.resolution)


def _forget_older(connection: sa.Connection, letter_id: int) -> None:
    """The event is given up: what its replayed letters kept from before an edit goes as well."""
    older, given_up = aliased(DeadLetterRow), DeadLetterRow
    ids = sa.select(older.id).where(
        older.event_id == given_up.event_id,
        older.reporting_system == given_up.reporting_system,
        older.resolution == DeadLetterResolution.REPLAYED,
        older.payload.is_not(None),
        given_up.id == letter_id,
    )
    numbers = list(connection.execute(ids).scalars())
    if numbers:
        connection.execute(sa.update(DeadLetterRow).where(DeadLetterRow.id.in_(numbers)).values(payload=None))


def _letter(row: Any) -> DeadLetter:
    values = dict(row._mapping)
    if values["event_id"] is None and values["payload"] is not None:
        body = values["payload"].encode("utf-8", "surrogateescape")
        values["payload"] = body.decode("utf-8", "backslashreplace")
    return DeadLetter(**values)
