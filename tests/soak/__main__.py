"""`python -m tests.soak`: see `--help`."""

import argparse
import random
import sys

from tests.soak.run import Plan, run
from tests.soak.strikes import KINDS


def main() -> int:
    """Run one soak; 0 when every law held."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--seed", type=int, help="of an earlier run, to repeat its strikes; default: a new one"
    )
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--events", type=int, help="default: 600 a minute")
    parser.add_argument("--ledger", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--only", action="append", default=[], choices=sorted(KINDS), help="strike with this")
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(1_000_000) if given.seed is None else given.seed
    events = given.events or round(600 * given.minutes)
    plan = Plan(given.minutes * 60, seed, given.workers, events, given.ledger, tuple(given.only))
    try:
        run(plan, lambda text: print(text, flush=True))
    except AssertionError as error:
        print(f"\nA LAW IS BROKEN (repeat with --seed {seed} --minutes {given.minutes:g}):\n{error}")
        return 1
    print(f"\nevery law held; seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
