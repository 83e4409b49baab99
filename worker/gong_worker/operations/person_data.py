"""Where the data of one person are: found here for the erasure, for its preview, and for the export to the person."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gong_views.spool import Spool
from gong_worker.domain.keyed_hash import keyed_hash
from gong_worker.domain.person import Person
from gong_worker.ledger import DeadLetter
from gong_worker.operations.dead_letters import event_of
from gong_worker.operations.export_files import ExportFile, known_exports
from gong_worker.operations.recount import patient_ledger
from gong_worker.operations.services import Services
from gong_worker.queue.part_holds import read_part_holds
from gong_worker.queue.waiting import Waiting, in_hand, put_off, waiting


class Rows(Protocol):
    """Stored events that can be looked through and deleted: a spool's, or an outbox's."""

    def find(self, wanted: Callable[[str], bool]) -> list[tuple[int, str]]:
        """The number and the JSON text of each that `wanted` says yes to."""


@dataclass(frozen=True)
class Places:
    """Where to look. `outbox` None: no backend's database was given."""

    services: Services
    spools: Sequence[Spool]
    outbox: Any | None = None
    """A `gong_views.outbox.erase.OutboxRows`, which needs SQLAlchemy."""


@dataclass
class Held:
    """How much is held of a person, by place; `outbox` None when it was not looked at.

    in_hand: messages that workers have right now. exports: lines in files that were exported here.
    named: events and audit rows with the address in an id, or in an operator's name or words.
    """

    waiting: int = 0
    in_hand: int = 0
    dead_letters: int = 0
    attempt_errors: int = 0
    spooled: int = 0
    outbox: int | None = None
    exported_lines: int = 0
    exports: list[ExportFile] = field(default_factory=list)
    named: int = 0


def person_hash(services: Services, person: Person) -> str:
    """What the audit keeps of who it was: a keyed hash. Raises LedgerUnavailable."""
    return keyed_hash(services.ledger.hash_key(), person.normalized.encode())


def in_json(person: Person, text: str) -> bool:
    """Whether an event's JSON text, or what should have been one, has the person."""
    try:
        event = json.loads(text)
    except (ValueError, RecursionError):
        return person.in_text(text)
    return person.in_event(event) or (not isinstance(event, dict) and person.in_text(text))


def in_letter(person: Person, letter: DeadLetter) -> bool:
    """Whether a letter's payload or its errors have the person."""
    event = event_of(letter)
    if isinstance(event, str) and person.in_text(event):
        return True
    return person.in_event(event) or any(person.in_text(error) for error in letter.errors)


def waiting_of(services: Services, person: Person) -> Iterator[Waiting]:
    """The person's messages that wait. It reads the whole queue, while workers go on. Raises RedisError."""
    return (one for one in waiting(services.client) if _has(person, one))


def put_off_of(services: Services, person: Person) -> Iterator[Waiting]:
    """Those of them that are not on a lane. Raises RedisError."""
    return (one for one in put_off(services.client) if _has(person, one))


def in_hand_of(services: Services, person: Person) -> Iterator[Waiting]:
    """The person's messages that workers have in hand. Raises RedisError."""
    return (one for one in in_hand(services.client) if _has(person, one))


def letters_of(services: Services, person: Person) -> Iterator[DeadLetter]:
    """The person's dead letters. Raises LedgerUnavailable."""
    return (letter for letter in services.ledger.letters_with_texts() if in_letter(person, letter))


def holds_naming(services: Services, person: Person) -> int:
    """How many holds that stand name the person. Raises RedisError, GateUnavailable."""
    notes = [hold.note for hold in services.gate.status(whole_day=False).holds]
    notes += [f"{hold.part.value} {hold.note}" for hold in read_part_holds(services.client)]
    return sum(map(person.in_text, notes))


def look(places: Places, person: Person) -> Held:
    """Count what there is of the person; nothing is changed. Raises what the places raise."""
    services = places.services
    held = Held()
    held.waiting = sum(1 for _ in waiting_of(services, person))
    held.in_hand = sum(1 for _ in in_hand_of(services, person))
    held.dead_letters = sum(1 for _ in letters_of(services, person))
    with patient_ledger(services) as ledger:
        held.attempt_errors = len(ledger.attempts_quoting(person))
        held.named = ledger.count_named(person) if person.email is not None else 0
    held.spooled = sum(len(found_in(spool, person)) for spool in places.spools)
    if places.outbox is not None:
        held.outbox = len(found_in(places.outbox, person))
    held.exports = list(known_exports(services.ledger))
    held.exported_lines = sum(one.count(person) for one in held.exports)
    return held


def found_in(rows: Rows, person: Person) -> list[tuple[int, str]]:
    """The person's rows of a spool or an outbox."""
    return rows.find(lambda text: in_json(person, text))


def _has(person: Person, message: Waiting) -> bool:
    envelope = message.envelope()
    if envelope is None:
        # Nobody can read it: it will be a dead letter, and is looked at there.
        return person.in_text(message.raw.decode(errors="replace"))
    return person.in_event(envelope.event)
