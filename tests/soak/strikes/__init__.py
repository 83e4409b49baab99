"""Every kind of fault that a soak strikes with, by what it hits."""

from tests.soak.strikes import gong, intake, ledger, redis, workers
from tests.soak.strikes.kind import KINDS, Kind

__all__ = ["KINDS", "Kind", "gong", "intake", "ledger", "redis", "workers"]
