"""A clock that only tests move, and gates that live by it on a real Valkey."""

import heapq
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import redis

from gong_views.names import Lane
from gong_worker.domain.outcomes import Delivered, Outcome
from gong_worker.gate import Gate, GateSettings, Go, Slot
from gong_worker.gate.clock import Clock
from gong_worker.gate.scripts import KEYS

# A moment well inside a five-minute bucket, an hour and a UTC day.
START_US = 1_800_000_123_456_789

# As many slots at once as a test wants.
FAR = GateSettings(reserve_ahead_seconds=1000)


class FakeClock(Clock):
    """Local and Redis's clock in one; sleeping moves both."""

    def __init__(self) -> None:
        self.elapsed_us = 0
        # How far Redis's clock has been set away from ours since.
        self.redis_offset_us = 0

    def monotonic(self) -> float:
        return 1000.0 + self.elapsed_us / 1e6

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def redis_now(self) -> int:
        return START_US + self.elapsed_us + self.redis_offset_us

    def advance(self, seconds: float) -> None:
        self.elapsed_us += round(max(0.0, seconds) * 1e6)

    def until(self, moment: float) -> None:
        """Advance to a local time, unless it is past (a microsecond more, for rounding)."""
        self.advance(moment - self.monotonic() + 1e-6)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.redis_now() / 1e6, UTC)


def no_history(_since: datetime) -> Iterable[tuple[datetime, int]]:
    """A ledger without calls."""
    return ()


class World:
    """One Redis, one clock, as many gates as wanted."""

    def __init__(self, url: str) -> None:
        self.clock = FakeClock()
        self.redis = redis.Redis.from_url(url)

    def gate(
        self,
        settings: GateSettings | None = None,
        *,
        credential: str = "one",
        target: str = "gong",
        name: str = "worker",
        history: Callable[[datetime], Iterable[tuple[datetime, int]]] = no_history,
    ) -> Gate:
        return Gate(
            self.redis, settings or GateSettings(), history=history,
            credential=credential, target=target, name=name, clock=self.clock,
        )  # fmt: skip

    def slot(self, gate: Gate, key: str = "event", lane: Lane = Lane.LIVE) -> Slot:
        answer = gate.acquire(lane, key)
        assert isinstance(answer, Slot), answer
        return answer

    def go(self, gate: Gate, key: str = "event", lane: Lane = Lane.LIVE) -> Slot:
        """A confirmed slot, its time come."""
        slot = self.slot(gate, key, lane)
        self.clock.until(slot.at)
        answer = gate.confirm(slot)
        assert isinstance(answer, Go), answer
        return slot

    def call(self, gate: Gate, outcome: Outcome | None = None, key: str = "event", late: float = 0.0) -> Slot:
        """One whole call."""
        slot = self.go(gate, key)
        gate.report(slot, key, outcome or Delivered(200), written_late_seconds=late)
        return slot


def snapshot(world: World) -> dict[str, bytes]:
    """What a replica has at this moment."""
    return {key: data for key in KEYS if (data := world.redis.dump(key))}


def restore(world: World, kept: dict[str, bytes]) -> None:
    """The replica takes over."""
    world.redis.flushall()
    for key, data in kept.items():
        world.redis.restore(key, 0, data)


def shortest_window(arrivals: list[float], count: int) -> float:
    """The shortest time that holds `count` + 1 arrivals."""
    ordered = sorted(arrivals)
    spans = (late - early for early, late in zip(ordered, ordered[count:], strict=False))
    return min(spans, default=float("inf"))


class Simulation:
    """Workers as events on the fake clock, so that thousands of calls take no wall-clock time.

    Each worker acquires, comes back at its slot plus `wake()`, is granted, writes `write()` after the granted
    moment and arrives `network()` later, when `server` says what is answered; that comes after the same again and
    `answer()`. Then it begins anew, if it is `endless`.
    """

    def __init__(
        self, world: World, gate: Gate, lane: Lane, server: Callable[[float], Outcome] | None = None,
        *, endless: bool = True, **delays: Callable[[], float],
    ) -> None:  # fmt: skip
        self.world, self.gate, self.lane, self.endless = world, gate, lane, endless
        self.server = server or (lambda _moment: Delivered(200))
        self.delays = delays
        self.arrivals: list[float] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def at(self, moment: float, action: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (moment, self._number, action))

    def run(self, workers: int, seconds: float) -> list[float]:
        clock = self.world.clock
        end = clock.monotonic() + seconds
        for _ in range(workers):
            self.at(clock.monotonic(), self._acquire)
        while self._events and self._events[0][0] <= end:
            moment, _, action = heapq.heappop(self._events)
            clock.until(moment)
            action()
        return self.arrivals

    def _delay(self, name: str) -> float:
        return self.delays[name]() if name in self.delays else 0.0

    def _acquire(self) -> None:
        answer = self.gate.acquire(self.lane, "event")
        if isinstance(answer, Slot):
            self.at(answer.at + self._delay("wake"), lambda: self._grant(answer))
        else:
            back = self.world.clock.monotonic() + answer.retry_in_seconds
            self.at(back + self._delay("wake"), self._acquire)

    def _grant(self, slot: Slot) -> None:
        if not isinstance(self.gate._grant(slot), Go):
            self._acquire()
            return
        written = max(slot.at, self.world.clock.monotonic()) + self._delay("write")
        there = self._delay("network")
        self.at(written + there, lambda: self._arrive(slot, written, written + there))

    def _arrive(self, slot: Slot, written: float, moment: float) -> None:
        self.arrivals.append(moment)
        outcome = self.server(moment)
        back = self._delay("network") + self._delay("answer")
        late, reply = written - slot.at, moment - written + back
        self.at(moment + back, lambda: self._report(slot, outcome, late, reply))

    def _report(self, slot: Slot, outcome: Outcome, late: float, reply: float) -> None:
        self.gate.report(slot, "event", outcome, written_late_seconds=late, reply_seconds=reply)
        if self.endless:
            self._acquire()
