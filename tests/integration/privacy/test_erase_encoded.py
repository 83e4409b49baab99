"""Erasing a person whose address stands in error texts, holds and the audit in another form than it is given."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gong_views import EventKey
from gong_worker.domain.audit import AuditAction
from gong_worker.domain.parts import Part, PartKind
from gong_worker.domain.person import Person
from gong_worker.domain.states import DeadLetterReason
from gong_worker.ledger import Ledger, migrate, open_engine
from gong_worker.operations.person_data import in_letter
from gong_worker.queue.part_holds import hold_part
from tests.integration.ledger.support import at, claimed, result, stored
from tests.integration.privacy.conftest import Command, on_sqlite
from tests.integration.privacy.places import PERSON
from tests.support.encodings import addresses, encoded
from tests.support.pipeline import Pipeline
from tests.support.servers import Postgres

ENCODED = PERSON.replace("@", "\\u0040")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def one_ledger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Of each kind, for all examples."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"
    else:
        server: Postgres = request.getfixturevalue("postgres_server")
        url = server.new_database()
    migrate(url)
    made = Ledger(open_engine(url))
    yield made
    made.close()


def refused(ledger: Ledger, name: str, words: str) -> None:
    """An event that Gong refused with these words, which are its attempt's error as well."""
    key = EventKey("crm", name)
    claim = claimed(ledger, name, key=key)
    number = ledger.begin_attempt(claim, now=at(0))
    ledger.dead_letter_event(
        claim, number, replace(result("rejected", 0, 400), error=words), now=at(0),
        reason=DeadLetterReason.REJECTED, errors=[words], payload={"eventId": name},
    )  # fmt: skip


def errors(ledger: Ledger) -> dict[str, tuple[str | None, str]]:
    """By event: the attempt's error and the letter's, as they are stored."""
    query = (
        "SELECT a.event_id, a.error, d.errors FROM attempts a JOIN dead_letters d ON d.event_id = a.event_id"
    )
    return {name: (error, texts) for name, error, texts in stored(ledger, query)}


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_no_error_text_with_the_person_is_left(one_ledger: Ledger, data: st.DataObject) -> None:
    """Whatever the form of the address in it; another person's stays as it was."""
    person = Person(data.draw(addresses()))
    words = f"no answer for <{data.draw(encoded(person.name))}>"
    other = "no answer for <other.person+1@company.example> %40 &#64; \\u0040"
    with one_ledger.engine.begin() as connection:
        for table in ("attempts", "dead_letters", "deliveries"):
            connection.execute(sa.text(f"DELETE FROM {table}"))
    refused(one_ledger, "p", words)
    refused(one_ledger, "o", other)
    before = errors(one_ledger)
    assert one_ledger.forget_errors(one_ledger.attempts_quoting(person)) == 1
    letters = [one.id for one in one_ledger.letters_with_texts() if in_letter(person, one)]
    assert one_ledger.erase_letters(letters, "tests", at(1)) == 1
    assert errors(one_ledger) == {"p": (None, "[]"), "o": before["o"]}


def test_what_quotes_an_encoded_address_is_named(pipeline: Pipeline, run: Command) -> None:
    """Ids, an operator's words and the reason of a hold cannot be erased, but are told, in whatever encoding."""
    for part, note in ((None, f"asked by {ENCODED}"), (Part(PartKind.CONTENT_ID, ENCODED), "wrong page")):
        if part is None:
            pipeline.services.gate.hold(note, "ops")
        else:
            hold_part(pipeline.redis, part, note, "ops", for_seconds=None)
    pipeline.ledger.record_action(AuditAction.HOLD, by="ops", at=at(0), reason=f"asked by {ENCODED}")
    refused(pipeline.ledger, ENCODED, "no")
    assert run("erase", "--email", PERSON, "--dry-run")["named"] == 2
    told = "\n".join(run("erase", "--email", PERSON, "--yes")["not_reached"])
    assert "2 rows of the ledger" in told and "2 holds name the person" in told
    other = "\n".join(run("erase", "--email", "x@other.example", "--yes")["not_reached"])
    assert "rows of the ledger" not in other and "holds name" not in other


@on_sqlite
def test_an_exported_line_with_an_encoded_address_goes(
    pipeline: Pipeline, run: Command, tmp_path: Path
) -> None:
    """Also when it stands in Gong's words alone."""
    refused(pipeline.ledger, "p", f"not valid: {ENCODED}")
    for form in ("jsonl", "csv"):
        run("dead-letters", "export", "--all", "--yes", "--format", form, "-o", str(tmp_path / form))
    assert run("erase", "--email", PERSON, "--yes")["exported_lines"] == 2
    assert not any("not valid" in (tmp_path / form).read_text() for form in ("jsonl", "csv"))
