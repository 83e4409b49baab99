"""What a worker process has in hand, and which message each of its threads may take next."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from gong_views.message import Envelope
from gong_views.names import Lane
from gong_worker.queue.in_hand import InHand, ReceivedMessage


def bulk(number: int) -> ReceivedMessage:
    envelope = Envelope(f"m-{number}", 2, {}, None, None, None, True, None)
    return ReceivedMessage(str(number), Lane.BULK, envelope, datetime.now(UTC))


@pytest.fixture
def threads() -> Iterator[list[ThreadPoolExecutor]]:
    """Three threads that live as long as the test."""
    with ExitStack() as stack:
        yield [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(3)]


def test_bulk_leaves_a_thread_free_however_many_end_at_once(threads: list[ThreadPoolExecutor]) -> None:
    """Each thread that ends a bulk message may take another, none takes one too many, and no answer frees it again."""
    hand = InHand(3)
    for number in (1, 2):
        assert hand.pop_began()
        hand.put(bulk(number))
    assert not hand.pop_began()  # two of three threads: the third is for a live event
    assert [threads[n].submit(hand.pop_instead_of, str(n)).result() for n in (1, 2)] == [True, True]
    assert not hand.pop_began()
    hand.remove("1")
    assert not hand.pop_began()  # the pop in its place has not been answered
    hand.remove("2")
    threads[1].submit(hand.put, bulk(3)).result()
    assert not threads[0].submit(hand.pop_began).result()


def test_a_message_that_waits_for_a_thread_goes_first(threads: list[ThreadPoolExecutor]) -> None:
    """A thread takes no message while there are as many others in hand, or on their way, as there are threads."""
    hand = InHand(2)
    for number in (1, 2, 3):
        hand.put(bulk(number))
    assert hand.pop_instead_of("1") is None
    hand.remove("1")
    assert hand.pop_instead_of("2") is not None
    hand.pop_ended()
    # The event loop's pop may bring one that waits.
    assert not threads[0].submit(hand.pop_began).result()
    assert hand.pop_instead_of("2") is None
