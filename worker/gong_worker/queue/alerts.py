"""Which alerts stand and who tells of them: decided in Redis, so that one of all processes does."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from importlib.resources import files
from typing import Any, Final, cast

import redis

from gong_views.names import ALERTS_KEY

#: A process that began to tell is given so long before another one does.
TELLING_SECONDS: Final = 90.0
#: After a failure to tell.
AGAIN_SECONDS: Final = 30.0


class Phase(StrEnum):
    """What there is to tell of an alert."""

    BEGIN = "begin"
    END = "end"


@dataclass(frozen=True, slots=True)
class StandingAlert:
    """An alert that has begun, or waits until its trouble has stood long enough. `target`: see `target_id`."""

    target: str
    key: str
    text: str
    since: datetime
    told: bool


def target_id(address: str) -> str:
    """Tells one address from another without giving it away."""
    return hashlib.sha256(address.encode()).hexdigest()[:8]


class AlertBoard:
    """The alerts of all processes on one Redis. Its methods raise redis.RedisError."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = client.register_script(
            (files("gong_worker.queue") / "lua" / "alert.lua").read_text("utf-8")
        )

    def take_turn(self, name: str, seconds: float) -> bool:
        """Whether this process is the one that looks, of all that ask within `seconds`."""
        key = f"{ALERTS_KEY}.turn.{name}"
        return bool(self._client.set(key, secrets.token_hex(4), nx=True, px=max(1, int(seconds * 1000))))

    def stands(self, target: str, key: str, text: str, after_seconds: float) -> tuple[Phase, datetime] | None:
        """Note that a trouble stands; a phase and since when, if this process is to tell it now."""
        return self._ask(target, key, "stands", after_seconds, TELLING_SECONDS, text)

    def ended(self, target: str, key: str) -> tuple[Phase, datetime] | None:
        """Note that a trouble is over; a phase and since when it stood, if this process is to tell it now."""
        return self._ask(target, key, "ended", 0, TELLING_SECONDS, "")

    def told(self, target: str, key: str, phase: Phase, *, delivered: bool) -> None:
        """What came of telling: done with, or nobody was reached and it is to be tried again."""
        done = "begun" if phase is Phase.BEGIN else "over"
        self._ask(target, key, done if delivered else f"not_{done}", 0, AGAIN_SECONDS, "")

    def standing(self) -> list[StandingAlert]:
        """Every alert noted, the earliest first."""
        found = []
        for field, raw in cast(dict[bytes, bytes], self._client.hgetall(ALERTS_KEY)).items():
            target, _, key = field.decode().partition("|")
            entry = json.loads(raw)
            since = datetime.fromtimestamp(entry["since"], UTC)
            found.append(StandingAlert(target, key, entry.get("text", ""), since, bool(entry["told"])))
        return sorted(found, key=lambda alert: (alert.since, alert.key, alert.target))

    def _ask(
        self, target: str, key: str, what: str, after: float, telling: float, text: str
    ) -> tuple[Phase, datetime] | None:
        run = cast(Callable[..., Any], self._script)
        phase, since = run(keys=[ALERTS_KEY], args=[f"{target}|{key}", what, after, telling, text])
        return (Phase(phase.decode()), datetime.fromtimestamp(float(since), UTC)) if phase else None
