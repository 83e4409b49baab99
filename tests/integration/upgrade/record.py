"""Records what producers of 0.1 write, for the tests that have to run without the history of this repository.

`python -m tests.integration.upgrade.record` takes 0.1 out of the history, runs it on a real Valkey and writes the
folder `recorded`: `queue.json` (messages and their counts in Redis), `spool.jsonl`, `outbox.sql` (a dump of SQLite).
They are records of a release: never edited.
"""

import json
import sqlite3
import tempfile
from pathlib import Path

from gong_views.names import ENQUEUE_COUNTS_KEY, Lane
from tests.support.previous import unpack
from tests.support.servers import valkey

RECORDED = Path(__file__).with_name("recorded")

# What it writes is accepted by Gong, each event once.
PRODUCERS = """
import os, sys
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from celery import Celery
from gong_views import ViewQueue, outbox

url, folder, live = sys.argv[1:]

def event(number, **fields):
    return {
        "reportingSystem": "content-hub", "eventId": f"old-{number}", "contentId": f"deck-{number}",
        "eventTimestamp": "2026-07-01T12:34:56.123456+02:00", "contentTitle": "Pricing overview",
        "contentUrl": f"https://content.example/decks/{number}", "viewer": {"email": "dana@globex.example"}, **fields,
    }

with ViewQueue(url) as queue:
    queue.enqueue(event(0))
    queue.enqueue(event(1, contentTitle="Prix \\u2013 \\u00fc\\U0001f600"))
    without = event(2)
    del without["eventId"]
    queue.enqueue(without)
    queue.enqueue(event(3), replay_of=4711)
with ViewQueue(url, source="billing") as queue:
    queue.enqueue_many([event(number) for number in range(10, 14)], "bulk")

celery = Celery(broker=url)
celery.send_task("gong_views.deliver", kwargs={"event": event(20)}, queue=live)
celery.send_task("gong_views.deliver", args=[event(21)], queue=live, compression="gzip")

with ViewQueue(
    "redis://127.0.0.1:1/0", source="shop", on_unavailable="spool", spool_path=f"{folder}/spool.jsonl"
) as queue:
    queue.enqueue(event(30))
    queue.enqueue(event(31, contentTitle="\\u00fc"), "bulk", replay_of=4712)

engine = sa.create_engine(f"sqlite:///{folder}/outbox.db")
with engine.begin() as connection:
    outbox.schema.upgrade(Operations(MigrationContext.configure(connection)), version=1)
    outbox.add(connection, event(40))
    outbox.add(connection, event(41), lane="bulk")
"""


def main() -> None:
    """Run it, and write what it left."""
    with tempfile.TemporaryDirectory() as name, valkey(appendfsync="no") as server:
        folder = Path(name)
        release = unpack(folder / "code")
        release.run("-c", PRODUCERS, server.url, str(folder), Lane.LIVE.queue)
        with server.client() as client:
            counts = client.hgetall(ENQUEUE_COUNTS_KEY)
            queue = {
                "messages": {
                    lane.queue: [raw.decode() for raw in reversed(client.lrange(lane.queue, 0, -1))]
                    for lane in Lane
                },
                "counts": {field.decode(): int(number) for field, number in counts.items()},
            }
        with sqlite3.connect(folder / "outbox.db") as database:
            dump = "\n".join(database.iterdump())
        RECORDED.mkdir(exist_ok=True)
        (RECORDED / "queue.json").write_text(json.dumps(queue, indent=1) + "\n")
        (RECORDED / "spool.jsonl").write_bytes((folder / "spool.jsonl").read_bytes())
        (RECORDED / "outbox.sql").write_text(dump + "\n")


if __name__ == "__main__":
    main()
