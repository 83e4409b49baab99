"""Several processes and threads at the same instant."""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from gong_views import EventKey
from gong_worker.ledger import Claimed, Ledger
from tests.integration.ledger.hammer import THREADS
from tests.integration.ledger.support import ask, claimed, ended

KEYS = 12
PROCESSES = 2


def test_two_processes_with_eight_threads_each(ledger: Ledger) -> None:
    """Every event is claimed exactly once and every message ends once; nobody sees a locked database."""
    url = ledger.engine.url.render_as_string(hide_password=False)
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.integration.ledger.hammer", url, name, str(KEYS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    won: Counter[str] = Counter()
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert (err, process.returncode) == ("", 0)
        won.update(json.loads(out))
    assert won == Counter(f"e{number}" for number in range(KEYS))
    counts = ledger.counts()
    assert counts["delivered"] == KEYS
    assert counts["duplicates"] == KEYS * (PROCESSES * THREADS - 1)
    assert ended(ledger) == KEYS * PROCESSES * THREADS
    assert ledger.miscounts() == []


def at_once(count: int, action: "object") -> list[object]:
    """The results of `action(number)` run by `count` threads that start together."""
    start = Barrier(count)

    def run(number: int) -> object:
        start.wait()
        return action(number)  # type: ignore[operator]

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_one_takes_over(ledger: Ledger) -> None:
    """When a lease has run out and several ask at the same instant, one gets the event."""
    for turn in range(5):
        key = EventKey("crm", f"e{turn}")
        claimed(ledger, "gone", key=key)
        answers = at_once(6, lambda number, key=key, turn=turn: ask(ledger, f"m{turn}-{number}", 61, key=key))
        assert sum(isinstance(answer, Claimed) for answer in answers) == 1


def test_renewing_the_same_claims_from_several_threads(ledger: Ledger) -> None:
    """Renewals take their rows in one order, so they never wait for each other in a ring."""
    claims = [claimed(ledger, f"m{n}", key=EventKey("crm", f"e{n}")) for n in range(20)]
    orders = [claims, claims[::-1], claims[10:] + claims[:10]]
    for _ in range(5):
        answers = at_once(3, lambda n: ledger.renew(orders[n], now=claims[0].first_seen_at, lease_seconds=60))
        assert answers == [[], [], []]
