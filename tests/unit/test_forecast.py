"""The drain forecast follows the day's buckets, the reserve and the present rate."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from gong_worker.domain.forecast import BUCKET_LIFE_SECONDS, Batch, Budget, finished_at, paced

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
LIFE = timedelta(seconds=BUCKET_LIFE_SECONDS)


def budget(**changes: object) -> Budget:
    return Budget(**({"now": NOW, "per_day": 9_500, "spent": ()} | changes))  # type: ignore[arg-type]


def steps(*rates: tuple[float, float]) -> tuple[tuple[datetime, float], ...]:
    """Calls/s from so many seconds on."""
    return tuple((NOW + timedelta(seconds=after), rate) for after, rate in rates)


def seconds(
    calls: int, of: Budget, rates: tuple[tuple[datetime, float], ...] = steps((0, 3.0)), **options: datetime
) -> float:
    return after(finished_at([Batch(calls, rates)], of, **options))


def after(end: datetime | None) -> float:
    assert end is not None
    return (end - NOW).total_seconds()


def test_within_the_day_the_rate_decides() -> None:
    """What the day still allows takes as long as the rate wants; nothing takes no time."""
    assert seconds(0, budget()) == 0
    assert seconds(900, budget()) == pytest.approx(300, abs=0.01)
    assert seconds(9_500, budget()) == pytest.approx(9_500 / 3, abs=0.01)


def test_the_day_decides_by_its_buckets_not_by_an_average() -> None:
    """One call more than the day allows waits until the first calls of the day are a day old."""
    assert seconds(9_501, budget()) == pytest.approx(BUCKET_LIFE_SECONDS + 1 / 3, abs=0.01)
    # 9,400 calls of 6 hours ago: 100 go at once, the next when those are a day old.
    spent = ((NOW - timedelta(hours=6), 9_400),)
    expiry = (NOW - timedelta(hours=6) + LIFE - NOW).total_seconds()
    assert seconds(100, budget(spent=spent)) == pytest.approx(100 / 3, abs=0.01)
    assert seconds(101, budget(spent=spent)) == pytest.approx(expiry + 1 / 3, abs=0.01)
    # The calls made at first count too: the last of three days' calls comes on the third day.
    assert 2 * 86_400 < seconds(28_500, budget()) < 2 * 86_400 + 2 * 360 + 9_500 / 3 + 1


def test_a_lowered_rate_grows_back() -> None:
    """After a 429 the calls take longer, until the rate is whole again, step by step."""
    slow = steps((0, 1.0), (30, 2.0), (35, 3.0))
    assert seconds(30, budget(), slow) == pytest.approx(30, abs=0.01)
    assert seconds(340, budget(), slow) == pytest.approx(35 + (340 - 30 - 10) / 3, abs=0.01)
    # Growing while nothing is called: a hold, and a day that is spent.
    assert seconds(300, budget(), slow, not_before=NOW + timedelta(seconds=40)) == pytest.approx(
        140, abs=0.01
    )


def test_live_goes_before_bulk() -> None:
    """What is made at another pace comes after, and counts to the same day."""
    batches = [Batch(300, steps((0, 3.0))), Batch(200, steps((0, 1.0), (110, 2.0)))]
    done = after(finished_at(batches, budget()))
    assert done == pytest.approx(110 + (200 - 10) / 2, abs=0.01)
    done = after(finished_at(batches, budget(per_day=400)))
    assert done > 86_400


def test_a_hold_comes_first() -> None:
    """Nothing is made before a hold's end."""
    end = NOW + timedelta(hours=1)
    assert seconds(30, budget(), not_before=end) == pytest.approx(3_610, abs=0.01)
    assert seconds(30, budget(), not_before=NOW - timedelta(hours=1)) == pytest.approx(10, abs=0.01)


def test_a_backlog_of_years_is_simulated_at_once() -> None:
    """A million calls, 105 days of them, take a fraction of a second to foretell."""
    began = time.process_time()
    assert seconds(1_000_000, budget()) > 100 * 86_400
    assert time.process_time() - began < 2


@pytest.mark.parametrize(("rate", "per_day"), [(1e-300, 10_000), (1e-5, 10_000), (3.0, 1), (3.0, 0)])
def test_an_end_beyond_five_years_is_none(rate: float, per_day: int) -> None:
    """A limit that lets next to nothing through gives no end, at once, instead of a simulation without one."""
    assert finished_at([Batch(5_000, steps((0, rate)))], budget(per_day=per_day)) is None


def test_the_pace_keeps_the_margin() -> None:
    """Whole calls in a window and the margin."""
    assert paced(3, 1.0, 0.03) == pytest.approx(3 / 1.03)
    assert paced(1, 2.0, 0.1) == pytest.approx(1 / 2.1)
