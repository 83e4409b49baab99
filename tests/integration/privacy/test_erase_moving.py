"""Laws of an erasure whose messages go from place to place while it reads them."""

from collections.abc import Iterator

import pytest
import redis

from gong_views import ViewQueue
from gong_worker.domain.person import Person
from gong_worker.domain.states import Status
from gong_worker.ledger import AlreadyHandled, Ledger
from gong_worker.operations import erasure_queue, person_data
from gong_worker.operations.erasure_queue import erase_waiting
from gong_worker.operations.person_data import waiting_of
from gong_worker.queue import waiting as places
from gong_worker.queue.messages import Messages
from gong_worker.queue.waiting import Waiting, take, waiting
from tests.integration.ledger.support import ask, at, claimed, dead_letter_event, stored
from tests.integration.privacy.conftest import on_sqlite
from tests.integration.privacy.places import PERSON
from tests.support.pipeline import Pipeline
from tests.support.views import view

WHO = Person(PERSON)


def enqueue(pipeline: Pipeline, count: int) -> None:
    with ViewQueue(pipeline.valkey.url) as queue:
        queue.enqueue_many([view(number, viewer={"email": PERSON}) for number in range(count)])


@on_sqlite
@pytest.mark.parametrize("put_off", [True, False], ids=["put off", "kept in hand"])
def test_what_a_worker_takes_while_the_lanes_are_read(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, put_off: bool
) -> None:
    """A message that is put off behind the reader's place is erased all the same; one that stays in hand is told."""
    enqueue(pipeline, 1)
    worker = Messages(pipeline.redis, concurrency=1)
    popped: list[str] = []

    def read_too_late(client: redis.Redis) -> Iterator[Waiting]:
        for one in waiting(client):
            if not popped:
                popped.append(worker.new_tag())
                assert take(client, one, popped[0])
                received = worker.receive(popped[0], (one.queue, one.raw))
                assert received is not None
                if put_off:
                    worker.retry_later(received, 60)
            yield one

    monkeypatch.setattr(person_data, "waiting", read_too_late)
    found = erase_waiting(pipeline.services, WHO, by="tests")
    assert (found.erased, found.left) == ((1, 0) if put_off else (0, 1))
    assert not list(waiting_of(pipeline.services, WHO))


@on_sqlite
def test_many_of_one_person(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking some moves the others under the reader: it looks again, and tells when it gives up before the end."""
    monkeypatch.setattr(places, "PAGE", 2)
    enqueue(pipeline, 40)
    monkeypatch.setattr(erasure_queue, "LOOKS", 1)
    first = erase_waiting(pipeline.services, WHO, by="tests")
    assert first.erased < 40 and first.left >= 1
    monkeypatch.setattr(erasure_queue, "LOOKS", 8)
    second = erase_waiting(pipeline.services, WHO, by="tests")
    assert (first.erased + second.erased, second.left) == (40, 0)


@pytest.mark.parametrize("payload", ["a", "b"], ids=["as it was", "edited"])
def test_a_replay_that_had_begun_before_is_not_sent(ledger: Ledger, payload: str) -> None:
    """Whoever had read the letter before it was erased enqueues it in vain, also with another payload."""
    dead_letter_event(ledger, claimed(ledger, "m1"))
    [(letter,)] = stored(ledger, "SELECT id FROM dead_letters")
    assert ledger.erase_letters([letter], "tests", at(1)) == 1
    answer = ask(ledger, "m2", 2, replay_of=letter, payload=payload)
    assert answer == AlreadyHandled(Status.DEAD, duplicate=True)
