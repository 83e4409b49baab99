"""Erasing a person: from every place, while everything goes on, and so that the books still agree."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gong_views import ViewQueue
from gong_worker.cli import cli
from gong_worker.domain.person import Person
from gong_worker.ledger import DeadLetter, DeadLetterFilter, Ledger
from gong_worker.operations import erasure
from gong_worker.operations.erasure import erase
from gong_worker.operations.export_files import ExportFile, known_exports
from gong_worker.operations.person_data import Places, waiting_of
from gong_worker.operations.reconcile import reconcile
from gong_worker.operations.recount import check_counters
from gong_worker.operations.services import redis_client
from gong_worker.queue import inspect
from tests.integration.privacy.conftest import Command, on_sqlite
from tests.integration.privacy.places import (
    OTHER,
    PERSON,
    files_with,
    fill_letters,
    fill_outbox,
    fill_queue,
    fill_spool,
)
from tests.support.guarded import guarded_valkey
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until
from tests.support.views import view

WAYS = 5


def letters(pipeline: Pipeline) -> list[DeadLetter]:
    """All of them."""
    return pipeline.ledger.list_dead_letters(False, 1_000)


def agree(pipeline: Pipeline) -> None:
    """Every message is accounted for, and so is every counter."""
    found = reconcile(pipeline.services)
    assert found.drift == [] and found.uncounted_in_queue <= 2, found
    assert check_counters(pipeline.services, by="ops").miscounts == []


def test_a_person_is_gone_from_every_place_and_another_one_stays(pipeline: Pipeline, run: Command) -> None:
    """Queue, letters, errors, spool, outbox, exports: nothing of one is left, nothing of the other is missing."""
    people = ((PERSON, "p"), (OTHER, "o"))
    waiting = fill_queue(pipeline, *people)
    for person, name in people:
        fill_letters(pipeline, person, name)
        fill_spool(pipeline.folder, person, name)
    backend = pipeline.folder / "backend"
    outbox = fill_outbox(backend, PERSON, OTHER)
    exports = [pipeline.folder / f"letters.{form}" for form in ("jsonl", "csv")]
    for path in exports:
        run("dead-letters", "export", "--all", "--yes", "--format", path.suffix[1:], "-o", str(path))
    before = inspect.count(pipeline.redis)
    # Compressed as they are, messages have the address in no file: look for them as a whole.
    raws = [one.raw for one in waiting_of(pipeline.services, Person(PERSON))]
    assert all(files_with(raw, pipeline.valkey.folder) for raw in raws)
    who = ("erase", "--email", PERSON.lower(), "--outbox-url", outbox)

    told = run(*who, "--dry-run")
    parts = ("waiting", "in_hand", "dead_letters", "attempt_errors", "spooled", "outbox", "exported_lines")
    counted = [waiting, 0, WAYS, 1, WAYS, 2, 2 * WAYS]
    assert [told[part] for part in parts] == counted
    assert inspect.count(pipeline.redis) == before, "looking changed something"

    done = run(*who, "--yes", "--why", "request 7")
    # The unreadable one is a dead letter first.
    assert done["waiting"] == waiting - 1 and done["dead_letters"] == WAYS + 1
    assert [done[part] for part in parts[3:]] == counted[3:]
    assert (done["left_in_hand"], done["append_only_file"]) == (0, "rewritten")
    assert inspect.count(pipeline.redis).total == waiting
    assert not files_with(PERSON, pipeline.folder, pipeline.valkey.folder)
    assert not any(files_with(raw, pipeline.valkey.folder) for raw in raws)
    assert files_with(OTHER, backend)
    agree(pipeline)
    for path in exports:
        assert OTHER in path.read_text() and path.stat().st_mode & 0o777 == 0o600
    left = run("erase", "--email", OTHER, "--outbox-url", outbox, "--dry-run")
    assert [left[part] for part in parts] == counted
    again = run(*who, "--yes")
    assert [again[part] for part in (*parts[2:], "waiting")] == [0] * (len(parts) - 1)
    [entry, first] = pipeline.ledger.list_actions(limit=2).entries
    assert (first.action, first.reason, first.target) == ("erase", "request 7", entry.target)
    assert PERSON.lower() not in json.dumps(first.target) + json.dumps(first.details)


def test_what_was_erased_is_told_in_the_letter(pipeline: Pipeline, run: Command) -> None:
    """An open letter is discarded, a replayed one keeps its resolution; both say when, neither has a text."""
    fill_letters(pipeline, PERSON, "p")
    replayed, *_ = letters(pipeline)
    pipeline.ledger.mark_replayed([replayed.id], "ops", replayed.created_at)
    run("erase", "--email", PERSON, "--yes")
    found = letters(pipeline)
    assert [one.resolution for one in found] == ["replayed", *["discarded"] * (WAYS - 1)]
    assert {(one.payload, tuple(one.errors)) for one in found} == {(None, ())}
    assert all(one.erased_at is not None for one in found)
    agree(pipeline)


@on_sqlite
def test_by_tracking_id(pipeline: Pipeline, run: Command) -> None:
    """A tracking id is matched to the letter, in its own field alone."""
    with ViewQueue(pipeline.valkey.url) as queue:
        for number, fields in enumerate(({"trackingId": "t-1"}, {"trackingId": "T-1"}, {"shareId": "t-1"})):
            queue.enqueue({**view(number), "viewer": None, **fields})
    done = run("erase", "--tracking-id", "t-1", "--yes")
    assert (done["waiting"], inspect.count(pipeline.redis).live) == (1, 2)
    assert [letter.event_id for letter in letters(pipeline)] == ["view-0"]


def test_erased_while_a_worker_drains(pipeline: Pipeline) -> None:
    """Each of the person's events was either delivered, once, or is erased; all others are delivered; no drift."""
    total = 240
    views = [view(n, viewer={"email": PERSON if n % 2 else OTHER}) for n in range(total)]
    with ViewQueue(pipeline.valkey.url) as queue:
        queue.enqueue_many(views[: total // 2])
        queue.enqueue_many(views[total // 2 :], "bulk")
    worker = pipeline.worker(calls_per_second=30)  # so that most of them wait when it begins
    wait_until(lambda: len(pipeline.accepted()) >= 10, "the worker to be at it")
    places, erased = Places(pipeline.services, ()), 0

    def nothing_left() -> bool:
        nonlocal erased
        done = erase(places, Person(PERSON), by="ops", reason=None)
        erased += done.waiting
        return done.left == 0

    wait_until(nothing_left, "nothing of the person to be left", 60)
    pipeline.drain()
    accepted = pipeline.accepted()
    others = {f"view-{number}" for number in range(0, total, 2)}
    assert others <= accepted
    gone = {letter.event_id for letter in letters(pipeline) if letter.erased_at is not None}
    assert len(gone) == erased > 0
    assert gone.isdisjoint(accepted) and gone | accepted == {f"view-{number}" for number in range(total)}
    assert pipeline.gong.stats()["calls"] == len(accepted)
    assert "action=delivery_failed" not in worker.log
    agree(pipeline)


def test_an_erased_event_that_comes_again_is_not_sent(pipeline: Pipeline, run: Command) -> None:
    """Repeated as it was it is a duplicate, at no call; corrected it is another event, and is sent."""
    event = view(1, viewer={"email": PERSON})
    with ViewQueue(pipeline.valkey.url) as queue:
        queue.enqueue(event)
        queue.enqueue(event)
        done = run("erase", "--email", PERSON, "--yes")
        assert (done["waiting"], done["repeats"]) == (1, 1)
        queue.enqueue(event)
        pipeline.worker()
        wait_until(lambda: pipeline.left() == 0, "the queue to drain")
        assert pipeline.ledger.counts()["duplicates"] == 2 and pipeline.gong.stats()["calls"] == 0
        queue.enqueue({**event, "viewer": {"email": OTHER}})
    wait_until(lambda: pipeline.accepted() == {"view-1"}, "the corrected one")
    pipeline.drain()
    assert pipeline.ledger.search_dead_letters(DeadLetterFilter(), limit=1).total == 0
    agree(pipeline)


@on_sqlite
def test_what_cannot_be_reached_is_named(pipeline: Pipeline, run: Command, tmp_path: Path) -> None:
    """Exports of other machines, or to standard output, ids with the address, and outboxes that were not given."""
    fill_letters(pipeline, PERSON, "p")
    CliRunner().invoke(cli, ["dead-letters", "export", "--all", "--yes", "-o", "-"])
    run("dead-letters", "export", "--all", "--yes", "-o", str(tmp_path / "x.jsonl"))
    with ViewQueue(pipeline.valkey.url) as queue:
        queue.enqueue(view(1, eventId=PERSON))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "gethostname", lambda: "elsewhere")
        done = run("erase", "--email", PERSON, "--yes")
    told = "\n".join(done["not_reached"])
    host = socket.gethostname()
    for words in (
        "standard output, over HTTP or by the console",
        f"on {host}",
        "in an id",
        "--outbox-url",
        "backups",
        "Gong",
    ):
        assert words in told
    assert files_with(PERSON, tmp_path) and done["exported_lines"] == 0


@on_sqlite
def test_an_export_that_vanishes_stops_nothing(
    pipeline: Pipeline, run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that goes while it is looked at is told as not reached; what comes after it is done all the same."""
    fill_letters(pipeline, PERSON, "p")
    for name in ("one.jsonl", "other.jsonl"):
        run("dead-letters", "export", "--all", "--yes", "-o", str(tmp_path / name))

    def vanishing(ledger: Ledger) -> Iterator[ExportFile]:
        for export in known_exports(ledger):
            if "one.jsonl" in (export.file or ""):
                (tmp_path / "one.jsonl").unlink(missing_ok=True)
            yield export

    monkeypatch.setattr(erasure, "known_exports", vanishing)
    done = run("erase", "--email", PERSON, "--yes")
    assert any("one.jsonl" in told and "could not be rewritten" in told for told in done["not_reached"])
    assert done["exported_lines"] > 0 and done["append_only_file"]
    assert PERSON not in (tmp_path / "other.jsonl").read_text()


@on_sqlite
def test_a_copy_that_is_not_whole_is_taken_away(
    pipeline: Pipeline, run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a copy for a person fails in the middle its file is gone, and the same command can be given again."""
    fill_letters(pipeline, PERSON, "p")
    output = tmp_path / "copy.json"
    words = ["subject-export", "--email", PERSON, "-o", str(output)]
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "letters_with_texts", lambda _self: (_ for _ in ()).throw(OSError("disk")))
        assert CliRunner().invoke(cli, words).exit_code != 0
    assert not output.exists()
    assert run(*words)["dead_letters"] > 0


@on_sqlite
def test_who_is_meant_has_to_be_said(run: Command) -> None:
    """One name, a whole address, and --yes where nobody can be asked; the address is not repeated."""
    wrong = ((), ("--email", PERSON, "--tracking-id", "1"), ("--email", "nora"), ("--email", PERSON))
    for words in wrong:
        output = run("erase", *words, exit_code=2)
        assert "--" in output and PERSON not in output


@on_sqlite
def test_a_user_who_may_not_ask_for_the_rewrite(pipeline: Pipeline) -> None:
    """The erasure is done all the same, and says who has to ask for it."""
    with guarded_valkey() as server, redis_client(server.url) as client:
        places = Places(replace(pipeline.services, client=client), ())
        done = erase(places, Person(PERSON), by="ops", reason=None)
    assert done.append_only_file == "refused"
    assert any("BGREWRITEAOF" in text for text in done.not_reached)
