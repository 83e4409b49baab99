"""Alerts: a trouble is told once when it begins and once when it ends, by whichever process is alive.

Every process that has GONG_VIEWS_ALERT_URLS looks; Redis decides which of them tells (gong_worker.queue.alerts). A
process that dies between sending and noting it leaves the alert to the next one: it sends it again, the only case in
which one is told twice, or the end, if the trouble is over by then.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import redis

from gong_views.errors import SettingsError
from gong_worker.alerts_settings import AlertSettings
from gong_worker.domain.alerts import Findings, kind_of
from gong_worker.operations.alert_conditions import look, look_for_drift
from gong_worker.operations.services import Services
from gong_worker.queue.alerts import AlertBoard, Phase, StandingAlert, target_id

log = logging.getLogger(__name__)

#: Looking for drift reads the whole reconciliation: every so many looks at the rest.
LOOKS_A_DRIFT = 20

Send = Callable[[str, str, str], bool]
"""Address, title, text: whether it was delivered. It never raises."""


class AlertWatch:
    """One process's part in the alerts."""

    def __init__(self, services: Services, settings: AlertSettings, send: Send) -> None:
        self._services, self._settings, self._send = services, settings, send
        self._board = AlertBoard(services.client)
        self._targets = {target_id(address): address for address in settings.addresses}

    def run(self) -> None:
        """Look if it is this process's turn, and tell what there is to tell.

        Raises redis.RedisError while Redis is away: without it nobody knows what has been told.
        """
        every = self._settings.interval_seconds
        if self._board.take_turn("look", every * 0.9):
            self._tell(look(self._services, self._settings))
        if self._board.take_turn("drift", every * LOOKS_A_DRIFT):
            self._tell(look_for_drift(self._services))

    def _tell(self, found: Findings) -> None:
        standing = self._board.standing()
        for target, address in self._targets.items():
            for condition in found.conditions:
                due = self._board.stands(target, condition.key, condition.text, condition.after_seconds)
                if due is not None:
                    self._send_one(target, address, condition.key, condition.text, *due)
            mine = {alert.key: alert.text for alert in standing if alert.target == target}
            for key in found.ended(mine):
                due = self._board.ended(target, key)
                if due is not None:
                    self._send_one(target, address, key, mine[key], *due)

    def _send_one(
        self, target: str, address: str, key: str, text: str, phase: Phase, since: datetime
    ) -> None:
        name = (kind_of(key) or key).replace("_", " ")
        title = f"gong-views: {name}" + (" is over" if phase is Phase.END else "")
        began = f"since {since:%Y-%m-%d %H:%M:%S} UTC"
        body = f"{text}\n{began}" if phase is Phase.BEGIN else f"It had stood {began}: {text}"
        delivered = self._send(address, title, body)
        self._board.told(target, key, phase, delivered=delivered)
        facts = {"alert": key, "phase": phase.value, "target": target}
        if delivered:
            log.warning("alert told", extra={"action": "alert_told", **facts})
        else:
            log.error("alert could not be told", extra={"action": "alert_failed", **facts})


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of a test message. `number`: which of the addresses, from 1."""

    number: int
    scheme: str
    target: str
    delivered: bool


def send_test(settings: AlertSettings, send: Send) -> list[Trial]:
    """Send a message to every address; raises SettingsError without any."""
    if not settings.addresses:
        raise SettingsError("no address: set GONG_VIEWS_ALERT_URLS (see docs/alerts.md)")
    title, text = "gong-views: test", "A test message of gong-views: alerts get through."
    return [
        Trial(number, address.partition("://")[0], target_id(address), send(address, title, text))
        for number, address in enumerate(settings.addresses, start=1)
    ]


def standing_alerts(client: redis.Redis) -> list[StandingAlert]:
    """Every alert noted, for each address, the earliest first."""
    return AlertBoard(client).standing()
