"""The register of strikes: each is one function that strikes, lets it last, and mends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.soak.schedule import Strike
    from tests.soak.world import World

Act = Callable[["World", "Strike"], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A strike that can be drawn: how often beside the others, and how long it lasts (seconds, from, to)."""

    name: str
    lane: str
    weight: int
    """0: only when asked for by its name."""
    seconds: tuple[float, float]
    ledger: str | None
    """The only ledger it is for."""
    possible: Callable[[], bool]
    """Whether this machine has what it takes."""
    act: Act


KINDS: dict[str, Kind] = {}


def strike(
    lane: str,
    weight: int,
    shortest: float,
    longest: float,
    *,
    ledger: str | None = None,
    possible: Callable[[], bool] = lambda: True,
) -> Callable[[Act], Act]:
    """Register a function as the strike of its name, underscores read as spaces."""

    def register(act: Act) -> Act:
        name = act.__name__.replace("_", " ")
        KINDS[name] = Kind(name, lane, weight, (shortest, longest), ledger, possible, act)
        return act

    return register
