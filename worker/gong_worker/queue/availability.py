"""Whether Redis answers and takes writes right now; the latter is found by writing, for INFO cannot tell."""

from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import RedisError

from gong_views.errors import QueueUnavailable
from gong_views.names import WRITE_CHECK_KEY
from gong_views.redis_errors import ConnectFailed, explain
from gong_views.redis_url import location

#: How long a command waits for an answer of Redis (gong_worker.operations.services.redis_client).
ANSWER_SECONDS = 5.0
# As the scripts of the queue and of the gate are declared: they may run when Redis is full.
_AS_WORKER = "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], '1', 'PX', 60000)"


@dataclass(frozen=True, slots=True)
class WriteCheck:
    """Why Redis refuses the writes of workers, and those of producers (a full one refuses these only)."""

    workers: str | None
    producers: str | None


def check_writes(client: redis.Redis) -> WriteCheck:
    """Try both writes; raises RedisError when there is no answer at all."""
    with client.pipeline(transaction=False) as pipe:
        pipe.eval(_AS_WORKER, 1, WRITE_CHECK_KEY)
        pipe.set(WRITE_CHECK_KEY, "1", px=60_000)
        answers: list[Any] = pipe.execute(raise_on_error=False)
    where = place(client)
    return WriteCheck(
        *(away(answer, where) if isinstance(answer, RedisError) else None for answer in answers)
    )


def place(client: redis.Redis) -> str:
    """Which Redis this is, without user and password."""
    return location(client.connection_pool.connection_kwargs)


def away(error: BaseException, where: str) -> str:
    """What is the matter with Redis, when no event is on its way there, so that nothing is said about one."""
    return str(trouble(error, where))


def trouble(error: BaseException, where: str) -> QueueUnavailable:
    """`away`, with the stable reason."""
    unsent: BaseException = error
    if not isinstance(error, redis.ResponseError | QueueUnavailable):
        unsent = ConnectFailed()
        unsent.__cause__ = error if isinstance(error, RedisError) else error.__cause__
    return explain(unsent, where, ANSWER_SECONDS)
