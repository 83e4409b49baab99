"""The operators' use cases as a server runs them: in threads of their own, a few at a time.

A database that hangs thus keeps no event out, and what a use case raises becomes a problem.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import anyio.to_thread
import redis
from anyio import CapacityLimiter
from fastapi import HTTPException

from gong_views.errors import GongViewsError
from gong_worker.domain.reasons import BadReason
from gong_worker.gate import GateUnavailable
from gong_worker.ledger import (
    BadCursor,
    DeadLetterGroupNotFound,
    DeadLetterNotFound,
    LedgerUnavailable,
    SchemaOutdated,
)
from gong_worker.operations.events import QueueTooLong
from gong_worker.operations.services import Services, SharedServices
from gong_worker.queue.availability import away, place
from gong_worker.web.keys import ApiKey

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

THREADS: Final = 5
"""Use cases that run at once; as many as the ledger has connections."""
SCANS: Final = 1
"""Of these, how many may read the whole queue."""
TURN_SECONDS: Final = 10.0
RETRY_AFTER: Final = {"Retry-After": "5"}
BULK_SECONDS: Final = 20.0
"""How long an action on many dead letters goes on before it is told to be called again."""


class Operators:
    """Runs use cases."""

    def __init__(self, shared: SharedServices) -> None:
        self._shared = shared
        self._threads = CapacityLimiter(THREADS)
        self._scans = CapacityLimiter(SCANS)

    async def run(
        self, work: Callable[[Services], Answer], *, ledger_may_be_away: bool = False, scans: bool = False
    ) -> Answer:
        """What `work` returns. `scans`: it reads the whole queue. HTTPException 400, 404 or 503 for what it raises."""
        try:
            async with asyncio.timeout(TURN_SECONDS) as turn:
                limiter = self._scans if scans else self._threads
                async with limiter:
                    turn.reschedule(None)
                    return await anyio.to_thread.run_sync(
                        self._call, work, ledger_may_be_away, limiter=CapacityLimiter(1)
                    )
        except TimeoutError:
            raise HTTPException(
                503, "too many of these requests at once: send this one again", RETRY_AFTER
            ) from None

    def close(self) -> None:
        """Close the connections."""
        self._shared.close()

    def _call(self, work: Callable[[Services], Answer], ledger_may_be_away: bool) -> Answer:
        services: Services | None = None
        try:
            services = self._shared.get(ledger_may_be_away=ledger_may_be_away)
            return work(services)
        except BadReason as error:
            raise HTTPException(400, str(error)) from None
        except (BadCursor, DeadLetterGroupNotFound, DeadLetterNotFound) as error:
            raise HTTPException(404, str(error)) from None
        except (LedgerUnavailable, SchemaOutdated, QueueTooLong) as error:
            raise HTTPException(503, str(error), RETRY_AFTER) from None
        except (redis.RedisError, GateUnavailable) as error:
            where = "REDIS_URL" if services is None else place(services.client)
            raise HTTPException(503, away(error, where), RETRY_AFTER) from None
        except GongViewsError as error:  # a setting, which is nothing for whoever asks
            log.error("a request of an operator failed: %s", error, extra={"action": "operation_failed"})
            raise HTTPException(
                503, "the server is not set up for this; its log says more", RETRY_AFTER
            ) from None


def system_of(key: ApiKey, asked: str | None) -> str | None:
    """The reporting system to look at. HTTPException 400 or 403 when the key is bound to others, or to several."""
    systems = key.reporting_systems
    if systems is None or asked in systems:
        return asked
    if asked is not None:
        raise HTTPException(403, "this API key may not see this reporting system")
    if len(systems) > 1:
        raise HTTPException(400, "this API key is bound to several reporting systems: name one of them")
    return next(iter(systems))


def of_the_company(key: ApiKey) -> None:
    """HTTPException 403 for a key that is bound to reporting systems: what it asks for concerns all of them."""
    if key.reporting_systems is not None:
        raise HTTPException(403, "this API key is bound to reporting systems, and this concerns all of them")


def stop_after(seconds: float) -> tuple[threading.Event, Any]:
    """An event that is set so much later, and the timer that does it."""
    stop = threading.Event()
    timer = threading.Timer(seconds, stop.set)
    timer.daemon = True
    timer.start()
    return stop, timer
