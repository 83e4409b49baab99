"""Taking a replay back while its message waits."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gong_views import EventKey
from gong_worker.domain.states import DeadLetterResolution, Status
from gong_worker.ledger import rows
from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.models import DEAD_LETTERS, DELIVERIES
from gong_worker.ledger.transactions import writing
from gong_worker.ledger.values import MessageRef

_KNOWN: Final = sa.select(DELIVERIES.c.event_id).where(rows.is_event(DELIVERIES))
_REOPEN: Final = (
    sa.update(DEAD_LETTERS)
    .where(
        DEAD_LETTERS.c.id == bindparam("letter"),
        rows.is_event(DEAD_LETTERS),
        DEAD_LETTERS.c.resolution == DeadLetterResolution.REPLAYED,
        DEAD_LETTERS.c.payload.is_not(None),
    )
    .values(resolution=None, resolved_at=None, resolved_by=None)
)


class Replays(LedgerPart):
    """Replays that no worker has taken up yet."""

    def cancel_replay(self, letter_id: int, key: EventKey, message: MessageRef, *, now: datetime) -> bool:
        """Open the letter again and end its replay's message, which then makes no call; whether it was done.

        False when the event is no longer dead (a worker has it, or it was delivered), when the replay has died
        meanwhile, or when the letter is not replayed. The message is counted as a duplicate of its event, so that
        every message still ends once.
        """
        with writing(self.engine) as connection:
            if connection.execute(_KNOWN, rows.of(key)).first() is None:
                return False
            state = rows.lock(connection, key)
            letters = rows.dead_letters_of(connection, key)
            if state.status is not Status.DEAD or any(letter.replay_of == letter_id for letter in letters):
                return False
            if connection.execute(_REOPEN, {**rows.of(key), "letter": letter_id}).rowcount == 0:
                return False
            rows.add_duplicate(connection, key, message, now)
        return True
