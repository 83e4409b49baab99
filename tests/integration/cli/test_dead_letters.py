"""Dead letters by filter and by group: found, counted, mended and replayed, many in one command."""

import csv
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gong_views import EventKey
from gong_views.canonical import payload_sha256
from gong_views.message import Envelope, parse
from gong_views.names import Lane
from gong_worker.domain.states import DeadLetterReason, DeadLetterState
from gong_worker.ledger import DeadLetterFilter, EventFacts, MessageRef
from gong_worker.operations.dead_letters import list_dead_letters
from tests.integration.cli.letters import Command, Desk, bury, command, desk, three_kinds
from tests.support.views import view

__all__ = ["command", "desk"]
ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def queued(desk: Desk) -> list[dict[str, object]]:
    """The events on the bulk lane, oldest first, each with the letter it replays."""
    items = reversed(desk.services.client.lrange(Lane.BULK.queue, 0, -1))
    found = [parse(raw) for raw in items]
    return [{"replay_of": one.replay_of, **one.event} for one in found]


def test_every_filter_selects(desk: Desk) -> None:
    """Each condition finds what it says and nothing else, alone and together, on both databases."""
    three_kinds(desk.ledger, 2)

    def found(**wanted: object) -> list[int]:
        page = desk.ledger.search_dead_letters(DeadLetterFilter(**wanted), limit=100)  # type: ignore[arg-type]
        assert page.total == len(page.dead_letters)
        return [one.id for one in page.dead_letters]

    first, *_, last = found()
    now = datetime.now(UTC)
    assert found() == list(range(first, last + 1)) and last - first == 5
    assert found(reason=DeadLetterReason.REJECTED, source="shop", lane=Lane.LIVE) == found()
    assert found(reason=DeadLetterReason.EXHAUSTED) == found(source="other") == found(lane=Lane.BULK) == []
    assert found(http_status=422) == found(reporting_system="portal") == [last - 1, last]
    assert found(content_id="deck-3") == [first + 3]
    assert found(contains="DECK-2 is unk") == [first + 2]
    assert found(contains="dana.1@globex") == [first + 1]
    assert found(contains="100%") == found(contains="_") == []
    assert found(since=now - timedelta(hours=1), until=now + timedelta(hours=1)) == found()
    assert found(since=now + timedelta(hours=1)) == found(until=now - timedelta(hours=1)) == []
    groups = desk.ledger.dead_letter_groups(DeadLetterFilter())
    assert [(group.count, group.http_status, group.error_kind) for group in groups] == [
        (2, 400, "viewer.email … is not valid"),
        (2, 400, "contentId … is unknown"),
        (2, 422, "contentTitle … is too long"),
    ]
    assert found(group=groups[1].group) == [first + 2, first + 3]
    assert found(group=groups[1].group, http_status=422) == []
    assert (groups[0].example_id, groups[0].first_at <= groups[0].last_at) == (first + 1, True)
    desk.ledger.mark_discarded([first], "dana", now)
    desk.ledger.mark_replayed([last], "dana", now)
    assert found(state=DeadLetterState.DISCARDED) == [first]
    assert found(state=DeadLetterState.REPLAYED) == [last]
    assert found(state=DeadLetterState.SUPERSEDED) == []
    assert len(found(state=DeadLetterState.ALL)) == 6 and found() == list(range(first + 1, last))
    page = desk.ledger.search_dead_letters(DeadLetterFilter(), limit=3)
    assert (page.total, page.next) == (4, first + 3)
    rest = desk.ledger.search_dead_letters(DeadLetterFilter(), limit=3, after_id=first + 3)
    assert ([one.id for one in rest.dead_letters], rest.next) == ([first + 4], None)


def test_a_search_looks_into_so_many_letters_a_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text is looked for in a bounded number of letters a page; the pages have every one that holds it, once."""
    monkeypatch.setattr("gong_worker.ledger.dead_letter_search.SCANNED", 2)
    three_kinds(desk.ledger, 3)
    first = desk.ledger.search_dead_letters(DeadLetterFilter(), limit=1).dead_letters[0].id
    wanted = DeadLetterFilter(contains="dana.")

    def walked(limit: int) -> tuple[list[list[int]], set[int | None]]:
        after, pages, totals = 0, [], set()
        while after is not None:
            page = desk.ledger.search_dead_letters(wanted, limit=limit, after_id=after)
            pages.append([one.id - first for one in page.dead_letters])
            totals.add(page.total)
            after = page.next
        return pages, totals

    assert walked(5) == ([[0, 1], [2], [], [], []], {None})
    assert [number for page in walked(1)[0] for number in page] == [0, 1, 2]
    whole = list_dead_letters(desk.ledger, wanted, limit=5)
    assert (len(whole.dead_letters), whole.total, whole.next) == (3, 3, None)
    part = list_dead_letters(desk.ledger, wanted, limit=5, seconds=0)
    assert (len(part.dead_letters), part.total, part.next) == (2, None, first + 1)
    content = DeadLetterFilter(content_id="deck-8")
    assert [one.id - first for one in list_dead_letters(desk.ledger, content, limit=5).dead_letters] == [8]


def test_a_group_that_never_was_is_told(
    desk: Desk, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip in --group is a wrong value for every command; a group whose letters are all dealt with has just none."""
    bury(desk.ledger, [view(1)], lambda _: "no")
    [group] = desk.ledger.dead_letter_groups(DeadLetterFilter())
    monkeypatch.setattr("gong_worker.ledger.dead_letter_search._known_groups", {})  # as in a new process
    slip = ("--group", group.group[:-1] + "?")
    for words in (
        ("list",), ("groups",), ("replay", "--yes"), ("replay", "--dry-run"), ("discard", "--yes", "--why", "x"),
        ("edit", "--unset", "trackingId", "--yes"), ("export", "-o", str(tmp_path / "letters.jsonl")),
    ):  # fmt: skip
        done = command(desk.environment, "dead-letters", *words, *slip)
        assert (done.code, done.out) == (2, ""), words
        assert f"there is no group '{slip[1]}'" in done.err and "dead-letters groups" in done.err
    assert list(tmp_path.glob("*.jsonl")) == []
    desk.ledger.mark_discarded([1], "dana", datetime.now(UTC))
    for _ in range(2):  # also once it is known
        gone = command(desk.environment, "dead-letters", "list", "--group", group.group, "--json")
        assert (gone.code, gone.json["total"]) == (0, 0)


@ONLY_SQLITE
def test_a_dry_run_exits_as_the_run_would(desk: Desk, command: Command) -> None:
    """A script sees beforehand that a letter could not be done: 1 when the run would end with 1, else 0."""
    bury(desk.ledger, [view(1), view(2), view(3)], lambda _: "no")
    now = datetime.now(UTC)
    desk.ledger.dead_letter_message(b"{", MessageRef("body", Lane.LIVE, now), reason_text="no JSON", now=now)
    desk.ledger.mark_discarded([3], "dana", now)
    edit, wrong = ("edit", "--set", "contentTitle=x"), ("edit", "--set", "eventTimestamp=noon")
    for words, code, would in (
        ((*wrong, "--reason", "rejected"), 1, "nothing would be enqueued"),
        ((*wrong, "--all"), 1, "nothing would be enqueued"),
        ((*edit, "--all"), 1, "nothing would be enqueued"),
        ((*edit, "--http-status", "422"), 0, "0 dead letters are replayed"),
        (("replay", "3", "99"), 1, "there is no dead letter 99"),
        (("discard", "3"), 1, "was discarded"),
        ((*edit, "--all", "--skip-invalid"), 1, "2 dead letters are replayed"),
    ):  # fmt: skip
        dry = command(desk.environment, "dead-letters", *words, "--dry-run")
        assert (dry.code, would in dry.out) == (code, True), (words, dry)
        assert queued(desk) == [], words
        assert command(desk.environment, "dead-letters", *words, "--yes").code == code, words
    assert command(desk.environment, "dead-letters", "replay", "4", "--dry-run").code == 1
    assert command(desk.environment, "dead-letters", "replay", "--all", "--dry-run", "--json").code == 1
    assert command(desk.environment, "dead-letters", "discard", "--all", "--dry-run").code == 0


@ONLY_SQLITE
def test_lists_say_how_many_there_are(desk: Desk, command: Command) -> None:
    """`list` and `groups` tell the total and the next page, in text and in JSON."""
    three_kinds(desk.ledger, 2)
    page = command(desk.environment, "dead-letters", "list", "--limit", "4", "--json").json
    assert (page["total"], len(page["dead_letters"])) == (6, 4)
    assert "payload" not in page["dead_letters"][0]
    rest = command(desk.environment, "dead-letters", "list", "--after", str(page["next"]), "--json").json
    assert (rest["next"], len(rest["dead_letters"])) == (None, 2)
    text = command(desk.environment, "dead-letters", "list", "--limit", "4").out
    assert f"4 of 6; the next page: --after {page['next']}" in text
    groups = command(desk.environment, "dead-letters", "groups", "--since", "1h", "--json").json
    assert (groups["total"], len(groups["groups"])) == (6, 3)
    assert "6 dead letters in 3 groups" in command(desk.environment, "dead-letters", "groups").out
    wrong = command(desk.environment, "dead-letters", "list", "--since", "2026-01-01T00:00:00")
    assert (wrong.code, "offset" in wrong.err) == (2, True)


@ONLY_SQLITE
def test_the_night_shift(desk: Desk, command: Command, tmp_path: Path) -> None:
    """Hundreds of letters of three kinds are mended in three commands, within seconds.

    One group is edited and replayed, one replayed, one discarded. The cost comes first, repeating does no harm, and
    the audit has all of it.
    """
    three_kinds(desk.ledger, 174)
    groups = command(desk.environment, "dead-letters", "groups", "--json").json["groups"]
    emails, contents, titles = (group["group"] for group in groups)
    began = time.monotonic()
    look = command(desk.environment, "dead-letters", "replay", "--group", contents, "--dry-run").out
    assert look.startswith("174 dead letters are replayed: 174 calls of 8,978 left today, done by ")
    assert "but not now: no worker is alive" in look
    unasked = command(desk.environment, "dead-letters", "replay", "--group", contents)
    assert (unasked.code, "--yes" in unasked.err, queued(desk)) == (2, True, [])
    replayed = command(
        desk.environment, "dead-letters", "replay", "--group", contents, "--yes", "--json"
    ).json
    assert (replayed["done"], replayed["failed"], replayed["cost"]["calls"]) == (174, 0, 174)
    edit = ("dead-letters", "edit", "--group", emails, "--set", "viewer.email=team@globex.example", "--json")
    preview = command(desk.environment, *edit, "--dry-run").json
    assert (preview["letters"], preview["edited"], preview["cost"]["backlog"]) == (174, 174, 174)
    assert preview["examples"][0]["changes"][0]["after"] == "team@globex.example"
    assert command(desk.environment, *edit, "--yes").json["done"] == 174
    discard = ("dead-letters", "discard", "--group", titles, "--why", "test data", "--yes", "--json")
    assert command(desk.environment, *discard).json["done"] == 174
    seconds = time.monotonic() - began
    events = queued(desk)
    assert len(events) == 348
    assert {event["viewer"]["email"] for event in events[174:]} == {"team@globex.example"}  # type: ignore[index]
    assert {event["replay_of"] for event in events[174:]} == set(range(1, 175))
    again = command(desk.environment, *edit, "--yes").json
    assert (again["done"], again["failed"], len(queued(desk))) == (0, 0, 348)
    assert command(desk.environment, "dead-letters", "list", "--json").json["total"] == 0
    actions = command(desk.environment, "audit", "--json").json
    assert [(one["action"], one["count"]) for one in actions["entries"]] == [
        ("discard", 174), ("edit", 174), ("replay", 174),
    ]  # fmt: skip
    assert actions["entries"][0]["reason"] == "test data"
    assert actions["entries"][1]["details"] == {"set": ["viewer.email"], "unset": []}
    assert "globex" not in json.dumps(actions)
    assert seconds < 10, seconds


@ONLY_SQLITE
def test_an_edit_is_validated_before_anything_is_enqueued(desk: Desk, command: Command) -> None:
    """When one letter is no valid event after the edit, none goes out.

    The event key cannot be changed either; the originals stay.
    """
    bury(desk.ledger, [view(1), view(2)], lambda n: "no")
    base = ("dead-letters", "edit", "--all", "--yes")
    for wrong in (
        ("--set", "eventTimestamp=yesterday"), ("--unset", "contentId"), ("--set", "eventId=view-9"),
        ("--set", "crmContext[3].system=x"), ("--set", "nosuchfield=1"), ("--set", "crmContext:=7"),
    ):  # fmt: skip
        done = command(desk.environment, *base, *wrong)
        assert done.code == 1, wrong
        assert "nothing was enqueued" in done.err
    assert command(desk.environment, *base, "--set", "viewer..x=1").code == 2
    assert command(desk.environment, *base, "--set", "viewer.email:={").code == 2
    assert queued(desk) == []
    crm = '[{"system": "Salesforce", "objects": [{"objectType": "Account", "objectId": "001"}]}]'
    done = command(desk.environment, *base, "--set", f"crmContext:={crm}", "--json")
    assert (done.code, done.json["done"]) == (0, 2)
    assert [event["crmContext"] for event in queued(desk)] == [json.loads(crm)] * 2
    assert desk.ledger.get_dead_letter(1).payload == view(1)


@ONLY_SQLITE
def test_an_export_is_edited_and_replayed(desk: Desk, command: Command, tmp_path: Path) -> None:
    """JSON lines come back with their edits, the file is its owner's only, CSV holds no formula; all is audited."""
    bury(desk.ledger, [view(1, contentTitle="=HYPERLINK(1)"), view(2)], lambda n: "no\x1b")
    path, table = tmp_path / "letters.jsonl", tmp_path / "letters.csv"
    assert command(desk.environment, "dead-letters", "export", "--all", "-o", str(path)).code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert command(desk.environment, "dead-letters", "export", "--all", "-o", str(path)).code == 2
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["payload"]["eventId"] for line in lines] == ["view-1", "view-2"]
    lines[0]["payload"]["contentTitle"] = "Mended"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = command(desk.environment, "dead-letters", "replay", "--from", str(path), "--yes", "--json")
    assert (done.code, done.json["done"]) == (0, 2)
    assert [event["contentTitle"] for event in queued(desk)] == ["Mended", "Pricing overview"]
    assert [len(result["changes"]) for result in done.json["results"]] == [1, 0]
    words = ("dead-letters", "export", "--state", "replayed", "--format", "csv", "-o", str(table))
    assert command(desk.environment, *words).code == 0
    other = tmp_path / "letters.txt"
    other.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b",", b";"))  # as a spreadsheet saves it
    for back in (table, other):
        refused = command(desk.environment, "dead-letters", "replay", "--from", str(back), "--yes")
        assert (refused.code, "is CSV, which cannot be replayed" in refused.err) == (2, True)
    with table.open(newline="") as file:
        [first, _] = csv.DictReader(file)
    assert (first["contentTitle"], first["viewer.email"]) == ("'=HYPERLINK(1)", "dana@globex.example")
    path.write_text('{"id": 1, "payload": {}, "payload": {}}\n')
    assert command(desk.environment, "dead-letters", "replay", "--from", str(path), "--yes").code == 2
    counts = [(one.action.value, one.count) for one in desk.ledger.list_actions(limit=9).entries]
    assert counts == [("export", 2), ("edit", 2), ("export", 2)]


@ONLY_SQLITE
def test_an_edited_file_is_told_of_by_its_lines(desk: Desk, command: Command, tmp_path: Path) -> None:
    """Every line that cannot be read or sent is named; nothing goes then, unless told to leave those out."""
    path = tmp_path / "letters.jsonl"
    bury(desk.ledger, [view(number) for number in range(3)], lambda _: "no")
    words = ("dead-letters", "replay", "--from", str(path))

    def write(*lines: object) -> None:
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    write({"id": 1, "payload": view(0)}, {"id": 10**30, "payload": {}}, 7)
    done = command(desk.environment, *words)
    assert done.code == 2 and "line 2: " in done.err and "line 3 is no exported dead letter" in done.err
    write({"id": 1.0, "payload": view(0)}, {"id": 2, "payload": {}}, {"id": 3, "payload": view(2)})
    done = command(desk.environment, *words)
    assert (done.code, queued(desk)) == (1, []) and "line 2, dead letter 2: not a valid event" in done.err
    assert "line 2, dead letter 2 cannot be" in command(desk.environment, *words, "--dry-run").out
    done = command(desk.environment, *words, "--skip-invalid", "--json")
    assert (done.code, done.json["done"], done.json["failed"]) == (1, 2, 1)
    assert [event["eventId"] for event in queued(desk)] == ["view-0", "view-2"]
    assert command(desk.environment, "dead-letters", "replay", "1", "--skip-invalid").code == 2


@ONLY_SQLITE
def test_letters_that_no_command_may_stumble_over(desk: Desk, command: Command, tmp_path: Path) -> None:
    """A body nested beyond reading and one with half an emoji keep no other letter from a replay or an export."""
    now = datetime.now(UTC)
    for number, body in enumerate((b"[" * 100_000, b'{"half": "\\ud83d"} \x00 \xff')):
        desk.ledger.dead_letter_message(
            body, MessageRef(f"body-{number}", Lane.LIVE, now), reason_text="no JSON", now=now
        )
    bury(desk.ledger, [view(1)], lambda _: "no")
    file = tmp_path / "letters.jsonl"
    assert command(desk.environment, "dead-letters", "export", "--all", "-o", str(file)).code == 0
    assert [json.loads(line)["id"] for line in file.read_bytes().splitlines()] == [1, 2, 3]
    for words in (["list"], ["groups"], ["show", "1"], ["show", "2"]):
        assert command(desk.environment, "dead-letters", *words).code == 0
    done = command(desk.environment, "dead-letters", "replay", "--all", "--yes", "--json")
    assert (done.code, done.json["done"], done.json["failed"]) == (1, 1, 2)


def test_a_letter_that_is_gone_is_told(desk: Desk, command: Command) -> None:
    """Replaying what was discarded, or was never there, fails; what was replayed before does not.

    A payload that is shown is in the audit.
    """
    bury(desk.ledger, [view(1), view(2, eventId="[/b]")], lambda n: "[contentId] is wrong")
    assert "[contentId] is wrong" in command(desk.environment, "dead-letters", "list").out
    assert (
        command(desk.environment, "dead-letters", "show", "2", "--json").json["payload"]["eventId"] == "[/b]"
    )
    shown = command(desk.environment, "dead-letters", "replay", "2")
    assert (shown.code, "[/b]" in shown.out) == (0, True)
    assert command(desk.environment, "dead-letters", "replay", "2").code == 0
    assert command(desk.environment, "dead-letters", "discard", "1").code == 0
    gone = command(desk.environment, "dead-letters", "replay", "1", "77", "--json")
    assert (gone.code, gone.json["failed"]) == (1, 2)
    assert "was discarded" in gone.json["results"][0]["error"]
    assert "no dead letter 77" in gone.json["results"][1]["error"]
    assert len(queued(desk)) == 1
    for words in ((), ("1", "--all"), ("1", "--group", "x")):
        assert command(desk.environment, "dead-letters", "replay", *words).code == 2
    audited = [one.action.value for one in desk.ledger.list_actions(limit=9).entries]
    assert audited == ["discard", "replay", "show"]


def test_a_replay_is_cancelled_while_it_waits(desk: Desk, command: Command) -> None:
    """A cancelled replay's letter is open again, and can be replayed again.

    One that a worker has taken up is beyond recall.
    """
    bury(desk.ledger, [view(1), view(2), view(3)], lambda n: "no")
    environment = desk.environment
    assert command(environment, "dead-letters", "replay", "1", "2", "3").code == 0
    waiting = command(environment, "replays", "list", "--json").json
    assert [(one["letter_id"], one["event_id"], one["ahead"]) for one in waiting["replays"]] == [
        (1, "view-1", 0), (2, "view-2", 1), (3, "view-3", 2),
    ]  # fmt: skip
    taken = parse(desk.services.client.lindex(Lane.BULK.queue, -1))
    now = datetime.now(UTC)
    state = claimed(desk, taken, now)
    done = command(environment, "replays", "cancel", "1", "2", "99", "--json")
    assert done.code == 1
    assert [one["result"] for one in done.json["results"]] == ["failed", "cancelled", "failed"]
    assert "too late" in done.json["results"][0]["error"]
    assert [event["replay_of"] for event in queued(desk)] == [1, 3]
    assert command(environment, "replays", "cancel", "--all").code == 1
    open_ids = [one.id for one in desk.ledger.search_dead_letters(DeadLetterFilter(), limit=9).dead_letters]
    assert open_ids == [2, 3]
    assert type(state).__name__ == "Claimed"
    assert command(environment, "dead-letters", "replay", "2").code == 0
    again = parse(desk.services.client.lindex(Lane.BULK.queue, 0))
    assert (again.replay_of, type(claimed(desk, again, now)).__name__) == (2, "Claimed")
    assert desk.ledger.event("view-3")[0].duplicate_count == 1


def test_a_message_in_hand_whose_replay_was_cancelled_makes_no_call(desk: Desk, command: Command) -> None:
    """A worker that popped the message before it was cancelled is told that there is nothing left to do."""
    bury(desk.ledger, [view(1)], lambda n: "no")
    assert command(desk.environment, "dead-letters", "replay", "1").code == 0
    popped = parse(desk.services.client.lindex(Lane.BULK.queue, -1))
    assert command(desk.environment, "replays", "cancel", "1").code == 0
    assert type(claimed(desk, popped, datetime.now(UTC))).__name__ == "AlreadyHandled"


def claimed(desk: Desk, envelope: Envelope, now: datetime) -> object:
    """What a worker with this message is told."""
    assert envelope.enqueued_at is not None
    event = envelope.event
    message = MessageRef(envelope.message_id, Lane.BULK, envelope.enqueued_at, envelope.replay_of, None)
    facts = EventFacts(event["contentId"], now, payload_sha256(event))
    key = EventKey(event["reportingSystem"], event["eventId"])
    return desk.ledger.claim(key, message, facts, now=now, lease_seconds=60)
