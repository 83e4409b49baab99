"""A company whose limit several integrations share: what another one sends, and what the server answers."""

import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

# Arrivals: the moment in seconds, and whether the call was accepted.
Calls = list[tuple[float, bool]]
# What the other integration sends: the moments of its calls, in seconds.
Pattern = Callable[[random.Random], Iterator[float]]


def none(_dice: random.Random) -> Iterator[float]:
    """No call."""
    return iter(())


def poisson(per_second: float) -> Pattern:
    """Calls at random, independent of each other."""

    def moments(dice: random.Random) -> Iterator[float]:
        return itertools.accumulate(dice.expovariate(per_second) for _ in itertools.count())

    return moments


def regular(per_second: float) -> Pattern:
    """Evenly spaced calls, from a moment of their own."""

    def moments(dice: random.Random) -> Iterator[float]:
        return itertools.count(dice.random(), 1 / per_second)

    return moments


def bursts(calls: int, every_seconds: float) -> Pattern:
    """So many calls within half a second, again and again."""

    def moments(dice: random.Random) -> Iterator[float]:
        starts = itertools.count(dice.random() * every_seconds, every_seconds)
        return (start + number * 0.5 / calls for start in starts for number in range(calls))

    return moments


PATTERNS: dict[str, Pattern] = {
    "none": none,
    "0.2/s Poisson": poisson(0.2),
    "1/s regular": regular(1),
    "1/s Poisson": poisson(1),
    "10 per 30 s": bursts(10, 30),
}


@dataclass
class Server:
    """Accepts `limit` calls in any sliding second; refused ones are not counted. Remembers who came when.

    again: what the other integration tries again.
    """

    limit: int
    ours: Calls = field(default_factory=list)
    theirs: Calls = field(default_factory=list)
    again: Calls = field(default_factory=list)
    _accepted: deque[float] = field(default_factory=deque)

    def take(self, moment: float, calls: Calls) -> bool:
        """A call arrives; whether it is accepted."""
        while self._accepted and moment - self._accepted[0] >= 1.0:
            self._accepted.popleft()
        good = len(self._accepted) < self.limit
        if good:
            self._accepted.append(moment)
        calls.append((moment, good))
        return good


@dataclass(frozen=True)
class Cell:
    """What came of one pattern.

    seconds: from when on both are counted, to the end.
    """

    limit: int
    seconds: float
    ours: Calls
    theirs: Calls

    @property
    def per_second(self) -> float:
        """Our accepted calls a second."""
        return sum(good for _, good in self.ours) / self.seconds

    @property
    def of_the_rest(self) -> float:
        """Our accepted calls ÷ what the limit leaves beside what the other one sends."""
        return self.per_second / (self.limit - len(self.theirs) / self.seconds)

    @property
    def refused(self) -> float:
        """The part of our calls that is refused."""
        return sum(not good for _, good in self.ours) / len(self.ours) if self.ours else 0.0

    @property
    def theirs_accepted(self) -> float | None:
        """The part of the other one's calls that is accepted, without its trying again."""
        return sum(good for _, good in self.theirs) / len(self.theirs) if self.theirs else None


def mean_row(cells: list[Cell]) -> str:
    """The figures of a table's row, each the mean of the cells."""

    def mean(figure: Callable[[Cell], float | None]) -> float | None:
        found = [value for value in map(figure, cells) if value is not None]
        return sum(found) / len(found) if found else None

    theirs = mean(lambda cell: cell.theirs_accepted)
    return (
        f"| {mean(lambda cell: cell.per_second):.2f} | {mean(lambda cell: cell.of_the_rest):.3f} "
        f"| {100 * (mean(lambda cell: cell.refused) or 0):.1f} | {'–' if theirs is None else f'{theirs:.2f}'} |"
    )
