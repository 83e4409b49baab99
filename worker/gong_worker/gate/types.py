"""What the gate answers. Seconds are floats; `at` is this process's `time.monotonic()`; dates are UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gong_views.names import Lane
from gong_worker.domain.holds import HoldReason


@dataclass(slots=True, eq=False)
class Slot:
    """A reserved moment for one call. `confirm` it when its time has come, or `refund` it.

    at: when to come back for `confirm`; after a `Go`, the moment for which the call was planned.
    probe: the only call that is let through while the gate is held.
    """

    at: float
    probe: bool


@dataclass(slots=True, eq=False)
class Reservation(Slot):
    """A slot with what the scripts know it by; only the gate looks at that. Times are Redis's microseconds.

    after: where the next slot begins. granted, confirmed, epoch: of the latest `Go`. lane: whose share of the rate
        it keeps to; a bulk call that live ones have kept waiting for long has a live one's.
    """

    number: int
    token: str
    planned: int
    after: int
    gen: str
    event: str
    lane: Lane = Lane.LIVE
    granted: int = 0
    confirmed: int = 0
    epoch: int = 0

    @classmethod
    def of(cls, slot: Slot) -> "Reservation":
        """The slot as the gate made it."""
        if not isinstance(slot, cls):
            raise TypeError("only slots that `acquire` gave can be used")
        return slot

    def fields(self) -> dict[str, int | str | bool]:
        """What the scripts are told of it."""
        return {
            "number": self.number,
            "name": f"{self.number}:{self.token}",
            "lane": self.lane.value,
            "at": self.planned,
            "after": self.after,
            "gen": self.gen,
            "probe": self.probe,
            "granted": self.granted,
            "confirmed": self.confirmed,
            "epoch": self.epoch,
        }


@dataclass(frozen=True, slots=True)
class Held:
    """No call now. `until` is None when only an operator (or a probe that is out) ends it.

    retry_in_seconds: when asking again can first help; poll `peek` meanwhile, a release may come sooner.
    gives_way: the event was tried last; whichever other event comes first is to probe. Put this one aside for
        `retry_in_seconds` and take the next.
    """

    reason: HoldReason
    until: datetime | None
    retry_in_seconds: float
    gives_way: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing to reserve yet: bulk would get before a live event, or the day is being counted."""

    retry_in_seconds: float


@dataclass(frozen=True, slots=True)
class Go:
    """Write the request now. `at` is the planned moment; lateness is counted from it."""

    at: float


@dataclass(frozen=True, slots=True)
class Lapsed:
    """The slot is not to be used: `late`, `void` (Redis was wiped) or `overtaken` (by another probe)."""

    why: str = ""


@dataclass(frozen=True, slots=True)
class Open:
    """`acquire` would give a slot, or a probe, now."""


@dataclass(frozen=True, slots=True)
class HoldView:
    """One hold that stands. `mine` is False for one on another credential or another base URL.

    until: its end, or for a hold that a probe ends the moment of the next probe; None: until released.
    note, by: what it means, or what the operator who holds wrote, and who that is.
    """

    reason: HoldReason
    until: datetime | None
    since: datetime | None
    mine: bool
    note: str = ""
    by: str | None = None


class LimitOrigin(StrEnum):
    """Where a limit in force comes from."""

    ENVIRONMENT = "environment"  # of the worker that was started last
    OPERATOR = "operator"  # `gong-views limits set`; until it is unset


@dataclass(frozen=True, slots=True)
class LimitView:
    """A limit in force. `by`: the operator who set it, or the process whose environment has it."""

    name: str
    value: float
    origin: LimitOrigin
    by: str


@dataclass(frozen=True, slots=True)
class Probe:
    """The event that probes a held gate, or probed it last.

    event: its key, shortened to 300 characters. answer, at: what it was answered and when; None while it is out.
    """

    event: str
    out: bool
    answer: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Share:
    """What a lane may use of the limit.

    calls: in each window, at present; most: when no call is refused, the reserve taken off.
    growth: when it grows, and to how many, up to `most`, unless a call is refused meanwhile; empty at `most`.
    """

    calls: int
    most: int
    growth: tuple[tuple[datetime, int], ...]


@dataclass(frozen=True, slots=True)
class GateStatus:
    """What an operator sees.

    reason, until: of the first hold: the operator's, then rejections, then the one that lasts longest.
    window_seconds: what `Share` counts calls in: a second, or for a limit below 1/s what one call takes.
    shares: by lane; below the limit by the reserve, and after 429s. throttled_at: the latest 429 that told of others.
    margin_seconds: what N slots take beyond the window at present, following the jitter measured.
    last_24h: calls of the rolling day, up to five minutes more; day_buckets: the same by five-minute bucket.
    """

    now: datetime
    state: str
    reason: HoldReason | None
    until: datetime | None
    note: str | None
    per_second_limit: float
    window_seconds: float
    shares: Mapping[Lane, Share]
    throttled_at: datetime | None
    last_24h: int
    day_buckets: tuple[tuple[datetime, int], ...]
    per_day_limit: int
    per_day_cap: int
    next_slot_in_seconds: float
    spacing_seconds: float
    margin_seconds: float
    failures_in_a_row: int
    rejections_in_a_row: int
    probe: Probe | None
    limits: tuple[LimitView, ...]
    holds: tuple[HoldView, ...]
