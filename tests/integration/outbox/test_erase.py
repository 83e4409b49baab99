"""Deleting a person's rows while a relay has some of them in hand."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gong_views import ViewQueue
from gong_views.outbox import erase
from gong_views.outbox.erase import OutboxRows
from gong_views.outbox.relay import Relay
from gong_views.outbox.relay_lock import SUFFIX
from gong_views.receipt import BatchResult
from tests.integration.outbox.support import add_many, ids, queued, table_rows


class ErasingQueue(ViewQueue):
    """While it is given rows to push, somebody erases them; `left` is how many were not deleted."""

    def __init__(self, redis_url: str, rows: OutboxRows) -> None:
        super().__init__(redis_url)
        self.rows, self.left = rows, 0

    def enqueue_many(self, events: Iterable[Any], lane: Any = "live", **options: Any) -> BatchResult:
        found = [number for number, _ in self.rows.find(lambda _: True)]
        self.left = len(found) - self.rows.delete(found)
        return super().enqueue_many(events, lane, **options)


def test_what_a_relay_has_in_hand_is_left_and_told(
    engine: sa.Engine, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that is on its way to the queue is not deleted as if nobody would send it; afterwards it is."""
    monkeypatch.setattr(erase, "PATIENCE_SECONDS", 0.1)
    add_many(engine, range(2))
    rows = OutboxRows(engine)
    with ErasingQueue(redis_url, rows) as queue:
        Relay(engine, queue).step()
    assert queue.left == 2
    assert queued(redis_url) == ids(range(2))
    assert rows.delete([row.id for row in table_rows(engine)]) == 2
    assert table_rows(engine) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_lock_file_of_its_own(engine: sa.Engine, database_url: str) -> None:
    """Where no relay has run none is made, which a relay of another user could not open."""
    add_many(engine, range(2))
    assert OutboxRows(engine).delete([row.id for row in table_rows(engine)]) == 2
    assert not Path(database_url.removeprefix("sqlite:///") + SUFFIX).exists()
