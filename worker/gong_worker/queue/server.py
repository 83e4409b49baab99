"""What the queue's Redis says of itself, and whether it keeps what it was given. INFO tells; CONFIG is not asked.

A managed Redis forbids CONFIG, while INFO is open to every user that monitors.
"""

import logging
import re
from dataclasses import dataclass
from typing import Any, Final

import redis

from gong_views.errors import SettingsError
from gong_views.names import NEVER_KEY, UNACKED_KEY, Lane
from gong_worker.queue.availability import ANSWER_SECONDS, place, trouble

log = logging.getLogger(__name__)

#: The scripts of the queue and of the gate have flags, which came with Redis 7.
LEAST_MAJOR: Final = 7
KEEPS_ALL: Final = "noeviction"
# Changes nothing: takes an entry out of a hash that has none of that name.
_AS_WORKER: Final = "return redis.call('LLEN', KEYS[1]) + redis.call('HDEL', KEYS[2], '')"
#: What no waiting mends.
_MISTAKES: Final = ("authentication", "tls", "database")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """None: it does not tell."""

    name: str
    version: str
    """Of the Redis whose behaviour it has; a Valkey tells its own in `name`."""
    eviction_policy: str | None
    append_only: bool | None
    cluster: bool

    @property
    def major(self) -> int:
        """Its major version; 0 when it does not tell."""
        found = re.match(r"\d+", self.version)
        return int(found.group()) if found else 0


def read_server(client: redis.Redis) -> ServerFacts:
    """Ask once; raises RedisError, NoPermissionError when even INFO is forbidden to this user."""
    info: dict[str, Any] = {}
    for section in ("server", "memory", "persistence", "cluster"):
        info |= client.info(section)
    version = str(info.get("redis_version", ""))
    valkey = info.get("valkey_version")
    append_only = info.get("aof_enabled")
    return ServerFacts(
        name=f"Valkey {valkey}" if valkey else f"Redis {version or 'of an unknown version'}",
        version=version,
        eviction_policy=info.get("maxmemory_policy"),
        append_only=None if append_only is None else bool(append_only),
        cluster=bool(info.get("cluster_enabled")),
    )


def unfit(facts: ServerFacts) -> str | None:
    """Why no worker may run on this server, and the mend; None when it may."""
    if facts.cluster:
        return "it is a Redis Cluster: the queue needs a Redis without cluster mode"
    if 0 < facts.major < LEAST_MAJOR:
        return f"it is {facts.name}: upgrade it to Redis {LEAST_MAJOR} or later, or to Valkey"
    return evicting(facts)


def evicting(facts: ServerFacts) -> str | None:
    """Why queued events may vanish from it when its memory is full, and the mend; None when they may not."""
    if facts.eviction_policy in (None, KEEPS_ALL):
        return None
    return (
        f"its maxmemory-policy is {facts.eviction_policy}: when its memory is full it deletes queued events and "
        f"holds; set it to {KEEPS_ALL} (CONFIG SET maxmemory-policy {KEEPS_ALL}, and the same in redis.conf or in "
        "your provider's parameters)"
    )


def refuse_unfit(client: redis.Redis) -> None:
    """Raise SettingsError when no worker may run on this server or as this user; one that is away is waited for.

    Asked as the user of REDIS_URL: Celery would take a command that is forbidden to it, or a wrong password, for a lost
    connection, for ever.
    """
    try:
        client.eval(_AS_WORKER, 2, Lane.LIVE.queue, UNACKED_KEY)
        client.xread({NEVER_KEY: "$"})
        _listen(client)
    except redis.exceptions.NoPermissionError:
        raise SettingsError(
            "REDIS_URL: its user may not do a worker's work: give it the rights that `gong-views acl` prints for "
            "gong-views-worker, or name that user"
        ) from None
    except redis.RedisError as error:
        why_not = trouble(error, place(client))
        if why_not.reason in _MISTAKES:
            raise SettingsError(str(why_not)) from None
        log.warning("waiting for the queue: %s", why_not, extra={"action": "queue_unavailable"})
    try:
        why = unfit(read_server(client))
    except redis.RedisError:
        return
    if why is not None:
        raise SettingsError(f"REDIS_URL: {why}")


def _listen(client: redis.Redis) -> None:
    """Subscribe as Celery's remote control does: a user of Redis 7 has no channel unless it is given one."""
    database = client.connection_pool.connection_kwargs.get("db") or 0
    untyped: Any = client
    with untyped.pubsub() as listener:
        listener.psubscribe(f"/{database}.celery.pidbox")
        listener.parse_response(block=False, timeout=ANSWER_SECONDS)


class ServerWatch:
    """Looks at the server again while a worker runs: it may have been away at the start, or changed since."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._unfit = False

    def look(self) -> None:
        """Log when the server begins to be unfit, and when that ends. Raises RedisError."""
        why = unfit(read_server(self._client))
        if why is not None and not self._unfit:
            log.error(
                "the queue's Redis must not be used like this: %s",
                why,
                extra={"action": "queue_server_unfit"},
            )
        elif why is None and self._unfit:
            log.warning("the queue's Redis is fit again", extra={"action": "queue_server_fit"})
        self._unfit = why is not None
