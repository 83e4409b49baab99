"""Dead letters: writing those that no event stands behind, listing them, resolving them."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.orm import aliased

from gong_views.names import Lane
from gong_worker.ledger import rows
from gong_worker.ledger.errors import AlreadyResolved, DeadLetterNotFound
from gong_worker.ledger.models import DeadLetterRow
from gong_worker.ledger.transactions import reading, writing
from gong_worker.ledger.values import DeadLetter, MessageRef


def dead_letter_message(
    engine: Engine, raw: bytes | str, message: MessageRef, *, reason_text: str, now: datetime, reason: str
) -> None:
    """Keep a message that nobody could read; see `Ledger.dead_letter_message`."""
    body = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")
    with writing(engine) as connection:
        # Undecodable bytes become lone surrogates, which the JSON text of the column holds as \\udcNN.
        connection.execute(
            rows.insert_into(connection, DeadLetterRow)
            .values(
                message_id=message.message_id,
                lane=message.lane.value,
                source=message.source,
                enqueued_at=message.enqueued_at,
                reason=reason,
                errors=[reason_text],
                payload=body.decode("utf-8", "surrogateescape"),
                created_at=now,
            )
            .on_conflict_do_nothing()
        )
        rows.close_letters(connection, None, message, now, supersede=False)


def list_dead_letters(engine: Engine, *, open_only: bool, limit: int, after_id: int) -> list[DeadLetter]:
    """A page of dead letters; see `Ledger.dead_letters`."""
    query = sa.select(*DeadLetterRow.__table__.columns).where(DeadLetterRow.id > after_id)
    if open_only:
        query = query.where(DeadLetterRow.resolution.is_(None))
    with reading(engine) as connection:
        found = connection.execute(query.order_by(DeadLetterRow.id).limit(limit)).all()
    return [_letter(row) for row in found]


def get_dead_letter(engine: Engine, letter_id: int) -> DeadLetter:
    """One dead letter; see `Ledger.dead_letter`."""
    query = sa.select(*DeadLetterRow.__table__.columns).where(DeadLetterRow.id == letter_id)
    with reading(engine) as connection:
        row = connection.execute(query).first()
    if row is None:
        raise DeadLetterNotFound(letter_id)
    return _letter(row)


def raw_body(engine: Engine, letter_id: int) -> bytes | None:
    """The exact body of a message without an event; see `Ledger.raw_body`."""
    query = sa.select(DeadLetterRow.payload, DeadLetterRow.event_id).where(DeadLetterRow.id == letter_id)
    with reading(engine) as connection:
        row = connection.execute(query).first()
    if row is None:
        raise DeadLetterNotFound(letter_id)
    return None if row.payload is None or row.event_id is not None else _encoded(row.payload)


def open_dead_letter_ids(engine: Engine) -> list[int]:
    """The numbers of all open letters, oldest first."""
    query = sa.select(DeadLetterRow.id).where(DeadLetterRow.resolution.is_(None)).order_by(DeadLetterRow.id)
    with reading(engine) as connection:
        return list(connection.execute(query).scalars())


def mark_replayed(engine: Engine, letter_id: int, *, by: str, now: datetime) -> None:
    """Note that a letter's event is on the queue again; see `Ledger.mark_replayed`."""
    # A fast worker may have delivered the replay before it is marked: then the letter is superseded already.
    open_or_overtaken = sa.or_(DeadLetterRow.resolution.is_(None), DeadLetterRow.resolution == "superseded")
    changes = {"resolution": "replayed", "resolved_at": now, "resolved_by": by}
    _resolve(engine, letter_id, open_or_overtaken, changes)


def mark_discarded(engine: Engine, letter_id: int, *, by: str, now: datetime) -> None:
    """Give a letter up, with its payload; see `Ledger.mark_discarded`."""
    changes = {"resolution": "discarded", "resolved_at": now, "resolved_by": by, "payload": None}
    _resolve(engine, letter_id, DeadLetterRow.resolution.is_(None), changes, forget_older=True)


def _forget_older(connection: sa.Connection, letter_id: int) -> None:
    """The event is given up: what its replayed letters kept from before an edit goes as well."""
    older, given_up = aliased(DeadLetterRow), DeadLetterRow
    ids = sa.select(older.id).where(
        older.event_id == given_up.event_id,
        older.reporting_system == given_up.reporting_system,
        older.resolution == "replayed",
        older.payload.is_not(None),
        given_up.id == letter_id,
    )
    numbers = list(connection.execute(ids).scalars())
    if numbers:
        connection.execute(sa.update(DeadLetterRow).where(DeadLetterRow.id.in_(numbers)).values(payload=None))


def _resolve(
    engine: Engine,
    letter_id: int,
    allowed: sa.ColumnElement[bool],
    changes: dict[str, Any],
    *,
    forget_older: bool = False,
) -> None:
    with writing(engine) as connection:
        done = connection.execute(
            sa.update(DeadLetterRow).where(DeadLetterRow.id == letter_id, allowed).values(changes)
        )
        if done.rowcount == 1:
            if forget_older:
                _forget_older(connection, letter_id)
            return
        query = sa.select(DeadLetterRow.resolution).where(DeadLetterRow.id == letter_id)
        found = connection.execute(query).first()
    if found is None:
        raise DeadLetterNotFound(letter_id)
    raise AlreadyResolved(letter_id, str(found[0]))


def _letter(row: Any) -> DeadLetter:
    values = dict(row._mapping)
    if values["event_id"] is None and values["payload"] is not None:
        values["payload"] = _encoded(values["payload"]).decode("utf-8", "backslashreplace")
    return DeadLetter(**{**values, "lane": Lane(values["lane"])})


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
