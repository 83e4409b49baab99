"""What goes wrong when: drawn from a seed, so that a run can be repeated fault by fault."""

import random
from dataclasses import dataclass

# Which strikes there are, how often (weight), and how long each lasts (seconds, from and to).
WORKERS: dict[str, tuple[int, tuple[float, float]]] = {
    "kill worker": (4, (0.0, 1.0)),
    "freeze worker": (2, (0.5, 8.0)),
    "stop worker": (2, (0.0, 1.0)),
}
PARTS: dict[str, tuple[int, tuple[float, float]]] = {
    "kill redis": (3, (0.0, 2.0)),
    "freeze redis": (1, (0.5, 7.0)),
    "kill gong": (1, (0.2, 3.0)),
    "gong answers 502": (1, (0.5, 4.0)),
    "gong says 429": (1, (0.5, 1.0)),
    "gong misbehaves": (4, (1.0, 6.0)),
    "operator holds": (1, (0.5, 3.0)),
}
LEDGERS: dict[str, dict[str, tuple[int, tuple[float, float]]]] = {
    "postgresql": {
        "kill postgres": (2, (0.0, 2.0)),
        "postgres refuses": (1, (0.5, 6.0)),
        "postgres read-only": (1, (0.5, 6.0)),
    },
    "sqlite": {"lock sqlite": (3, (0.2, 13.0))},
}
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
        return f"{self.at:7.1f} s  {self.lane:8} {self.name:20} for {self.seconds:4.1f} s  (choice {self.choice})"


def schedule(seed: int, seconds: float, ledger: str) -> list[Strike]:
    """Every strike of a run, two lanes of them that overlap; each kind once before any comes twice."""
    chance = random.Random(f"{seed} {ledger}")
    strikes = []
    for lane, kinds in (("workers", WORKERS), ("parts", {**PARTS, **LEDGERS[ledger]})):
        at, coming = chance.uniform(*PAUSE[lane]), list(kinds)
        chance.shuffle(coming)
        while at < seconds:
            weights = [weight for weight, _ in kinds.values()]
            name = coming.pop() if coming else chance.choices(list(kinds), weights)[0]
            length = min(chance.uniform(*kinds[name][1]), max(0.2, seconds / 6))
            strikes.append(Strike(lane, round(at, 1), name, round(length, 1), chance.randrange(1000)))
            at += length + chance.uniform(*PAUSE[lane])
    return sorted(strikes, key=lambda strike: strike.at)
