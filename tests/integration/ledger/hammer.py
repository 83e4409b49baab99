"""One process of the concurrency test: THREADS threads bring the same events, each with messages of its own.

Usage: hammer.py URL NAME KEYS. Prints, as JSON, the keys that this process was given.
"""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from gong_views import EventKey
from gong_worker.domain.states import Resolution
from gong_worker.ledger import AlreadyHandled, Claimed, Ledger, open_engine
from tests.integration.ledger.support import ask, at, result

THREADS = 8


def bring(ledger: Ledger, name: str, keys: int) -> list[str]:
    """Take every event to its end, however often it is busy; returns the ones claimed."""
    won = []
    for number in range(keys):
        key = EventKey("crm", f"e{number}")
        while not isinstance(answer := ask(ledger, f"{name}-{number}", key=key), AlreadyHandled):
            if isinstance(answer, Claimed):
                won.append(key.event_id)
                call = ledger.begin_attempt(answer.claim, now=at(1))
                ledger.complete(
                    answer.claim,
                    call,
                    result("delivered"),
                    now=at(2),
                    resolution=Resolution.ACCEPTED,
                    integration_id=1,
                )
    return won


def main() -> None:
    url, name, keys = sys.argv[1], sys.argv[2], int(sys.argv[3])
    ledger = Ledger(open_engine(url))
    start = threading.Barrier(THREADS)

    def run(thread: int) -> list[str]:
        start.wait()
        return bring(ledger, f"{name}-{thread}", keys)

    ledger.ping()
    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(THREADS) as pool:
        won = [key for keys_won in pool.map(run, range(THREADS)) for key in keys_won]
    print(json.dumps(won))


if __name__ == "__main__":
    main()
