"""A migrated ledger on each database."""

from collections.abc import Iterator

import pytest

from gong_worker.ledger import Ledger, migrate, open_engine


@pytest.fixture
def ledger(database_url: str) -> Iterator[Ledger]:
    migrate(database_url)
    ledger = Ledger(open_engine(database_url))
    yield ledger
    ledger.close()
