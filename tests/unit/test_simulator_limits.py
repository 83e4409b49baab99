"""Laws of the simulator's windows and limits, on clocks that the tests pass."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from gong_worker.simulator import SimulatorConfig, max_in_sliding_second
from gong_worker.simulator.in_flight import InFlight
from gong_worker.simulator.limits import DAY_SECONDS, Limits
from gong_worker.simulator.windows import SlidingWindow

NOON = 20_000 * DAY_SECONDS + 12 * 3600

# Quarters of a second are exact in binary, so the edges of windows are met exactly.
quarters = st.lists(st.integers(0, 60).map(lambda n: n / 4), max_size=30)


@given(quarters)
def test_max_in_sliding_second_is_the_fullest_window(times: list[float]) -> None:
    """The fullest half-open second is found, whatever the order of the arrivals."""
    brute = max((sum(start <= time < start + 1 for time in times) for start in times), default=0)
    assert max_in_sliding_second(times) == brute


@given(quarters)
def test_window_and_judge_agree(times: list[float]) -> None:
    """The running window's maximum over ordered arrivals is what the judge finds afterwards."""
    window = SlidingWindow(1.0)
    assert max((window.add(time) for time in sorted(times)), default=0) == max_in_sliding_second(times)


def test_slightly_late_stamps_are_put_in_order() -> None:
    """A call stamped a little before the last one still counts, and in its place."""
    window = SlidingWindow(1.0)
    assert [window.add(time) for time in (10.0, 10.002, 10.001)] == [1, 2, 3]
    assert window.would_hold(11.0015) == 2


@given(quarters, st.integers(0, 4))
def test_no_second_ever_holds_more_than_the_limit(times: list[float], limit: int) -> None:
    """Whatever arrives, the calls let through never exceed the limit in any sliding second."""
    limits = Limits()
    config = SimulatorConfig(per_second=limit, per_day=None)
    passed = [time for time in sorted(times) if limits.arrive(time, NOON + time, config) is None]
    assert max_in_sliding_second(passed) <= limit


def test_refused_calls_fill_the_second() -> None:
    """A client that keeps hammering stays out; with refused_calls_count off it gets its share."""
    hammering = [tick / 10 for tick in range(31)]
    for counted, expected in ((True, 3), (False, 10)):
        limits = Limits()
        config = SimulatorConfig(per_second=3, per_day=None, refused_calls_count=counted)
        answers = [limits.arrive(time, NOON + time, config) for time in hammering]
        assert answers.count(None) == expected


def test_rolling_day_says_when_a_call_fits_again() -> None:
    """Over the rolling day a call is refused until the oldest call is 24 h old, and told so in seconds."""
    limits = Limits()
    config = SimulatorConfig(per_second=None, per_day=2, refused_calls_count=False)
    assert limits.arrive(0, NOON, config) is None
    assert limits.arrive(10, NOON + 10, config) is None
    assert limits.arrive(20, NOON + 20.5, config) == DAY_SECONDS - 20
    assert limits.arrive(0, NOON + DAY_SECONDS, config) is None
    assert limits.arrive(0, NOON + DAY_SECONDS + 1, config) == 9


def test_calendar_day_starts_at_midnight_of_its_zone() -> None:
    """A calendar day's count starts again at midnight, which the offset moves."""
    config = SimulatorConfig(per_second=None, per_day=1, day="calendar")
    limits = Limits()
    assert limits.arrive(0, NOON, config) is None
    assert limits.arrive(1, NOON + 1, config) == 12 * 3600 - 1
    assert limits.arrive(2, NOON + 12 * 3600, config) is None
    east = SimulatorConfig(per_second=None, per_day=1, day="calendar", day_offset_hours=2)
    assert Limits().arrive(0, NOON, east) is None
    limits = Limits()
    limits.arrive(0, NOON, east)
    assert limits.arrive(1, NOON + 1, east) == 10 * 3600 - 1


def test_retry_after_settings_win() -> None:
    """The Retry-After of each limit can be set."""
    config = SimulatorConfig(per_second=1, per_day=None, retry_after=7)
    limits = Limits()
    assert [limits.arrive(0, NOON, config), limits.arrive(0.5, NOON, config)] == [None, 7]
    config = SimulatorConfig(per_second=None, per_day=0, retry_after_day=30)
    assert Limits().arrive(0, NOON, config) == 30


def test_restored_calls_count_as_they_did() -> None:
    """Calls counted again from a log fill second, rolling day and calendar day."""
    for settings in ({"per_second": 1}, {"per_day": 1}, {"per_day": 1, "day": "calendar"}):
        config = SimulatorConfig.model_validate({"per_second": None, "per_day": None, **settings})
        limits = Limits()
        limits.restore(0.0, NOON, False, config)
        assert limits.arrive(0.5, NOON + 0.5, config) is not None


def test_a_hang_up_that_is_being_noticed_is_no_second_flight() -> None:
    """A call whose end the loop has yet to process is over; one that goes on is a second call in flight."""

    async def scenario() -> InFlight:
        in_flight = InFlight()
        key = ("tests", "e-1")

        async def hang_up() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            in_flight.leave(key)

        await in_flight.enter(key)
        noticed = asyncio.create_task(hang_up())
        await in_flight.enter(key)
        assert in_flight.concurrent_same_key == 0
        await noticed
        await in_flight.enter(key)
        return in_flight

    assert asyncio.run(scenario()).concurrent_same_key == 1
