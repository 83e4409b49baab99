"""The use cases for the pages: every call runs in a thread, on services that all pages share."""

import asyncio
import time
from collections.abc import Callable
from typing import Concatenate, Final, ParamSpec, TypeVar

import redis
from anyio import to_thread

from gong_views.errors import GongViewsError
from gong_worker.domain.edits import EditError
from gong_worker.operations.services import Services, SharedServices
from gong_worker.operations.status import Status, status
from gong_worker.queue.availability import away

P = ParamSpec("P")
T = TypeVar("T")
STATUS_SECONDS: Final = 2.0


class Backend:
    """Redis and the ledger, for all pages of this process."""

    def __init__(self, shared: SharedServices) -> None:
        self._shared = shared
        self._status: tuple[float, Status] | None = None
        self._asking = asyncio.Lock()

    async def run(
        self, use_case: Callable[Concatenate[Services, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The use case's result. Raises what it raises, and what `SharedServices` does."""

        def call() -> T:
            return use_case(self._shared.get(ledger_may_be_away=True), *args, **kwargs)

        return await to_thread.run_sync(call)

    async def status(self) -> Status:
        """The whole picture, asked for once in two seconds however many pages show it."""
        async with self._asking:
            if self._status is None or time.monotonic() - self._status[0] > STATUS_SECONDS:
                self._status = (time.monotonic(), await self.run(status))
            return self._status[1]

    def forget(self) -> None:
        """The picture has just been changed: ask anew next time."""
        self._status = None


def problem_text(error: Exception) -> str | None:
    """What to tell the user; None for a defect."""
    match error:
        case GongViewsError() | EditError():
            return str(error)
        case redis.RedisError():
            return away(error, "REDIS_URL")
        case _:
            return None
