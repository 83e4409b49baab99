"""Whatever the interleaving of workers, faults, wipes and time: the law holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gong_views.names import Lane
from gong_worker.domain.outcomes import (
    Ambiguous,
    Delivered,
    Outcome,
    Rejected,
    ServerError,
    Throttled,
    Unauthorized,
    Unreachable,
)
from gong_worker.gate import GateSettings, Go, Held, Slot
from tests.integration.gate.support import World, shortest_window
from tests.support.servers import Valkey

JITTER = 0.03
# Seconds since 1970 are floats of a quarter of a microsecond.
ROUNDING = 2e-6
CAP = 12
DAY = 86_400.0
LEASE = 30.0
SETTINGS = GateSettings(
    calls_per_day=CAP + 8, day_reserve=8, margin_min_seconds=JITTER, margin_max_seconds=JITTER,
    breaker_threshold=2, probe_lease_seconds=LEASE,
)  # fmt: skip
OUTCOMES: list[Outcome] = [
    *[Delivered(200)] * 10,
    Rejected(400),
    *[ServerError(500), Ambiguous("timeout")] * 3,
    Unreachable("refused"),
    Unauthorized(401),
    Throttled(),
    Throttled(retry_after_seconds=1.0),
    Throttled(retry_after_seconds=20.0),
]
ACTIONS = ["acquire"] * 8 + ["confirm"] * 8 + ["report"] * 6 + ["wait"] * 3 + ["skip", "refund", "die"]
RARE = ["wipe", "hold", "release", "days"]
STEP = st.tuples(st.sampled_from(ACTIONS * 3 + RARE), st.integers(0, 63), st.integers(0, 63))


@dataclass
class Worker:
    """Where one worker stands: nothing, a slot, or a call that is out."""

    slot: Slot | None = None
    out: bool = False
    leased_at: float = -DAY
    key: str = ""


class Judge:
    """Workers that do anything in any order, and what must hold all the same."""

    def __init__(self, url: str) -> None:
        self.world = World(url)
        self.world.redis.flushall()
        self.clock = self.world.clock
        self.gate = self.world.gate(SETTINGS, history=self.history)
        self.workers = [Worker() for _ in range(6)]
        self.arrivals: dict[Slot, float] = {}
        self.rows: dict[Slot, datetime] = {}
        self.not_before = 0.0
        self.stopped = False
        self.seen: set[str] = set()

    def history(self, since: datetime) -> Iterator[tuple[datetime, int]]:
        for row in self.rows.values():
            if row >= since.replace(second=0, microsecond=0):
                yield row.replace(second=0, microsecond=0), 1

    def step(self, action: str, number: int, more: int) -> None:
        slot, out = action in ("confirm", "report", "refund", "die"), action == "report"
        out = out or (action in ("refund", "die") and more % 2 == 1)
        if action not in ("acquire", "confirm", "report", "refund", "die"):
            getattr(self, action)(number, more)
        elif fitting := [one for one in self.workers if (one.slot is not None) == slot and one.out == out]:
            getattr(self, action)(fitting[number % len(fitting)], more)

    def acquire(self, worker: Worker, more: int) -> None:
        """Anyone idle asks for a slot; a bulk one is never far ahead; no second probe while one is out."""
        lane = Lane.BULK if more % 4 == 0 else Lane.LIVE
        worker.key = f"event {more % 8}"
        answer = self.gate.acquire(lane, worker.key)
        if not isinstance(answer, Slot):
            return
        worker.slot = answer
        if lane is Lane.BULK:
            spacing = self.gate.status().spacing_seconds
            assert answer.at - self.clock.monotonic() <= spacing + 0.01, "bulk far ahead"
        if answer.probe:
            self.seen.add("probe")
            others = [one for one in self.workers if one.slot and one.slot.probe and one is not worker]
            now = self.clock.monotonic()
            assert all(now - one.leased_at >= LEASE - 1e-4 for one in others), "two probes"
            worker.leased_at = now

    def confirm(self, worker: Worker, more: int) -> None:
        """Anyone with a slot confirms it, mostly at its time; the call arrives within the jitter."""
        slot = worker.slot
        assert slot is not None
        if more % 8:
            self.clock.until(slot.at)
        if more % 8 == 1:
            self.clock.advance(0.1)
        self.rows[slot] = self.clock.now
        answer = self.gate._grant(slot)
        self.seen.add(type(answer).__name__)
        if not isinstance(answer, Go):
            del self.rows[slot]
            worker.slot = None
            return
        written = max(slot.at, self.clock.monotonic())
        assert not self.stopped, "a call while an operator holds the gate"
        assert written >= self.not_before, "a call inside Retry-After"
        worker.out = True
        self.arrivals[slot] = written + (more // 8 % 2) * (JITTER - ROUNDING)
        if slot.probe:
            worker.leased_at = self.clock.monotonic()
        if more % 16 == 9:
            # Overslept: planned anew.
            del self.arrivals[slot]
            self.clock.advance(0.05)
            again = self.gate._grant(slot)
            if isinstance(again, Go):
                self.arrivals[slot] = max(slot.at, self.clock.monotonic())
            else:
                del self.rows[slot]
                worker.slot, worker.out = None, False

    def report(self, worker: Worker, more: int) -> None:
        """Any call that is out comes back with anything."""
        slot, worker.slot, worker.out = worker.slot, None, False
        assert slot is not None
        self.clock.until(self.arrivals[slot])
        outcome = OUTCOMES[more % len(OUTCOMES)]
        self.gate.report(slot, worker.key, outcome, written_late_seconds=0.0)
        match outcome:
            case Throttled(retry_after_seconds=float(seconds)):
                self.not_before = max(self.not_before, self.clock.monotonic() + seconds - 1e-5)
            case Unreachable():
                del self.arrivals[slot], self.rows[slot]

    def refund(self, worker: Worker, _more: int) -> None:
        """An orderly stop, before the confirm or between it and the call."""
        slot = worker.slot
        assert slot is not None
        if worker.out and self.arrivals[slot] <= self.clock.monotonic() + JITTER:
            return
        self.arrivals.pop(slot, None)
        self.rows.pop(slot, None)
        self.gate.refund(slot)
        worker.slot, worker.out = None, False

    def die(self, worker: Worker, _more: int) -> None:
        """kill -9: what was out stays made, and nobody reports it. A probe keeps its lease."""
        if worker.slot is not None and not worker.slot.probe:
            worker.slot, worker.out = None, False

    def wait(self, number: int, more: int) -> None:
        self.clock.advance([0.0001, 0.01, 0.05, 0.1, 0.2, 0.33, 0.34, 1.0, 6.0, 31.0][(number + more) % 10])

    def skip(self, _number: int, _more: int) -> None:
        """Until the very moment the gate says it may open."""
        answer = self.gate.peek()
        if isinstance(answer, Held):
            self.seen.add(answer.reason.value)
            self.clock.advance(answer.retry_in_seconds)

    def days(self, number: int, _more: int) -> None:
        self.clock.advance([300, 3600, 40_000, 86_000][number % 4])

    def wipe(self, _number: int, more: int) -> None:
        """FLUSHALL: holds are forgotten, the day and the second are not."""
        if more % 2:
            self.seen.add("wipe")
            self.world.redis.flushall()
            self.not_before, self.stopped = 0.0, False
            self.free_probes()

    def hold(self, _number: int, more: int) -> None:
        if more % 4 == 0:
            self.gate.hold("because", "ann")
            self.stopped = True

    def release(self, _number: int, _more: int) -> None:
        self.gate.release("ann")
        self.stopped = False
        self.free_probes()

    def free_probes(self) -> None:
        for worker in self.workers:
            worker.leased_at = -DAY

    def judge(self) -> None:
        arrivals = list(self.arrivals.values())
        assert shortest_window(arrivals, 3) >= 1.0, "four calls in a second"
        assert shortest_window(arrivals, CAP) >= DAY, "too many calls in a day"


@pytest.mark.timeout(120)
def test_law_under_any_interleaving(valkey_server: Valkey) -> None:
    """No order of acquire, confirm, report, refund, death, wipe, hold and waiting breaks the law."""
    calls, seen = 0, set()

    @settings(
        max_examples=90, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],
    )  # fmt: skip
    @given(st.lists(STEP, min_size=60, max_size=160))
    def anything(steps: list[tuple[str, int, int]]) -> None:
        nonlocal calls
        judge = Judge(valkey_server.url)
        for step in steps:
            judge.step(*step)
        judge.judge()
        calls += len(judge.arrivals)
        seen.update(judge.seen)

    anything()
    # The law must not hold because hardly anything happened.
    assert calls >= 600
    assert seen >= {"Go", "Lapsed", "Held", "probe", "wipe", "retry_after", "breaker", "daily_quota"}


def test_the_judge_can_say_no() -> None:
    """Four arrivals within a second are noticed."""
    assert shortest_window([0.0, 0.3, 0.6, 0.99], 3) < 1.0
    assert shortest_window([0.0, 0.3, 0.6, 1.0], 3) >= 1.0
