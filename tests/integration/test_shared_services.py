"""The services that the threads of a server share, while the ledger comes late."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gong_worker.ledger import LedgerUnavailable, SchemaOutdated, migrate
from gong_worker.operations.services import RETRY_SECONDS, SharedServices
from gong_worker.operations.status import status
from gong_worker.settings import WorkerSettings
from tests.support.servers import free_port


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Callable[[], WorkerSettings]:
    """Of a ledger that nobody has made yet."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    return lambda: WorkerSettings(REDIS_URL=redis_url, DATABASE_URL=url, GONG_VIEWS_DATA_DIR=str(tmp_path))


def test_they_are_opened_once_however_often_the_ledger_is_missed(
    settings: Callable[[], WorkerSettings],
) -> None:
    """While the ledger is away all threads work on one client; when it is there, on the same with the ledger."""
    shared = SharedServices(settings)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: shared.get(ledger_may_be_away=True), range(50)))
        assert all(one is found[0] for one in found)
        before = {one["id"] for one in found[0].client.client_list()}  # others may be on this server
        assert all(pool.map(lambda one: status(one).ledger.error, found))
    assert len({one["id"] for one in found[0].client.client_list()} - before) <= 8
    with pytest.raises(SchemaOutdated):
        shared.get()
    migrate(settings().ledger_url)
    whole = shared.get()
    assert whole is shared.get(ledger_may_be_away=True)
    assert (whole.client, whole.ledger) == (found[0].client, found[0].ledger)
    assert status(whole).ledger.error is None
    shared.close()


def test_a_ledger_that_does_not_answer_is_asked_once_a_second(redis_url: str) -> None:
    """Whoever asks meanwhile is told what the last one found out, without a wait of their own."""
    url, now = f"postgresql://user@127.0.0.1:{free_port()}/ledger", 0.0
    shared = SharedServices(lambda: WorkerSettings(REDIS_URL=redis_url, DATABASE_URL=url), clock=lambda: now)

    def told() -> BaseException:
        with pytest.raises(LedgerUnavailable) as error:
            shared.get()
        return error.value

    first = told()
    assert told() is first
    now += RETRY_SECONDS
    assert told() is not first
    shared.close()
