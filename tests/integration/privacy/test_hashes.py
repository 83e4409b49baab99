"""Hashes that could confirm a guess have a key; those of before are still known."""

import hashlib
import json
import secrets
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from gong_views import SettingsError, ViewEvent, ViewQueue
from gong_views.canonical import payload_sha256
from gong_worker.domain.keyed_hash import keyed_hash
from gong_worker.domain.states import Status
from gong_worker.event_facts import event_facts, readable_facts
from gong_worker.ledger import AlreadyHandled, Claimed, Ledger, LedgerUnavailable
from gong_worker.operations.services import open_services
from gong_worker.settings import WorkerSettings
from tests.integration.ledger.support import START, at, claimed, dead_letter_event, message, stored
from tests.integration.privacy.conftest import Command, on_sqlite
from tests.support.pipeline import Pipeline
from tests.support.servers import wait_until
from tests.support.views import view

EVENT = ViewEvent.parse(view(1))


def facts(key: bytes, **fields: Any) -> Any:
    event = ViewEvent.parse(view(1, **fields))
    return event_facts(event, event.wire(), key)


def test_the_hash_cannot_be_made_without_the_key() -> None:
    """Told from a plain one at sight, short enough for its column, the same for the same key and payload alone."""
    key, other = secrets.token_bytes(32), secrets.token_bytes(32)
    found = facts(key).payload_sha256
    assert found.startswith("hmac:") and len(found) <= 64
    assert (
        found == facts(key).payload_sha256 == facts(key, eventTimestamp="2026-07-01T12:34:56Z").payload_sha256
    )
    assert found not in (facts(other).payload_sha256, facts(key, contentTitle="x").payload_sha256)
    assert payload_sha256(EVENT.wire()) not in found
    invalid = readable_facts({**EVENT.wire(), "contentId": 3}, START, key)
    assert invalid is not None and invalid[1].payload_sha256.startswith("hmac:")
    cyclic = readable_facts({**EVENT.wire(), "x": float("nan")}, START, key)
    assert cyclic is not None and cyclic[1].payload_sha256.startswith("hmac:")


@pytest.mark.parametrize("corrected", [False, True])
def test_a_hash_of_before_is_recognised(ledger: Ledger, corrected: bool) -> None:
    """A dead event of an earlier version that comes again is a duplicate; corrected it is claimed, and keyed then."""
    plain = payload_sha256(EVENT.wire())
    claim = claimed(ledger, "m1", key=EVENT.key)
    old = replace(claim, facts=replace(claim.facts, payload_sha256=plain))
    dead_letter_event(ledger, old, 1)
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE deliveries SET payload_sha256 = '{plain}'")
    now = facts(ledger.hash_key(), **({"contentTitle": "x"} if corrected else {}))
    answer = ledger.claim(EVENT.key, message("m2"), now, now=at(2), lease_seconds=60)
    if corrected:
        assert isinstance(answer, Claimed)
        assert stored(ledger, "SELECT payload_sha256 FROM deliveries") == [(now.payload_sha256,)]
    else:
        assert answer == AlreadyHandled(Status.DEAD, duplicate=True)


def test_a_worker_keys_what_it_writes(pipeline: Pipeline, run: Command) -> None:
    """No SHA-256 of a payload is in the ledger; a refused event that comes again is a duplicate all the same."""
    pipeline.gong.fault("reject", times=None, match={"eventId": "view-1"})
    pipeline.worker()
    events = [view(1), view(2)]
    with ViewQueue(pipeline.valkey.url) as queue:
        queue.enqueue_many(events)
        wait_until(lambda: pipeline.settled() == 2, "both to end")
        queue.enqueue(view(1))
    pipeline.drain()
    found = dict(stored(pipeline.ledger, "SELECT event_id, payload_sha256 FROM deliveries"))
    key = pipeline.ledger.hash_key()
    for event in events:
        digest = payload_sha256(ViewEvent.parse(event).wire())
        assert found[event["eventId"]] == keyed_hash(key, bytes.fromhex(digest))
    assert pipeline.ledger.counts()["duplicates"] == 1
    assert pipeline.gong.stats()["calls"] == 2
    run(
        "dead-letters",
        "export",
        "--contains",
        "Nora Quist",
        "--state",
        "all",
        "--yes",
        "-o",
        f"{pipeline.folder}/x",
    )
    [entry] = pipeline.ledger.list_actions(limit=1).entries
    assert entry.target["contains"].startswith("hmac:")
    assert hashlib.sha256(b"Nora Quist").hexdigest()[:16] not in json.dumps(entry.target)


@on_sqlite
def test_a_key_of_ones_own(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """GONG_VIEWS_HASH_KEY takes the place of the ledger's; a short one is refused without being told."""
    for name, value in pipeline.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GONG_VIEWS_HASH_KEY", "k" * 40)
    services = open_services()
    assert services.settings.hash_key == SecretStr("k" * 40)
    assert services.ledger.hash_key() == b"k" * 40
    services.ledger.close()
    monkeypatch.setenv("GONG_VIEWS_HASH_KEY", "short-secret")
    with pytest.raises(SettingsError, match="openssl rand") as refused:
        WorkerSettings.load()
    assert "short-secret" not in str(refused.value)


def test_a_ledger_without_its_key(ledger: Ledger) -> None:
    """It says what is missing and what to do, rather than to hash with another one."""
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM installation_keys")
    with pytest.raises(LedgerUnavailable, match="gong-views migrate"):
        ledger.hash_key()
