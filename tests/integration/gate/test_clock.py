"""Redis's clock on ours: never early, jitter of the connection filtered out, steps noticed."""

import random

import pytest

from gong_worker.gate.clock import RedisClock

OFFSET = 1_800_000_000.0


def observe(clock: RedisClock, sent: float, there: float, back: float, offset: float = OFFSET) -> float:
    """One round trip; returns when the reply came."""
    clock.observe(sent, sent + there + back, round((sent + there + offset) * 1e6))
    return sent + there + back


def test_never_early_and_soon_exact() -> None:
    """With 0-30 ms either way a slot is never mapped early, and after some replies less than 3 ms late."""
    dice = random.Random(1)
    clock = RedisClock()
    now = 100.0
    for number in range(200):
        now = observe(clock, now + 0.3, dice.uniform(0.0001, 0.03), dice.uniform(0.0001, 0.03))
        error = clock.to_local(round((now + 5 + OFFSET) * 1e6)) - (now + 5)
        assert error >= -2e-6
        if number > 60:
            assert error <= 0.003 + 0.3 * 100 * 100e-6


@pytest.mark.parametrize("step", [-3600.0, -0.5, 0.5, 3600.0])
def test_steps_of_redis_clock(step: float) -> None:
    """A Redis clock that was set back or forward, or another Redis, is believed at the next reply."""
    clock = RedisClock()
    now = 100.0
    for _ in range(10):
        now = observe(clock, now + 0.3, 0.001, 0.001)
    now = observe(clock, now + 0.3, 0.001, 0.001, OFFSET + step)
    error = clock.to_local(round((now + 5 + OFFSET + step) * 1e6)) - (now + 5)
    assert -2e-6 <= error <= 0.0012


def test_drift_is_followed() -> None:
    """A Redis clock 50 ppm slower or faster is followed for hours within a millisecond and a half."""
    for drift in (-50e-6, 50e-6):
        clock = RedisClock()
        now = 100.0
        for _ in range(2000):
            now = observe(clock, now + 5, 0.0005, 0.0005, OFFSET + drift * now)
            error = clock.to_local(round((now * (1 + drift) + OFFSET) * 1e6)) - now
            assert -0.0001 <= error <= 0.0016
