"""Parts of the traffic that are held: which, why, and the messages that are set aside for them.

A worker that takes a message of a held part sets it aside, in a list of the part's own, where it is in nobody's way.
When the hold is over, workers put the messages back into their lanes, behind what waits there.
"""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import cast

import redis

from gong_views.names import DROPPING_KEY, HELD_PARTS_KEY, PART_HOLDS_KEY
from gong_worker.domain.holds import HoldReason
from gong_worker.domain.parts import Part, PartKind
from gong_worker.queue.inspect import held_list

log = logging.getLogger(__name__)

RETURNED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class PartHold:
    """One part that is held, or whose messages are on their way back. `until` None: until it is released."""

    part: Part
    reason: HoldReason
    note: str
    by: str | None
    since: datetime
    until: datetime | None
    messages: int
    """How many are set aside for it."""


def read_part_holds(client: redis.Redis) -> list[PartHold]:
    """The holds that stand, by part. Raises RedisError."""
    with client.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.hgetall(PART_HOLDS_KEY)
        pipe.hgetall(HELD_PARTS_KEY)
        (seconds, _), holds, counts = pipe.execute()
    found = []
    for name, raw in cast(dict[bytes, bytes], holds).items():
        entry = json.loads(raw)
        until = entry.get("until")
        if until is None or until > seconds:
            found.append(
                PartHold(
                    Part.of(name),
                    HoldReason(entry["reason"]),
                    entry["note"],
                    entry.get("by"),
                    datetime.fromtimestamp(entry["since"], UTC),
                    None if until is None else datetime.fromtimestamp(until, UTC),
                    int(counts.get(name, 0)),
                )
            )
    return sorted(found, key=lambda hold: hold.part.name)


def hold_part(client: redis.Redis, part: Part, note: str, by: str, *, for_seconds: float | None) -> None:
    """Hold a part, or replace its hold. Raises RedisError."""
    seconds, micros = client.time()
    now = seconds + micros / 1e6
    entry = {
        "reason": HoldReason.OPERATOR.value,
        "note": note,
        "by": by,
        "since": now,
        "until": None if for_seconds is None else now + for_seconds,
    }
    client.hset(PART_HOLDS_KEY, part.name, json.dumps(entry))


def release_part(client: redis.Redis, part: Part) -> bool:
    """End a part's hold; False when there was none. Raises RedisError."""
    return bool(client.hdel(PART_HOLDS_KEY, part.name))


def drop_held(client: redis.Redis, part: Part) -> int:
    """Hand what is set aside of a part to the workers, as dead letters to be; how many. Raises RedisError."""
    drop = client.register_script(_script("drop_held"))
    keys = [HELD_PARTS_KEY, held_list(part.name), DROPPING_KEY]
    return int(cast(int, drop(keys=keys, args=[part.name])))


def return_released(client: redis.Redis) -> None:
    """Put back messages of parts that are held no longer, some at a time. Raises RedisError."""
    put_back = client.register_script(_script("return_held"))
    for name in cast(dict[bytes, bytes], client.hgetall(HELD_PARTS_KEY)):
        keys = [PART_HOLDS_KEY, HELD_PARTS_KEY, held_list(name)]
        if moved := int(cast(int, put_back(keys=keys, args=[name, RETURNED_AT_ONCE]))):
            facts = {"part": str(Part.of(name)), "count": moved}
            log.info("messages back in their lanes", extra={"action": "part_returned", **facts})


class PartWatch:
    """The held parts as a worker knows them: looked up for every message, read twice a second."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._held: dict[Part, PartHold] = {}

    def refresh(self) -> None:
        """Read them anew, and tell of each that is new or gone. Raises RedisError, and then knows what it knew."""
        held = {hold.part: hold for hold in read_part_holds(self._client)}
        for part in held.keys() - self._held.keys():
            hold = held[part]
            facts = {"part": str(part), "reason": hold.reason.value, "by": hold.by}
            log.warning("part held", extra={"action": "part_held", **facts})
        for part in self._held.keys() - held.keys():
            log.warning("part no longer held", extra={"action": "part_released", "part": str(part)})
        self._held = held

    def holding(self, reporting_system: str, content_id: str) -> Part | None:
        """The held part that an event belongs to, if any."""
        if not self._held:
            return None
        for part in (
            Part(PartKind.REPORTING_SYSTEM, reporting_system),
            Part(PartKind.CONTENT_ID, content_id),
        ):
            if part in self._held:
                return part
        return None


@cache
def _script(name: str) -> str:
    return (files("gong_worker.queue") / "lua" / f"{name}.lua").read_text("utf-8")
