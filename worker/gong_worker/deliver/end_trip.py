"""The end of a delivery in one round trip: the gate is told, the message acknowledged, the next one taken.

Three scripts in one write, in this order, each as it would run alone. A reply that does not come leaves each of
them open: whether it ran is not known, so it is done again (none does more when it is), and what the pop may have
taken is given back.
"""

import redis

from gong_worker.deliver.reports import GateReports
from gong_worker.failpoints import failpoint
from gong_worker.packed_scripts import run
from gong_worker.queue.in_hand import ReceivedMessage
from gong_worker.queue.messages import Messages


def acknowledge(
    messages: Messages, reports: GateReports, received: ReceivedMessage, *, take_next: bool
) -> ReceivedMessage | None:
    """End a message whose event the ledger has the end of, with the report that waited for it.

    Returns the message that was taken in the same trip, if there was one.
    """
    report = reports.delayed(received.tag)
    pop = messages.next_pop(received) if take_next else None
    commands = [messages.acknowledgement(received)]
    if report is not None:
        commands.insert(0, reports.command(report))
    if pop is not None:
        commands.append(pop.command)
    replies = _send(messages.client, commands)
    popped = replies.pop() if pop is not None else None
    if isinstance(popped, list):
        failpoint("chained")
    messages.acknowledged(received, replies.pop())
    if report is not None:
        reports.replied(report, replies.pop())
    # Last: what is in hand from here on is renewed until it is delivered.
    return messages.received_next(pop, popped) if pop is not None else None


def _send(client: redis.Redis, commands: list[bytes]) -> list[object]:
    """The replies, or the errors that came instead."""
    try:
        return run(client, *commands)
    except redis.RedisError as error:
        return [error] * len(commands)
