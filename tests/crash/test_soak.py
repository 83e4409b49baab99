"""The soak, short and with a fixed seed; `make soak MINUTES=10` runs as long as you like."""

from tests.soak.run import Plan, run
from tests.soak.schedule import PAUSE, kinds_of, schedule


def test_a_short_soak() -> None:
    """Twenty seconds of overlapping faults: every law holds, and the reconciliation is exact."""
    run(Plan(seconds=18, seed=3, workers=2, events=180))


def test_a_seed_draws_the_same_strikes() -> None:
    """A run can be repeated by its seed, strike by strike; every kind of fault comes."""
    for ledger in ("postgresql", "sqlite"):
        strikes = schedule(5, 240, ledger)
        assert strikes == schedule(5, 240, ledger) != schedule(6, 240, ledger)
        assert {strike.name for strike in strikes} == {
            name for lane in PAUSE for name in kinds_of(lane, ledger)
        }
