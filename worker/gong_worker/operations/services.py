"""What the operators' use cases work on."""

from dataclasses import dataclass

import redis

from gong_worker.gate import Gate
from gong_worker.ledger import Ledger
from gong_worker.settings import WorkerSettings


@dataclass(frozen=True)
class Services:
    """The same queue, gate and ledger that the workers use."""

    settings: WorkerSettings
    redis_url: str
    client: redis.Redis
    ledger: Ledger
    gate: Gate
