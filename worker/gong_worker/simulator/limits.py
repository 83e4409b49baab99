"""The company's limits, enforced under the strictest reading: a sliding second, and a day of either kind."""

import math

from gong_worker.simulator.config import SimulatorConfig
from gong_worker.simulator.windows import SlidingWindow

DAY_SECONDS = 86_400


class Limits:
    """Says of each arriving call whether it is within the limits. Clocks are passed in."""

    def __init__(self) -> None:
        self._second = SlidingWindow(1.0)
        self._rolling_day = SlidingWindow(DAY_SECONDS)
        self._calendar: tuple[int, int] = (0, 0)

    def arrive(self, monotonic: float, wall: float, config: SimulatorConfig) -> int | None:
        """Count a call; None when it is allowed, otherwise the Retry-After in seconds."""
        day, used = self._calendar
        today = self._day_of(wall, config)
        used = used if today == day else 0
        refusal = self._refusal(monotonic, wall, used, config)
        if refusal is None or config.refused_calls_count:
            self._second.add(monotonic)
            self._rolling_day.add(wall)
            used += 1
        self._calendar = (today, used)
        return refusal

    def _refusal(self, monotonic: float, wall: float, used: int, config: SimulatorConfig) -> int | None:
        if config.per_day is not None:
            if config.day == "rolling":
                over = self._rolling_day.would_hold(wall) > config.per_day
                free_in = self._rolling_day.free_in(wall, config.per_day) if over else 0.0
            else:
                over = used >= config.per_day
                free_in = DAY_SECONDS - (wall + config.day_offset_hours * 3600) % DAY_SECONDS
            if over:
                return math.ceil(free_in) if config.retry_after_day is None else config.retry_after_day
        if config.per_second is not None and self._second.would_hold(monotonic) > config.per_second:
            return config.retry_after
        return None

    def restore(self, monotonic: float, wall: float, refused: bool, config: SimulatorConfig) -> None:
        """Count a call of the log again, as it was counted when it came."""
        if refused and not config.refused_calls_count:
            return
        self._second.add(monotonic)
        self._rolling_day.add(wall)
        today = self._day_of(wall, config)
        day, used = self._calendar
        self._calendar = (today, used + 1 if today == day else 1)

    @staticmethod
    def _day_of(wall: float, config: SimulatorConfig) -> int:
        return int((wall + config.day_offset_hours * 3600) // DAY_SECONDS)
