"""A Redis that answers and refuses: full, read-only, short of replicas, unable to save. Said once, not at every try."""

import logging
import threading

import redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError

log = logging.getLogger(__name__)

FULL = "OOM"
# What an ordinary write is answered with as well, so that the next accepted one shows the end of it.
_EVERY_WRITE = frozenset({FULL, "READONLY", "NOREPLICAS", "MISCONF"})


def refusal_code(error: redis.ResponseError) -> str:
    """Redis's own code for it, such as OOM, READONLY, NOREPLICAS, MISCONF; nothing else of its text."""
    if isinstance(error, OutOfMemoryError):
        return FULL
    if isinstance(error, ReadOnlyError):
        return "READONLY"
    code = str(error).partition(" ")[0]
    return code if code.isascii() and code.isupper() and len(code) <= 20 else type(error).__name__


class WriteRefusals:
    """Whether Redis refuses what this process writes: one log line when it begins and one when it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self.code: str | None = None
        """Why writes are refused at present; None while they are accepted."""

    def refused(self, error: redis.ResponseError) -> None:
        """A command was refused; the first one is logged."""
        code = refusal_code(error)
        with self._lock:
            if code in _EVERY_WRITE:
                begins, self.code = self.code != code, code
            else:
                begins = code not in self._told
                self._told.add(code)
        if not begins:
            return
        if code not in _EVERY_WRITE:
            log.error(
                "Redis refuses a command of ours; see its code, and whether another application uses our keys",
                extra={"action": "redis_refuses_command", "reason": code},
            )
        else:
            log.error(
                "Redis refuses writes: what is queued is still delivered, new events are refused"
                if code == FULL
                else "Redis refuses writes: no message is taken and no call made until it accepts them again",
                extra={"action": "redis_refuses_writes", "reason": code},
            )

    def accepted(self) -> None:
        """An ordinary write was accepted; the end of a refusal is logged."""
        with self._lock:
            ended, self.code = self.code, None
        if ended is not None:
            log.warning(
                "Redis accepts writes again", extra={"action": "redis_accepts_writes", "reason": ended}
            )
