"""The very scripts on a real Valkey, with a clock that only the simulation moves: hours in seconds."""

import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from benchmarks._sharing import Calls, Cell, Pattern, Server, none, poisson, regular
from gong_views.names import Lane
from gong_worker.domain.outcomes import Delivered, Outcome, Throttled
from gong_worker.gate import GateSettings
from tests.integration.gate.support import Simulation, World

WARM_UP_SECONDS = 20.0
STRAY_AT_SECONDS, STRAY_SECONDS = 60.0, 60.0


@dataclass
class Company:
    """A server, our gate with a backlog, and another integration; moments count from the start.

    tries_again: the other one repeats a refused call every second until it is accepted.
    """

    url: str
    server: Server
    pattern: Pattern
    lane: Lane = Lane.LIVE
    seed: int = 0
    jitter: float = 0.005
    tries_again: bool = False
    # A call of ours at this moment is refused for no reason.
    stray_at: float | None = None
    # What our share of the limit is, sampled.
    shares: list[tuple[float, int]] = field(default_factory=list)

    def run(self, seconds: float, **settings: int) -> None:
        """Let them call."""
        logging.getLogger("gong_worker.gate").setLevel(logging.ERROR)
        world = World(self.url)
        world.redis.flushall()
        dice, self._start = random.Random(self.seed), world.clock.monotonic()
        limits = GateSettings(calls_per_second=self.server.limit, calls_per_day=100_000_000, **settings)
        self._gate = world.gate(limits)
        self._run = Simulation(
            world, self._gate, self.lane, self._answer,
            network=lambda: dice.uniform(0, self.jitter), write=lambda: dice.uniform(0.0002, 0.001),
            wake=lambda: dice.expovariate(1000),
        )  # fmt: skip
        way = random.Random(self.seed + 2)
        for moment in takewhile(lambda one: one < seconds, self.pattern(random.Random(self.seed + 1))):
            arrived = moment + way.uniform(0, self.jitter)
            self._at(arrived, lambda arrived=arrived: self._other(arrived, self.server.theirs))
        for number in range(int(seconds)):
            self._at(number, lambda number=number: self._sample(number))
        self._run.run(workers=max(4, self.server.limit // 4), seconds=seconds)

    def _at(self, moment: float, action: Callable[[], None]) -> None:
        self._run.at(self._start + moment, action)

    def _answer(self, arrived: float) -> Outcome:
        moment = arrived - self._start
        good = self.server.take(moment, self.server.ours)
        if self.stray_at is not None and moment >= self.stray_at:
            good, self.stray_at = False, None
            self.server.ours[-1] = (moment, False)
        return Delivered(200) if good else Throttled(retry_after_seconds=1.0)

    def _other(self, moment: float, calls: Calls) -> None:
        if not self.server.take(moment, calls) and self.tries_again:
            self._at(moment + 1, lambda: self._other(moment + 1, self.server.again))

    def _sample(self, moment: float) -> None:
        self.shares.append((moment, self._gate.status().shares[self.lane].calls))


def simulate(
    url: str,
    pattern: Pattern,
    seconds: float,
    *,
    lane: Lane,
    seed: int,
    rate: int,
    jitter: float,
    **settings: int,
) -> Cell:
    """One run; both are counted from a short time after the start on."""
    server = Server(rate)
    Company(url, server, pattern, lane, seed=1000 * seed, jitter=jitter).run(seconds, **settings)

    def counted(calls: Calls) -> Calls:
        return [(at, good) for at, good in calls if at >= WARM_UP_SECONDS]

    return Cell(rate, seconds - WARM_UP_SECONDS, counted(server.ours), counted(server.theirs))


def simulate_stray(url: str, *, rate: int) -> float:
    """Calls that one 429 costs within the minute after it: the same minute without it, less this one."""
    made = []
    for stray_at in (None, STRAY_AT_SECONDS):
        server = Server(rate)
        Company(url, server, none, stray_at=stray_at).run(STRAY_AT_SECONDS + STRAY_SECONDS + 1)
        made.append(
            sum(STRAY_AT_SECONDS <= at < STRAY_AT_SECONDS + STRAY_SECONDS for at, _ in server.ours)
            - (stray_at is not None)
        )
    return made[0] - made[1]


BEFORE_SECONDS, DURING_SECONDS, AFTER_SECONDS = 30.0, 150.0, 45.0


def settling(url: str, pattern: Pattern, *, rate: int, seed: int, tries_again: bool) -> tuple[float, float]:
    """Seconds from another one's coming until we hold back, and from its going until all is used again."""
    went = BEFORE_SECONDS + DURING_SECONDS

    def moments(dice: random.Random) -> Iterator[float]:
        during = takewhile(lambda one: one < DURING_SECONDS, pattern(dice))
        return (BEFORE_SECONDS + moment for moment in during)

    company = Company(url, Server(rate), moments, seed=1000 * seed, tries_again=tries_again)
    company.run(went + AFTER_SECONDS)
    first, last = (
        company.server.theirs[0][0],
        max(at for at, _ in company.server.theirs + company.server.again),
    )
    lowered = [at for at, calls in company.shares if calls < rate]
    return min(lowered, default=went) - first, max(0.0, max(lowered, default=last) + 1 - last)


PHASES: list[tuple[str, float, Pattern]] = [
    ("alone", 60, none),
    ("another at 1/s, regular", 120, regular(1)),
    ("alone", 60, none),
    ("another at 1/s, Poisson", 120, poisson(1)),
    ("alone, a stray 429", 90, none),
]


def timeline(url: str, *, rate: int) -> tuple[Server, list[tuple[str, float, float]]]:
    """Phases one after another: the arrivals, and the name, begin and end of each phase."""

    def moments(dice: random.Random) -> Iterator[float]:
        start = 0.0
        for _, seconds, pattern in PHASES:
            for moment in takewhile(lambda one, most=seconds: one < most, pattern(dice)):
                yield start + moment
            start += seconds

    server, phases, start = Server(rate), [], 0.0
    for name, seconds, _ in PHASES:
        phases.append((name, start, start + seconds))
        start += seconds
    Company(url, server, moments, seed=3, tries_again=True, stray_at=start - 45).run(start)
    return server, phases
