"""An event whose content is refused, as a web firewall does it, neither stalls the others nor lives for ever."""

import pytest

from gong_worker.domain.states import DeadLetterReason
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until

RATE = 8
# From the first accepted call to the last, with what a loaded machine adds.
ALLOWED_SECONDS = 38 / RATE * 1.25 + 2


def accepted_at(pipeline: Pipeline) -> list[float]:
    """When each accepted call arrived, in order."""
    return sorted(call["arrived_monotonic"] for call in pipeline.gong.log() if call["outcome"] == "accepted")


@pytest.mark.parametrize(("status", "poison", "concurrency"), [(403, 5, 1), (404, 0, 1), (401, 20, 8)])
def test_one_poison_event(pipeline: Pipeline, status: int, poison: int, concurrency: int) -> None:
    """One refused event in 40: the others drain at the allowed rate, it spends its attempts and is dead, `refused`."""
    pipeline.gong.settings(per_second=RATE)
    pipeline.gong.fault("status", status=status, times=None, match={"eventId": f"view-{poison}"})
    pipeline.enqueue(range(40))
    pipeline.worker(concurrency=concurrency, calls_per_second=RATE, max_attempts=3)
    wait_until(lambda: pipeline.ledger.counts()["delivered"] == 39, "the other 39", 60)
    times = accepted_at(pipeline)
    # The first refusal of a credential that never worked holds for 5 s; after that nothing does.
    assert times[-1] - times[0] <= ALLOWED_SECONDS
    wait_until(lambda: pipeline.ledger.counts()["dead"] == 1, "its end", 60)
    pipeline.drain()
    [letter] = pipeline.ledger.list_dead_letters(open_only=True, limit=9, after_id=0)
    assert (letter.event_id, letter.reason) == (f"view-{poison}", DeadLetterReason.REFUSED)
    assert f"HTTP {status}" in letter.errors[0]
    assert pipeline.ledger.event(f"view-{poison}")[0].attempt_count == 3
    pipeline.verify(dead={f"view-{poison}"})
