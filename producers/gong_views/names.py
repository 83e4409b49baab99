"""Names that both sides of the queue agree on: the task, the lanes, the keys in Redis.

Everything but the two queues lives under one prefix, so that a Redis shared with another Celery
application keeps the two apart.
"""

from enum import StrEnum
from typing import Final


class Lane(StrEnum):
    """Which line an event waits in: `live` goes first, `bulk` is for backfills and replays."""

    LIVE = "live"
    BULK = "bulk"

    @property
    def queue(self) -> str:
        """The Celery queue (a Redis list) of this lane."""
        return f"gong-views.{self.value}"

    @classmethod
    def of_queue(cls, queue: str) -> "Lane":
        """The lane of a queue name; an unknown queue counts as live, so that nothing is starved."""
        return cls.BULK if queue == cls.BULK.queue else cls.LIVE


TASK_NAME: Final = "gong_views.deliver"

# hash: "<lane>|<YYYY-MM-DD>" -> messages put on that lane on that UTC day, counted with the push itself
ENQUEUE_COUNTS_KEY: Final = "gong-views.intake"
# hash: delivery tag -> "<queue>\n<raw message>"; zset: delivery tag -> Redis time (s) of the last renewal
UNACKED_KEY: Final = "gong-views.unacked"
UNACKED_INDEX_KEY: Final = "gong-views.unacked_index"
# zset: delivery tag -> Redis time (s) when due; hash: delivery tag -> "<queue>\n<raw message>"
DELAYED_KEY: Final = "gong-views.delayed"
DELAYED_MESSAGES_KEY: Final = "gong-views.delayed.messages"
# hash: message id -> how often its delivery failed unexpectedly; gone with the message
FAILURES_KEY: Final = "gong-views.failures"
# hash: worker id -> its heartbeat as JSON
WORKERS_KEY: Final = "gong-views.workers"
# hash: "<target>|<alert>" -> since when, and whether it was told (gong_worker/queue/lua/alert.lua)
ALERTS_KEY: Final = "gong-views.alerts"
# string, expires by itself: the worker that prunes by the retention settings, or that it was done within the last day
RETENTION_KEY: Final = "gong-views.retention"
# string: Redis time (s) when a worker last looked for abandoned messages; a later one tells of a clock set back
CLOCK_KEY: Final = "gong-views.clock"
# list of "<delivery tag>@<Redis time (s)>\n<queue>\n<raw item>": what no worker could read, until the ledger has it
UNREADABLE_KEY: Final = "gong-views.unreadable"
# string, expires by itself: written to find out whether Redis takes writes
WRITE_CHECK_KEY: Final = "gong-views.write_check"
# a stream that is never written: reading it is a wait on the server that no refusal of writes touches
NEVER_KEY: Final = "gong-views.never"
# hash: a part's name -> its hold as JSON (gong_worker/queue/part_holds.py)
PART_HOLDS_KEY: Final = "{gong-views.gate}:part_holds"
# hash: a held part's name -> how many messages are set aside in the list under HELD_PREFIX + name;
# each item "<queue>\n<raw message>", as in the list of those that an operator has dropped
HELD_PARTS_KEY: Final = "gong-views.held"
HELD_PREFIX: Final = "gong-views.held:"
DROPPING_KEY: Final = "gong-views.dropping"
