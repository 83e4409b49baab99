"""Running the scripts: one round trip each, every Redis failure becomes GateUnavailable."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

import redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from gong_worker.gate.clock import Clock, RedisClock
from gong_worker.gate.trouble import GateUnavailable, trouble_of
from gong_worker.packed_scripts import PackedScript, run

PREFIX: Final = "{gong-views.gate}:"
KEYS: Final = tuple(
    PREFIX + name
    for name in (
        "state", "limits", "day", "sent", "failing", "rejected", "holds", "rebuild",
        "worked", "refused", "at_fault", "returned", "rejected_by", "part_holds",
    )
)  # fmt: skip
# What the scripts share, in the order in which each part builds on those before it.
_SHARED: Final = ("state", "pace", "day", "holds", "clock")
_ALONE: Final = {"register"}
_READING: Final = {"peek", "status"}


@cache
def source(name: str) -> str:
    """The text of a script; all but `register` follow the shared parts.

    The first line declares it (Redis 7 and later): what takes, paces or ends a call runs in a full Redis too, so
    that a backlog drains; what only looks is answered by a read-only one.
    """
    folder = files("gong_worker.gate") / "lua"
    parts = (name,) if name in _ALONE else (*_SHARED, name)
    reading = name in _READING
    head = (
        f"#!lua flags={'no-writes' if reading else 'allow-oom'}\nlocal READ_ONLY = {str(reading).lower()}\n"
    )
    return head + "".join((folder / f"{part}.lua").read_text("utf-8") for part in parts)


@cache
def _packed(name: str) -> PackedScript:
    return PackedScript(source(name), KEYS, arguments=1)


class Scripts:
    """The scripts as one process runs them: its Redis, its fingerprints, its clock."""

    def __init__(self, client: "redis.Redis", credential: str, target: str, clock: Clock) -> None:
        self._redis = client
        self._fingerprints = {"credential": credential, "target": target}
        self._clock = clock
        self.redis_clock = RedisClock()
        self.round_trips = 0

    def run(self, name: str, **arguments: object) -> list[str]:
        """The reply of script `name`, as texts: verb, Redis's time in microseconds, the rest.

        arguments: what the head of the script names; None stands for a missing one.

        Raises:
            GateUnavailable: whatever kept Redis from deciding.
        """
        argument = self._argument(arguments)
        try:
            sent = self._clock.monotonic()
            self.round_trips += 1
            [reply] = run(self._redis, _packed(name).packed(argument))
            if isinstance(reply, NoScriptError):
                self.round_trips += 1
                sent = self._clock.monotonic()
                reply = self._redis.eval(source(name), len(KEYS), *KEYS, argument)
            received = self._clock.monotonic()
            if isinstance(reply, ResponseError):
                raise reply
        except (RedisError, OSError) as error:
            # Only the kind of error: a Redis URL in its text may carry a password.
            raise GateUnavailable(trouble_of(error), f"{name}: {type(error).__name__}") from error
        texts = texts_of(reply)
        if int(texts[1]):
            self.redis_clock.observe(sent, received, int(texts[1]))
        return texts

    def command(self, name: str, **arguments: object) -> bytes:
        """Script `name` packed, for whoever sends it together with other commands."""
        self.round_trips += 1
        return _packed(name).packed(self._argument(arguments))

    def _argument(self, arguments: dict[str, object]) -> str:
        told = {**self._fingerprints, "now": self._clock.redis_now(), **arguments}
        return json.dumps({key: value for key, value in told.items() if value is not None})


def texts_of(reply: list[Any]) -> list[str]:
    """A script's reply as texts."""
    return [item.decode() if isinstance(item, bytes) else str(item) for item in reply]
