"""A Redis that gives no answer costs its timeout once, not once for each message or thread."""

import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from gong_views import EventKey
from gong_views.names import Lane
from gong_worker.deliver.reports import GateReports
from gong_worker.domain.outcomes import Throttled
from gong_worker.gate import Gate, GateUnavailable, Slot, scripts
from gong_worker.gate.trouble import RedisTrouble
from gong_worker.gong import CallResult
from gong_worker.ledger import Claim, EventFacts, MessageRef
from gong_worker.runtime import Runtime
from tests.integration.pipeline.support import receive
from tests.support.pipeline import Pipeline

NOW = datetime.now(UTC)
# What stands for a command's timeout: long enough for all threads to have asked.
HANGS_SECONDS = 0.5
CLAIM = Claim(
    EventKey("a", "b"), "token", MessageRef("m", Lane.LIVE, NOW), EventFacts("c", NOW, "0" * 64), 0, NOW
)


def test_a_stopping_worker_asks_once(
    pipeline: Pipeline, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a worker had in hand when Redis hung is left to the visibility timeout, after one try."""
    pipeline.enqueue(range(12))
    for _ in range(12):
        receive(pipeline, runtime)
    asked: list[Any] = []
    runtime.start()

    def hangs(*words: Any, **_: Any) -> Any:
        asked.append(words)
        raise redis.TimeoutError

    monkeypatch.setattr(pipeline.redis, "execute_command", hangs)
    runtime.close()
    assert sum("requeue" in words for words in asked) == 1


def test_threads_share_a_failure(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of threads that wait to tell the gate one thing, one tries; the others take its failure for theirs."""
    reports = GateReports(pipeline.services.gate)
    tried: list[float] = []

    def hangs(*_: Any, **__: Any) -> bool:
        tried.append(time.monotonic())
        threading.Event().wait(HANGS_SECONDS)
        raise GateUnavailable(RedisTrouble.AWAY)

    monkeypatch.setattr(Gate, "report", hangs)
    reports.report(Slot(0.0, False), CLAIM, CallResult(Throttled(429, None, 5.0), 1, None, None), tag="t")
    tried.clear()
    failures: list[GateUnavailable] = []

    def flush() -> None:
        try:
            reports.flush()
        except GateUnavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=flush) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 8
    assert len(tried) <= 2


def test_threads_that_compare_the_day_share_it_too(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of threads that ask for a slot of a Redis that has hung before, one waits for it at a time, once."""
    gate = pipeline.services.gate
    tried: list[float] = []

    def hangs(*_: Any, **__: Any) -> Any:
        tried.append(time.monotonic())
        threading.Event().wait(HANGS_SECONDS)
        raise redis.TimeoutError

    gate.register()
    monkeypatch.setattr(scripts, "run", hangs)
    failures: list[GateUnavailable] = []

    def ask(number: int) -> None:
        try:
            gate.acquire(Lane.LIVE, str(number))
        except GateUnavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 8
    assert len(tried) <= 2
