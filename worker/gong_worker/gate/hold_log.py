"""The log of holds: one line when one begins and one when it ends, once per process that sees it."""

import logging
import threading
from collections.abc import Iterable
from datetime import datetime

from gong_worker.domain.holds import HoldReason
from gong_worker.gate.types import HoldView

logger = logging.getLogger("gong_worker.gate")


class HoldLog:
    """The holds this process has told of and not yet told the end of."""

    def __init__(self) -> None:
        self._standing: set[HoldReason] = set()
        self._lock = threading.Lock()

    def began(self, reason: HoldReason, until: datetime | None = None, by: str | None = None) -> None:
        """Tell of a hold unless that is done."""
        with self._lock:
            if reason in self._standing:
                return
            self._standing.add(reason)
        end = until.isoformat(timespec="seconds") if until else None
        logger.warning(
            "gate: held, %s",
            reason.value,
            extra={"action": "gate_held", "reason": reason.value, "until": end, "by": by},
        )

    def compare(self, holds: Iterable[HoldView]) -> None:
        """Tell of every hold that is new, and of the end of each that is gone."""
        now = {hold.reason: hold for hold in holds if hold.mine}
        for hold in now.values():
            self.began(hold.reason, hold.until, hold.by)
        with self._lock:
            ended = sorted(self._standing - now.keys())
            self._standing &= now.keys()
        for reason in ended:
            logger.warning(
                "gate: no longer held, %s",
                reason.value,
                extra={"action": "gate_hold_ended", "reason": reason.value, "open": not now},
            )
