"""What was done in the last day, for the console's chart."""

from datetime import UTC, datetime, timedelta

from gong_worker.ledger import HourOutcome
from gong_worker.operations.services import Services


def last_day(services: Services) -> list[HourOutcome]:
    """Attempts by hour and outcome, from 23 full hours ago on. Raises LedgerUnavailable."""
    return services.ledger.outcomes_by_hour(datetime.now(UTC) - timedelta(hours=23))
