"""What goes wrong when: drawn from a seed, so that a run can be repeated fault by fault."""

import random
from collections.abc import Collection
from dataclasses import dataclass

from tests.soak.strikes import KINDS, Kind

# Between the end of one strike and the next of its lane, seconds. A worker takes two to start.
PAUSE = {"workers": (1.0, 6.0), "parts": (0.3, 3.0)}


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault. `at` and `seconds` are counted in seconds; `choice` picks the victim where there are several."""

    lane: str
    at: float
    name: str
    seconds: float
    choice: int

    def __str__(self) -> str:
        return f"{self.at:7.1f} s  {self.lane:8} {self.name:24} for {self.seconds:4.1f} s  (choice {self.choice})"


def kinds_of(lane: str, ledger: str, only: Collection[str] = ()) -> dict[str, Kind]:
    """The strikes that a lane can have on this ledger and this machine: those of `only`, or all with a weight."""
    return {
        kind.name: kind
        for kind in KINDS.values()
        if kind.lane == lane
        and kind.ledger in (None, ledger)
        and kind.possible()
        and (kind.name in only if only else kind.weight)
    }


def schedule(seed: int, seconds: float, ledger: str, only: Collection[str] = ()) -> list[Strike]:
    """Every strike of a run, two lanes of them that overlap; each kind once before any comes twice."""
    chance = random.Random(f"{seed} {ledger}")
    strikes = []
    for lane in PAUSE:
        kinds = kinds_of(lane, ledger, only)
        at, coming = chance.uniform(*PAUSE[lane]), list(kinds)
        chance.shuffle(coming)
        while kinds and at < seconds:
            weights = [kind.weight or 1 for kind in kinds.values()]
            name = coming.pop() if coming else chance.choices(list(kinds), weights)[0]
            length = min(chance.uniform(*kinds[name].seconds), max(0.2, seconds / 6))
            strikes.append(Strike(lane, round(at, 1), name, round(length, 1), chance.randrange(1000)))
            at += length + chance.uniform(*PAUSE[lane])
    return sorted(strikes, key=lambda strike: strike.at)
