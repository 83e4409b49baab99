"""A ledger of an earlier release, with data in it, brought up to date and back."""

from typing import Any

import pytest
import sqlalchemy as sa

from gong_worker.domain.error_kinds import error_kind
from gong_worker.ledger import migrate, open_engine
from gong_worker.ledger.schema import downgrade

FIRST = "0001"
LETTERS = """
    SELECT id, event_id, message_id, reason, errors, payload, resolution FROM dead_letters ORDER BY id
"""
ADD_EVENT = """
    INSERT INTO deliveries (event_id, reporting_system, status, attempt_count, duplicate_count, first_seen_at,
      enqueued_at, updated_at, settled_at, message_id, lane, content_id, event_timestamp, payload_sha256)
    VALUES ('e1', 'crm', 'dead', 1, 0, :at, :at, :at, :at, 'm1', 'live', 'doc', :at, 'a')
"""
ADD_LETTER = """
    INSERT INTO dead_letters (event_id, reporting_system, message_id, lane, enqueued_at, reason, errors, payload,
      created_at, resolution)
    VALUES (:event_id, :system, :message_id, 'live', :at, :reason, '["why"]', '{"a": 1}', :at, :resolution)
"""
AT = "2026-03-01 12:00:00.000000+00:00"


def run(url: str, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """Execute one statement; its rows, if it has any."""
    engine = open_engine(url)
    try:
        with engine.begin() as connection:
            at = {"at": AT if "postgresql" in url else AT[:26]} if ":at" in statement else {}
            result = connection.execute(sa.text(statement), {**values, **at})
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


def add_letter(
    url: str, name: str, reason: str, *, event: bool = False, resolution: str | None = None
) -> None:
    key = {"event_id": "e1", "system": "crm"} if event else {"event_id": None, "system": None}
    run(url, ADD_LETTER, **key, message_id=name, reason=reason, resolution=resolution)


def test_letters_outlive_an_upgrade_and_a_downgrade(database_url: str) -> None:
    """Numbers, payloads, resolutions and what the indexes forbid are the same after 0002, and after 0001 again."""
    migrate(database_url, FIRST)
    run(database_url, ADD_EVENT)
    add_letter(database_url, "m1", "rejected", event=True)
    add_letter(database_url, "m2", "unreadable", resolution="discarded")
    add_letter(database_url, "m3", "unreadable")
    before = run(database_url, LETTERS)
    run(database_url, "DELETE FROM dead_letters WHERE message_id = 'm3'")
    kept = before[:2]

    migrate(database_url, "0002")
    assert run(database_url, LETTERS) == kept
    add_letter(database_url, "m4", "refused")
    add_letter(database_url, "m5", "dropped")
    assert [row[0] for row in run(database_url, LETTERS)] == [1, 2, 4, 5], "a number was given again"
    for reason, name in (("strange", "m6"), ("unreadable", "m2")):
        with pytest.raises(sa.exc.IntegrityError):
            add_letter(database_url, name, reason)
    run(database_url, "INSERT INTO operator_actions (at, by, action, count) VALUES (:at, 'ops', 'hold', 1)")
    run(database_url, "UPDATE dead_letters SET error_kind = 'viewer.email is not valid' WHERE id = 1")
    views = run(database_url, "SELECT reason, letters FROM dead_letter_reasons ORDER BY reason")
    assert views == [("dropped", 1), ("refused", 1), ("rejected", 1), ("unreadable", 1)]

    downgrade(database_url, FIRST)
    assert [row[3] for row in run(database_url, LETTERS)] == [
        "rejected",
        "unreadable",
        "rejected",
        "rejected",
    ]
    assert run(database_url, LETTERS)[:2] == kept
    with pytest.raises(sa.exc.IntegrityError):
        add_letter(database_url, "m7", "refused")
    add_letter(database_url, "m7", "unreadable")
    assert run(database_url, LETTERS)[-1][0] > 5
    migrate(database_url)
    assert len(run(database_url, LETTERS)) == 5


def test_which_letters_were_replayed_is_known_after_the_upgrade(database_url: str) -> None:
    """0003 finds the letter whose replay died as another one; the first of an event, and one without, have none."""
    migrate(database_url, "0002")
    run(database_url, ADD_EVENT)
    add_letter(database_url, "m1", "rejected", event=True, resolution="replayed")
    add_letter(database_url, "m2", "rejected", event=True)
    add_letter(database_url, "m3", "unreadable")
    migrate(database_url, "0003")
    query = "SELECT replay_of FROM dead_letters ORDER BY id"
    assert run(database_url, query) == [(None,), (1,), (None,)]
    downgrade(database_url, "0002")
    assert len(run(database_url, LETTERS)) == 3


def test_each_letter_gets_the_kind_of_its_errors(database_url: str) -> None:
    """0004 tells the kind of every letter there is, more than one page of them, and takes it away again."""
    migrate(database_url, "0003")
    run(database_url, ADD_EVENT)
    add_letter(database_url, "m1", "rejected", event=True)
    add_letter(database_url, "m2", "unreadable")
    run(
        database_url,
        "INSERT INTO dead_letters (message_id, lane, enqueued_at, reason, errors, created_at)"
        " WITH RECURSIVE numbers (n) AS (SELECT 3 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1100)"
        " SELECT 'm' || n, 'live', enqueued_at, 'unreadable', '[\"' || n || ' is no number\"]', created_at"
        " FROM numbers, dead_letters WHERE dead_letters.id = 1",
    )
    migrate(database_url, "0004")
    kinds = "SELECT error_kind, count(*) FROM dead_letters GROUP BY error_kind ORDER BY 2"
    assert run(database_url, kinds) == [("why", 2), (error_kind(["3 is no number"]), 1098)]
    downgrade(database_url, "0003")
    assert run(database_url, kinds) == [(None, 1100)]


def test_the_installation_gets_a_key_once(database_url: str) -> None:
    """0007 comes with a key of 32 bytes, which another migration leaves as it is; letters of before were not erased."""
    migrate(database_url, "0006")
    run(database_url, ADD_EVENT)
    add_letter(database_url, "m1", "rejected", event=True)
    migrate(database_url)
    [(key,)] = run(database_url, "SELECT value FROM installation_keys")
    migrate(database_url)
    assert run(database_url, "SELECT value FROM installation_keys") == [(key,)]
    assert len(bytes.fromhex(key)) == 32
    assert run(database_url, "SELECT id, erased_at FROM dead_letters") == [(1, None)]
    downgrade(database_url, "0006")
    assert len(run(database_url, LETTERS)) == 1
