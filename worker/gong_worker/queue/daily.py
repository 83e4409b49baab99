"""What one worker does once a day: a lease in Redis, kept until the next day when it is done."""

import uuid
from typing import Final, cast

import redis

from gong_views.names import RETENTION_KEY

#: A worker that dies gives way after so long.
LEASE_SECONDS: Final = 120
DAY_SECONDS: Final = 86_400


class DailyLease:
    """Of one process. Methods raise RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._token = uuid.uuid4().hex

    def take(self) -> bool:
        """Whether it is ours, also from before: nobody else has it, and nobody was done within the last day."""
        return bool(self._client.set(RETENTION_KEY, self._token, nx=True, ex=LEASE_SECONDS)) or self._held()

    def renew(self) -> bool:
        """Keep it; False when it has run out and another has it."""
        return self._keep(self._token, LEASE_SECONDS)

    def done(self) -> None:
        """Not again before tomorrow."""
        self._keep(f"done by {self._token}", DAY_SECONDS)

    def _keep(self, value: str, seconds: int) -> bool:
        # Not one step: two that prune at once disturb nobody, they take turns in the ledger.
        if not self._held(or_nobody=True):
            return False
        self._client.set(RETENTION_KEY, value, ex=seconds)
        return True

    def _held(self, *, or_nobody: bool = False) -> bool:
        """Whether we have it."""
        held = cast(bytes | None, self._client.get(RETENTION_KEY))
        return or_nobody if held is None else held.decode() == self._token
