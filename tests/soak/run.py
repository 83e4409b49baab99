"""One soak run: parts up, producers and strikes beside each other, drain, the books, a table."""

import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gong_worker.ledger import migrate
from tests.soak.producers import ALWAYS, Producers
from tests.soak.schedule import Strike, schedule
from tests.soak.world import World
from tests.support.books import Books
from tests.support.own_postgres import own_postgres
from tests.support.pipeline import Pipeline
from tests.support.servers import valkey
from tests.support.simulator import simulator_process
from tests.web.served import serving

PRODUCERS = 3
DRAIN_SECONDS = 300.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a run is made of; the same plan draws the same strikes."""

    seconds: float
    seed: int
    workers: int = 3
    events: int = 2000
    ledger: str = "postgresql"
    only: tuple[str, ...] = ()
    """The strikes to draw from; empty: all."""


def run(plan: Plan, say: Say = print) -> Books:
    """Run it; AssertionError when a law is broken."""
    strikes = schedule(plan.seed, plan.seconds, plan.ledger, plan.only)
    say(
        f"seed {plan.seed}: {len(strikes)} strikes in {plan.seconds:g} s, {plan.events} events, {plan.ledger}"
    )
    for strike in strikes:
        say(f"  {strike}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gong-views-soak-")))
        simulator = stack.enter_context(
            simulator_process(
                folder / "calls.jsonl",
                per_second=None,
                per_day=None,
                seed=plan.seed,
                latency_ms=(5, 60),
                faults=ALWAYS,
            )
        )
        postgres = stack.enter_context(own_postgres()) if plan.ledger == "postgresql" else None
        url = postgres.new_database() if postgres else f"sqlite:///{folder}/ledger.db"
        migrate(url)
        server = stack.enter_context(valkey(appendfsync="always"))
        line = Pipeline(folder, server, url, simulator, calls_per_day=1_000_000)
        stack.callback(line.close)
        _, intake_url = stack.enter_context(serving(folder, {"REDIS_URL": server.url}))
        producers = Producers(line, intake_url)
        world = World(line, postgres, producers, workers=plan.workers)
        started = time.monotonic()
        _all_at_once(world, plan, strikes, started, say)
        books, lost = line.books(), world.lost()
        dead, gong_died = producers.refused | set(producers.poison), world.struck["kill gong"] > 0
        line.check(books, dead=dead, lost=len(lost), gong_died=gong_died)
        world.check_poison()
        say(table(books, world, len(lost), time.monotonic() - started))
        return books


def _all_at_once(world: World, plan: Plan, strikes: list[Strike], started: float, say: Say) -> None:
    """Producers and both lanes of strikes; the first exception of any is raised when all have ended."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> threading.Thread:
        def body() -> None:
            try:
                work()
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=body)
        thread.start()
        return thread

    def lane(name: str) -> None:
        for strike in strikes:
            if strike.lane == name and not failures:
                world.wait(max(0.0, started + strike.at - time.monotonic()))
                world.strike(strike)

    pause = plan.seconds * PRODUCERS / plan.events
    threads = [guarded(lambda name=name: lane(name)) for name in ("workers", "parts")]
    for number in range(PRODUCERS):
        numbers = range(number, plan.events, PRODUCERS)
        seed = plan.seed * PRODUCERS + number
        produce = partial(world.producers.run, numbers, seed, pause, over_http=number == 0)
        threads.append(guarded(produce))
    supervisor = guarded(world.supervise)
    for thread in threads:
        thread.join()
    try:
        if not failures:
            say(f"the last strike is over, {world.line.left()} messages are left")
            world.drain(DRAIN_SECONDS)
    finally:
        world.done.set()
        supervisor.join()
    if failures:
        raise failures[0]


def table(books: Books, world: World, lost: int, seconds: float) -> str:
    """The reconciliation and what it went through."""
    found = books.reconciled
    rows: list[tuple[str, object]] = [
        ("messages enqueued", found.enqueued),
        ("  delivered: accepted", found.delivered),
        ("  delivered: already reported", found.already_reported),
        ("  duplicates suppressed", found.duplicates),
        ("  dead letters", found.dead),
        ("    refused for themselves", len(world.producers.poison)),
        ("  missing, told by reconcile", sum(row.missing for row in found.drift)),
        ("  that a stale replica never had", lost),
        ("events accepted by the simulator", len(books.acceptances)),
        ("  more than once", sum(times > 1 for times in books.acceptances.values())),
        ("calls at the simulator", books.calls.total()),
        ("  known to the ledger", books.known_calls.total()),
        ("  of killed workers", books.unknown_calls.total()),
        ("  two in flight for one event", books.stats["concurrent_same_key"]),
        ("enqueues refused to the producer", world.line.unsure.total()),
        ("seconds", f"{seconds:.0f}"),
    ]
    rows += [(f"strike: {name}", times) for name, times in sorted(world.struck.items())]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{width}}  {value!s:>8}" for name, value in rows)
