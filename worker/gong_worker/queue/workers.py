"""Workers' heartbeats in Redis: who works, on how much, and who is paused, frozen or gone."""

import json
import os
import secrets
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gong_views.names import WORKERS_KEY
from gong_worker.queue.refusals import FULL, WriteRefusals, refusal_code

HEARTBEAT_SECONDS = 3.0
# A heartbeat that is younger, by Redis's clock, is a living worker's.
ALIVE_SECONDS = 15.0
# What a worker that was killed left behind is shown for a day, then removed by any other one.
FORGET_SECONDS = 86_400.0

# Also written while Redis is full: a worker that drains it must not look dead.
WRITE_WHEN_FULL = """#!lua flags=allow-oom
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
"""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker process as its last heartbeat told of it. Times are UTC."""

    id: str
    host: str
    pid: int
    version: str
    concurrency: int
    in_hand: int
    """Messages popped and not ended yet."""
    paused: str | None
    """Why it takes no messages; None while it does."""
    since: datetime
    """Since when it has been paused, or not paused, as it is."""
    started_at: datetime
    heartbeat_at: datetime
    age_seconds: float
    """Since its last heartbeat, by Redis's clock."""
    ledger: str = ""
    """Where its ledger is; empty when it does not tell."""
    credential: str = ""
    target: str = ""
    """Fingerprints of its credential and of its base URL, by which the gate's holds bind; empty as above."""

    @property
    def alive(self) -> bool:
        """Whether its last heartbeat is recent; a frozen or killed worker's is not."""
        return self.age_seconds < ALIVE_SECONDS


class Heartbeat:
    """Writes one worker's entry of `gong-views.workers`."""

    def __init__(
        self,
        client: redis.Redis,
        refusals: WriteRefusals,
        *,
        concurrency: int,
        in_hand: Callable[[], int],
        paused: Callable[[], tuple[str | None, datetime]],
        ledger: str = "",
        credential: str = "",
        target: str = "",
    ) -> None:
        host = socket.gethostname()[:100]
        self.id = f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
        self._client, self._refusals = client, refusals
        self._in_hand, self._paused = in_hand, paused
        self._write_when_full = client.register_script(WRITE_WHEN_FULL)
        self._facts = {
            "id": self.id,
            "host": host,
            "pid": os.getpid(),
            "version": version("gong-views"),
            "concurrency": concurrency,
            "ledger": ledger[:300],
            "credential": credential,
            "target": target,
            "started_at": _text(datetime.now(UTC)),
        }

    def beat(self) -> None:
        """Write the heartbeat. An ordinary write, so that it also finds out when Redis refuses those."""
        reason, since = self._paused()
        now = {"in_hand": self._in_hand(), "paused": reason, "since": _text(since)}
        entry = json.dumps({**self._facts, **now, "heartbeat_at": _text(redis_now(self._client))})
        try:
            self._client.hset(WORKERS_KEY, self.id, entry)
        except redis.ResponseError as error:
            self._refusals.refused(error)
            if refusal_code(error) == FULL:
                self._write_when_full(keys=[WORKERS_KEY], args=[self.id, entry])
        else:
            self._refusals.accepted()

    def remove(self) -> None:
        """Take the entry out, at an orderly stop."""
        self._client.hdel(WORKERS_KEY, self.id)

    def forget_old(self) -> None:
        """Remove the entries of workers that have been silent for a day."""
        old = [worker.id for worker in read_workers(self._client) if worker.age_seconds > FORGET_SECONDS]
        if old:
            self._client.hdel(WORKERS_KEY, *old)


def read_workers(client: redis.Redis) -> list[Worker]:
    """Every worker that left a heartbeat and was not stopped in order, the living first."""
    with client.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hgetall(WORKERS_KEY)
        (seconds, micros), entries = pipe.execute()
    now = seconds + micros / 1e6
    found = [_worker(raw, now) for raw in cast(dict[bytes, bytes], entries).values()]
    readable = [worker for worker in found if worker is not None]
    return sorted(readable, key=lambda worker: (not worker.alive, worker.started_at, worker.id))


def ledgers_named(workers: Iterable[Worker], own: str) -> list[str]:
    """The ledgers of the living workers and our own: more than one and events are known to some workers only."""
    return sorted({own, *(worker.ledger for worker in workers if worker.alive and worker.ledger)})


def count_alive(redis_url: str) -> int | None:
    """How many workers live on the queue at a URL; None when it does not tell within two seconds."""
    options: dict[str, Any] = {"socket_timeout": 2.0, "socket_connect_timeout": 2.0, "protocol": 2}
    try:
        with redis.Redis.from_url(redis_url, retry=Retry(NoBackoff(), 0), **options) as client:
            return sum(worker.alive for worker in read_workers(client))
    except redis.RedisError:
        return None


_FIELDS = tuple(field.name for field in fields(Worker) if field.name != "age_seconds")


def _worker(raw: bytes, now: float) -> Worker | None:
    """One heartbeat, without what a newer release adds to it; None when it cannot be read."""
    try:
        found = json.loads(raw)
        entry = {name: found[name] for name in _FIELDS if name in found}
        for name in ("since", "started_at", "heartbeat_at"):
            entry[name] = datetime.fromisoformat(entry[name])
        # One of the future is from before Redis's clock was set back: a living worker beats anew within seconds.
        return Worker(**entry, age_seconds=abs(now - entry["heartbeat_at"].timestamp()))
    except (ValueError, TypeError, KeyError):
        return None


def redis_now(client: redis.Redis) -> datetime:
    """Redis's clock."""
    seconds, micros = client.time()
    return datetime.fromtimestamp(seconds + micros / 1e6, UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
