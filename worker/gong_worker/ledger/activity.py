"""What was done of late, hour by hour, from the view that dashboards read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from gong_worker.ledger.base import LedgerPart
from gong_worker.ledger.buckets import literal, parsed
from gong_worker.ledger.columns import utc
from gong_worker.ledger.transactions import reading

_SINCE: Final = sa.text(
    "SELECT hour, outcome, attempts FROM outcomes_hourly WHERE hour >= :since ORDER BY hour"
)


@dataclass(frozen=True, slots=True)
class HourOutcome:
    """Attempts that began in one hour (UTC) and ended alike."""

    hour: datetime
    outcome: str
    attempts: int


class Activity(LedgerPart):
    """Reads of the dashboards' views."""

    def outcomes_by_hour(self, since: datetime) -> list[HourOutcome]:
        """Attempts by hour and outcome, oldest first, from the hour of `since` on."""
        hour = utc(since).replace(minute=0, second=0, microsecond=0)
        with reading(self.engine) as connection:
            rows = connection.execute(_SINCE, {"since": literal(self.engine.dialect.name, hour)})
            return [HourOutcome(parsed(start), outcome, count) for start, outcome, count in rows]
