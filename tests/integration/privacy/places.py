"""One person, and another one, in every place where an event can be."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gong_views import ViewQueue
from gong_views.commands import to_item
from gong_views.names import ENQUEUE_COUNTS_KEY, HELD_PARTS_KEY, Lane
from gong_views.spool import Spool
from gong_worker.domain.parts import Part, PartKind
from gong_worker.queue.inspect import held_list
from gong_worker.queue.messages import Messages, enqueue_count_field
from gong_worker.queue.part_holds import hold_part
from tests.integration.cli.letters import bury
from tests.integration.outbox.support import add_many, backend_engine, install
from tests.integration.pipeline.support import stock_item
from tests.support.pipeline import Pipeline
from tests.support.views import view

PERSON = "Nora.Quist+x@private.example"
OTHER = "other.person@company.example"
PART = Part(PartKind.CONTENT_ID, "held-deck")


def events(person: str, name: str) -> list[dict[str, Any]]:
    """The ways in which an event has a person, ids after `name`."""
    ways: list[dict[str, Any]] = [
        {"viewer": {"email": person.upper(), "name": "N."}},
        {"viewer": {"email": "a@b.example"}, "sharer": {"email": person}},
        {"nonCompanyParticipants": [{"email": person}]},
        {"sharingMessageBody": f"Dear <{person}>, look at this"},
        {"viewInfoUrl": f"https://content.example/?who={person.replace('@', '%40').replace('+', '%2B')}"},
    ]
    return [view(n, **{"eventId": f"{name}-{n}", **way}) for n, way in enumerate(ways)]


def fill_queue(pipeline: Pipeline, *people: tuple[str, str]) -> int:
    """For each person and name both lanes, the delayed set, a held part, and two odd messages; how many for each."""
    # First those that are taken off the lane again.
    aside = [_aside(pipeline, *one) for one in people]
    on_lanes = [_on_lanes(pipeline, *one) for one in people]
    return aside[0] + on_lanes[0]


def _put(pipeline: Pipeline, events: list[dict[str, Any]], lane: Lane = Lane.LIVE) -> int:
    with ViewQueue(pipeline.valkey.url) as queue:
        return len(queue.enqueue_many(events, lane).accepted)


def _aside(pipeline: Pipeline, person: str, name: str) -> int:
    """On the delayed set and in a held part's list, as a worker puts them there."""
    messages = Messages(pipeline.redis, concurrency=99)
    messages.load_pop()

    def popped(number: int) -> list[Any]:
        taken = []
        for _ in range(number):
            tag = messages.new_tag()
            reply = pipeline.redis.evalsha(*messages.pop_arguments(tag, [Lane.LIVE.queue]))
            taken.append(messages.receive(tag, reply))  # type: ignore[arg-type]
        return taken

    later = _put(pipeline, events(person, f"{name}-later"))
    for message in popped(later):
        messages.retry_later(message, 600)
    hold_part(pipeline.redis, PART, "test", "ops", for_seconds=None)
    held = _put(pipeline, [{**event, "contentId": PART.value} for event in events(person, f"{name}-held")])
    for message in popped(held):
        messages.set_aside(message, PART)
    assert int(pipeline.redis.hget(HELD_PARTS_KEY, PART.name) or 0) == pipeline.redis.llen(
        held_list(PART.name)
    )
    return later + held


def _on_lanes(pipeline: Pipeline, person: str, name: str) -> int:
    """Waiting for their turn; a stock producer's and one that nobody can read among them."""
    stock = stock_item(view(1, eventId=f"{name}-stock", viewer={"email": person}), f"{name}-stock")
    pipeline.redis.lpush(Lane.LIVE.queue, stock, json.dumps({"what": f"a mail for {person}"}))
    live = _put(pipeline, events(person, f"{name}-live"))
    return live + _put(pipeline, events(person, f"{name}-bulk"), Lane.BULK) + 2


def fill_letters(pipeline: Pipeline, person: str, name: str) -> None:
    """Refused events of each way, Gong's words quoting the address, and an attempt that quotes it."""
    refused, ledger = events(person, f"{name}-dead"), pipeline.ledger
    today = enqueue_count_field(Lane.LIVE, datetime.now(UTC))
    pipeline.redis.hincrby(ENQUEUE_COUNTS_KEY, today, len(refused))
    bury(ledger, refused, lambda _: f"`viewer.email` {person} is not valid")
    with ledger.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE attempts SET error = :words WHERE event_id = :event"),
            {"words": f"no answer for {person}", "event": refused[0]["eventId"]},
        )


def fill_spool(folder: Path, person: str, name: str) -> None:
    """Events of each way that Redis did not take."""
    spool = Spool(folder / "spool.db")
    spool.append(Lane.LIVE, [to_item(event) for event in events(person, f"{name}-spooled")])
    spool.close()


def fill_outbox(folder: Path, *people: str) -> str:
    """A backend's database with two rows of each; its URL."""
    folder.mkdir(exist_ok=True)
    url = f"sqlite:///{folder / 'backend.db'}"
    engine = backend_engine(url)
    install(engine)
    for number, person in enumerate(people):
        add_many(engine, range(10 * number, 10 * number + 2), viewer={"email": person})
    engine.dispose()
    return url


def files_with(text: str | bytes, *folders: Path) -> list[str]:
    """The names of the files that have it, in whatever case."""
    needle = (text if isinstance(text, bytes) else text.encode()).lower()
    return [
        path.name
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and needle in path.read_bytes().lower()
    ]
