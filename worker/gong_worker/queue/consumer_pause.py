"""Pausing the consumer: while the gate is held or the ledger away, the backlog stays in Redis."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

log = logging.getLogger(__name__)


class ConsumerPause:
    """Paused while no message can be delivered; `poll` asks whether the reason has ended."""

    def __init__(self, on_resume: Callable[[], None]) -> None:
        self._on_resume = on_resume
        self._lock = threading.Lock()
        self._until: Callable[[], bool] | None = None
        self._state: tuple[str | None, datetime] = (None, datetime.now(UTC))

    @property
    def paused(self) -> bool:
        """Whether no message is to be popped."""
        return self._until is not None

    @property
    def state(self) -> tuple[str | None, datetime]:
        """Why it is paused (None: it is not), and since when it has been so."""
        return self._state

    def pause(self, why: str, ended: Callable[[], bool]) -> None:
        """Stop taking messages until `ended()` is true; the first reason given counts."""
        with self._lock:
            if self._until is None:
                self._until = ended
                self._state = (why, datetime.now(UTC))
                log.warning("consumer paused", extra={"action": "intake_paused", "reason": why})

    def poll(self) -> None:
        """Ask whether the reason has ended, and if so take messages again. Called twice a second."""
        ended = self._until
        if ended is None or not ended():
            return
        with self._lock:
            self._until = None
            self._state = (None, datetime.now(UTC))
        log.warning("consumer resumed", extra={"action": "intake_resumed"})
        self._on_resume()
