"""The gate's settings: the company's limits, and how carefully they are kept."""

from dataclasses import asdict, dataclass, fields

from gong_worker.settings import LEAST_CALLS_PER_SECOND, MOST_CALLS_PER_DAY, MOST_CALLS_PER_SECOND


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Limits and tunables. Raises ValueError that names the setting and the mend.

    calls_per_second: Gong's limit; of 1 and more, whole calls in any sliding second count (2.5 is kept as 2).
    calls_per_day: Gong's limit; `day_reserve` of them are left to the company's other integrations.
    reserve_per_second: whole calls of each second left to the others; bulk_reserve_per_second: by bulk calls, None
        for 1 where the limit is 2 or more, else 0. One call in a window is always ours.
    margin_min_seconds, margin_max_seconds: bounds of what N slots take beyond the window for the way to Gong; the
        jitter measured decides in between. Until eight answers are measured it is the sum of both.
    reserve_ahead_seconds: how far ahead live slots are reserved (two of them at least). A killed process loses these.
    late_max_seconds: a slot that cannot be used within this (or one spacing, if longer) lapses.
    breaker_*: so many different events failing in a row hold the gate for the cooldown, which doubles.
    probe_lease_seconds: a probe of this process that has not reported by then is taken for dead; more than its
        requests take.
    hold_probe_*: when a refused credential or a wrong base URL is tried again with one event, doubling.
    rejections_limit: so many different events refused in a row hold the gate until an operator releases it.
    backoff_*: the wait after a 429 without a usable Retry-After; from the third in a row on it doubles.
    """

    calls_per_second: float = 3.0
    calls_per_day: int = 10_000
    day_reserve: int = 500
    reserve_per_second: int = 0
    bulk_reserve_per_second: int | None = None
    margin_min_seconds: float = 0.008
    margin_max_seconds: float = 0.030
    reserve_ahead_seconds: float = 1.0
    late_max_seconds: float = 0.5
    breaker_threshold: int = 5
    breaker_cooldown_seconds: float = 5.0
    breaker_ceiling_seconds: float = 300.0
    probe_lease_seconds: float = 60.0
    hold_probe_seconds: float = 5.0
    hold_probe_ceiling_seconds: float = 600.0
    rejections_limit: int = 50
    backoff_seconds: float = 2.0
    backoff_ceiling_seconds: float = 60.0

    def __post_init__(self) -> None:
        check_limits(**{name: getattr(self, name) for name in LIMITS})
        if not 0 <= self.margin_min_seconds <= self.margin_max_seconds:
            raise ValueError("margin_min_seconds must lie between 0 and margin_max_seconds")
        for name in ("breaker_threshold", "rejections_limit"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        free = ("margin_min_seconds", "margin_max_seconds", *LIMITS)
        for item in fields(self):
            if item.name not in free and getattr(self, item.name) <= 0:
                raise ValueError(f"{item.name} must be more than 0")

    def texts(self) -> dict[str, str]:
        """Every setting as a text for Redis."""
        return {name: repr(value) for name, value in asdict(self).items()}


# What an operator may set for all workers; the rest is each starter's environment.
LIMITS = (
    "calls_per_second", "calls_per_day", "day_reserve", "reserve_per_second", "bulk_reserve_per_second",
)  # fmt: skip


def check_limits(
    calls_per_second: float,
    calls_per_day: float,
    day_reserve: float,
    reserve_per_second: float = 0,
    bulk_reserve_per_second: float | None = None,
) -> None:
    """ValueError unless these make sense together."""
    if not LEAST_CALLS_PER_SECOND <= calls_per_second <= MOST_CALLS_PER_SECOND:
        raise ValueError(
            f"calls_per_second is {calls_per_second:g}; set it to at least {LEAST_CALLS_PER_SECOND}, at most "
            f"{MOST_CALLS_PER_SECOND}; to make no call, hold the gate"
        )
    if not 1 <= calls_per_day <= MOST_CALLS_PER_DAY:
        raise ValueError(
            f"calls_per_day is {calls_per_day:g}; set it to at least 1, at most {MOST_CALLS_PER_DAY}"
        )
    if not 0 <= day_reserve < calls_per_day:
        raise ValueError(
            f"day_reserve is {day_reserve:g} of {calls_per_day:g} calls a day: nothing would be left to send; "
            "lower day_reserve or raise calls_per_day"
        )
    reserves = {"reserve_per_second": reserve_per_second, "bulk_reserve_per_second": bulk_reserve_per_second}
    for name, reserve in reserves.items():
        if reserve and not 0 <= reserve <= calls_per_second - 1:
            raise ValueError(
                f"{name} is {reserve:g} of {calls_per_second:g} calls a second: not one would be left to send; "
                f"lower {name} or raise calls_per_second"
            )
