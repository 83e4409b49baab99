"""Two weeks of made-up events in a ledger, the same ones each time."""

import random
from datetime import timedelta

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.domain.states import DeadLetterReason, Resolution
from gong_worker.ledger import Claim, Ledger
from tests.integration.ledger.support import ask, at, claimed, dead_letter_event, deliver, open_ids, result

DAYS = 14
SYSTEMS = ["content-hub", "crm-sync", "deal-rooms"]
HOUR = 3600.0
# `at` counts from noon.
BEGIN = at(-12 * HOUR)
END = BEGIN + timedelta(days=DAYS)


def write_history(ledger: Ledger) -> None:
    """Working hours and quiet week-ends, an import in the bulk lane, a day with many refusals, one with many 429s."""
    chance = random.Random(11)
    for hour in range(DAYS * 24):
        day, of_day = divmod(hour, 24)
        busy = 1.0 if 8 <= of_day < 19 else 0.15
        busy *= 0.25 if (BEGIN + timedelta(days=day)).weekday() >= 5 else 1.0
        for number in range(round(busy * chance.uniform(8, 16))):
            system = chance.choices(SYSTEMS, (6, 3, 2))[0]
            refused = 0.35 if day == 9 and system == "crm-sync" else 0.015
            _event(ledger, chance, f"{hour}-{number}", system, Lane.LIVE, hour, day, refused)
        if day in (3, 4) and of_day >= 20:
            for number in range(25):
                _event(ledger, chance, f"bulk-{hour}-{number}", "deal-rooms", Lane.BULK, hour, day, 0.02)
    letters = open_ids(ledger)
    ledger.mark_discarded(letters[::3], "ops", at(DAYS * 24 * HOUR))


def _event(
    ledger: Ledger,
    chance: random.Random,
    name: str,
    system: str,
    lane: Lane,
    hour: int,
    day: int,
    refused: float,
) -> None:
    begin = (hour - 12 + chance.random()) * HOUR
    waits = chance.lognormvariate(0.2, 0.9) if lane is Lane.LIVE else chance.uniform(300, 2400)
    key = EventKey(system, name)
    claim = claimed(ledger, name, begin + waits, key=key, lane=lane, enqueued=begin)
    end = begin + waits + chance.uniform(0.1, 0.6)
    kind = chance.random()
    if kind < refused:
        dead_letter_event(ledger, claim, end)
    elif kind < refused + 0.004:
        _exhausted(ledger, claim, end)
    else:
        if kind > (0.8 if day == 10 else 0.97):
            outcome, status = ("throttled", 429) if day == 10 else ("server_error", 503)
            number = ledger.begin_attempt(claim, now=at(end))
            ledger.defer(
                claim, number, result(outcome, end, status), now=at(end), next_attempt_at=at(end + 20),
                spent=outcome != "throttled",
            )  # fmt: skip
            end += 25
            claim = claimed(ledger, name, end, key=key, lane=lane, enqueued=begin)
        if chance.random() < 0.03:
            number = ledger.begin_attempt(claim, now=at(end))
            ledger.complete(
                claim, number, result("already_reported", end, 409), now=at(end),
                resolution=Resolution.ALREADY_REPORTED, integration_id=None,
            )  # fmt: skip
        else:
            deliver(ledger, claim, end)
        if chance.random() < 0.05:
            ask(ledger, f"{name}-again", end + 60, key=key, lane=lane, enqueued=end + 50)


def _exhausted(ledger: Ledger, claim: Claim, end: float) -> None:
    number = ledger.begin_attempt(claim, now=at(end))
    ledger.dead_letter_event(
        claim, number, result("server_error", end, 500), now=at(end), reason=DeadLetterReason.EXHAUSTED,
        errors=["500"], payload={},
    )  # fmt: skip
