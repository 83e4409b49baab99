"""Back to the schema of an earlier release, unless something of this one is in the way or would be left behind."""

from gong_views.embedded import redis_url_of
from gong_views.errors import GongViewsError
from gong_worker.ledger.others import others_connected
from gong_worker.ledger.schema import downgrade, losses
from gong_worker.operations.services import redis_client
from gong_worker.queue import inspect
from gong_worker.queue.workers import read_workers
from gong_worker.settings import WorkerSettings


class CannotGoBack(GongViewsError):
    """Something has to be done first; the text says what."""


def plan(settings: WorkerSettings, revision: str) -> list[str]:
    """What going back to `revision` loses, a line each.

    Raises CannotGoBack while processes of this release live that use the ledger, which could not work on that schema,
    and while events are set aside, which an earlier release does not see. Raises RedisError, LedgerError and its kin.
    """
    lost = losses(settings.ledger_url, revision)
    client = redis_client(redis_url_of(settings))
    try:
        living = [worker for worker in read_workers(client) if worker.alive]
        held = inspect.count(client).held
    finally:
        client.close()
    if living:
        names = ", ".join(f"{worker.host} pid {worker.pid}" for worker in living[:5])
        raise CannotGoBack(
            f"{len(living)} workers of this release are at work ({names}): stop them first. One that was killed"
            " counts for 15 s more"
        )
    if others := others_connected(settings.ledger_url):
        raise CannotGoBack(
            f"the ledger is in use by {', '.join(others)}: stop every `serve`, `console` and command of this release"
            " that uses it first"
        )
    if held:
        raise CannotGoBack(
            f"{held} events of held parts are set aside, where an earlier release does not look: end the holds with"
            " `gong-views release`, and let a worker put them back, first"
        )
    return lost


def go_back(settings: WorkerSettings, revision: str) -> None:
    """Take the ledger's schema back. Raises what `plan` does: a worker may have come since that was asked."""
    plan(settings, revision)
    downgrade(settings.ledger_url, revision)
