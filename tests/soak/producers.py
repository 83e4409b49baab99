"""The producers of a soak run: by library or over HTTP, each enqueue tried until it is confirmed."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from gong_views import QueueUnavailable, ViewQueue
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until
from tests.support.views import view

REFUSED = "refused-"
POISON = "poison-"
POISON_STATUSES = (401, 403, 404)
POISON_SHARE = 0.005
# What Gong says to events of these contents, whenever it is there.
ALWAYS: list[dict[str, Any]] = [
    {"kind": "reject", "times": None, "match": {"contentIdPrefix": REFUSED}},
    *(
        {
            "kind": "status",
            "status": status,
            "times": None,
            "match": {"contentIdPrefix": f"{POISON}{status}-"},
        }
        for status in POISON_STATUSES
    ),
]
Put = Callable[[dict[str, Any], Any], str]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One confirmed enqueue."""

    message_id: str
    event: dict[str, Any]
    lane: str


class Producers:
    """What was enqueued by whom, and what is to become of it."""

    def __init__(self, line: Pipeline, intake_url: str) -> None:
        self.line = line
        self.intake_url = intake_url
        self.confirmed: list[Confirmed] = []
        self.refused: set[str] = set()
        """Events whose content Gong does not take (400)."""
        self.poison: dict[str, int] = {}
        """Events that are answered 401, 403 or 404 whatever the others are."""
        self.held = threading.Lock()
        """Held during each enqueue, and by a strike that must have none under way."""
        self._pause = threading.Event()  # never set: its `wait` is the pause between two events

    def run(self, numbers: range, seed: int, pause_seconds: float, *, over_http: bool) -> None:
        """Enqueue an event a number; some go on the bulk lane, some twice, some will be refused by Gong."""
        chance = random.Random(seed)
        with ViewQueue(self.line.valkey.url) as queue, httpx.Client(trust_env=False, timeout=10) as client:

            def by_library(event: dict[str, Any], lane: str) -> str:
                return queue.enqueue(event, lane).message_id

            def by_http(event: dict[str, Any], lane: str) -> str:
                return self.post(client, event, lane)

            for number in numbers:
                event, lane = self._event(number, chance), "bulk" if chance.random() < 0.3 else "live"
                for _ in range(2 if chance.random() < 0.05 else 1):
                    self.put(by_http if over_http else by_library, event, lane)
                self._pause.wait(pause_seconds)

    def _event(self, number: int, chance: random.Random) -> dict[str, Any]:
        drawn = chance.random()
        if drawn < 0.02:
            event = view(number, contentId=f"{REFUSED}{number}")
            self.refused.add(event["eventId"])
        elif drawn < 0.02 + POISON_SHARE:
            status = POISON_STATUSES[number % len(POISON_STATUSES)]
            event = view(number, contentId=f"{POISON}{status}-{number}")
            self.poison[event["eventId"]] = status
        else:
            event = view(number)
        return event

    def put(self, put: Put, event: dict[str, Any], lane: str) -> None:
        """Try until it is confirmed; each failure may have got through all the same."""
        wait_until(lambda: self._try(put, event, lane), "an enqueue", 120)

    def _try(self, put: Put, event: dict[str, Any], lane: str) -> bool:
        event_id = event["eventId"]
        with self.held:
            try:
                message_id = put(event, lane)
            except (QueueUnavailable, httpx.TransportError):
                self.line.unsure[event_id] += 1
                return False
            self.line.enqueued[event_id] += 1
            self.confirmed.append(Confirmed(message_id, event, lane))
            return True

    def post(self, client: httpx.Client, event: dict[str, Any], lane: str) -> str:
        """One event through the intake; its message id. Raises QueueUnavailable for a 503."""
        answer = client.post(f"{self.intake_url}/v1/views", json=event, params={"lane": lane})
        if answer.status_code == 503:
            raise QueueUnavailable(answer.text)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["accepted"][0]["messageId"])
