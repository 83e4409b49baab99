"""Erasing one person from everything that this software keeps, and saying what it cannot reach."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from gong_worker.domain.audit import AuditAction
from gong_worker.domain.person import Person
from gong_worker.ledger import LedgerUnavailable
from gong_worker.operations.erasure_queue import QueueErasure, erase_waiting
from gong_worker.operations.export_files import known_exports
from gong_worker.operations.person_data import Places, found_in, holds_naming, letters_of, person_hash
from gong_worker.operations.recount import patient_ledger
from gong_worker.queue.rewrite import Rewrite, rewrite_append_only_file

PAGE = 200
REWRITE_SECONDS = 30.0


@dataclass
class Erased:
    """What was erased, by place, what was left, and what nobody can erase from here.

    waiting: messages that will not be sent. repeats: messages of events that had ended, gone as duplicates.
    left_in_hand: messages that workers have, and events with another message there: run it again. outbox: None when
    no database was given; outbox_left: rows that a relay had in hand.
    """

    waiting: int = 0
    repeats: int = 0
    dead_letters: int = 0
    attempt_errors: int = 0
    spooled: int = 0
    outbox: int | None = None
    exported_lines: int = 0
    left_in_hand: int = 0
    outbox_left: int = 0
    append_only_file: str = ""
    not_reached: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Everything that was erased."""
        parts = (self.waiting, self.repeats, self.dead_letters, self.attempt_errors, self.spooled)
        return sum(parts) + (self.outbox or 0) + self.exported_lines

    @property
    def left(self) -> int:
        """What another run has to erase."""
        return self.left_in_hand + self.outbox_left


def erase(places: Places, person: Person, *, by: str, reason: str | None) -> Erased:
    """Erase the person, in the order in which events travel, so that none slips past; noted in the audit.

    Keys, times and hashes stay: an event that was erased, or delivered, is not sent when it comes again. Raises
    RedisError, GateUnavailable, LedgerUnavailable, OSError or the outbox's errors; run again, it goes on.
    """
    done = Erased()
    who = person_hash(places.services, person)
    try:
        _erase(places, person, done, by=by)
    finally:
        counts = {name: value for name, value in asdict(done).items() if isinstance(value, int)}
        places.services.ledger.record_action(
            AuditAction.ERASE, by=by, at=datetime.now(UTC), count=done.total, target={"person": who},
            reason=reason, details=counts,
        )  # fmt: skip
    _say_what_is_left(places, person, done)
    return done


def _erase(places: Places, person: Person, done: Erased, *, by: str) -> None:
    services, ledger = places.services, places.services.ledger
    if places.outbox is not None:
        found = [number for number, _ in found_in(places.outbox, person)]
        done.outbox = places.outbox.delete(found)
        done.outbox_left = len(found) - done.outbox
    for spool in places.spools:
        if found := [number for number, _ in found_in(spool, person)]:
            done.spooled += spool.erase(found)
    queue: QueueErasure = erase_waiting(services, person, by=by)
    done.waiting, done.repeats = queue.erased, queue.repeats
    done.left_in_hand = queue.left
    letters = [letter.id for letter in letters_of(services, person)]
    for start in range(0, len(letters), PAGE):
        page = letters[start : start + PAGE]
        done.dead_letters += ledger.erase_letters(page, by, datetime.now(UTC))
    with patient_ledger(services) as patient:
        done.attempt_errors = ledger.forget_errors(patient.attempts_quoting(person))
        if person.email is not None and (named := patient.count_named(person)):
            done.not_reached.append(
                f"{named} rows of the ledger have the address in an id, a content id, a source, or in an operator's"
                " name or words"
            )
    for export in known_exports(ledger):
        problem = export.problem
        try:
            done.exported_lines += export.erase(person)
        except OSError as error:
            problem = f"could not be rewritten: {error.strerror}"
        if problem is not None:
            done.not_reached.append(f"export {export.file or ''} (audit {export.audit_id}): {problem}")
    try:
        ledger.tidy()
    except LedgerUnavailable:
        done.not_reached.append("the ledger's write-ahead log: a worker empties it within minutes")
    rewrite = rewrite_append_only_file(services.client, seconds=REWRITE_SECONDS)
    done.append_only_file = rewrite.value


def _say_what_is_left(places: Places, person: Person, done: Erased) -> None:
    match done.append_only_file:
        case Rewrite.REFUSED:
            done.not_reached.append(
                "Redis's append-only file: this user may not ask for a rewrite; run BGREWRITEAOF as an administrator"
            )
        case Rewrite.FAILED:
            done.not_reached.append(
                "Redis's append-only file: its rewrite failed, Redis's log says why; run BGREWRITEAOF then"
            )
        case Rewrite.ANOTHER:
            done.not_reached.append(
                "Redis's append-only file: a rewrite from before goes on; run BGREWRITEAOF when it has ended"
            )
        case Rewrite.UNDER_WAY:
            done.not_reached.append(
                "Redis's append-only file, until its rewrite, which is under way, has ended"
            )
    if held := holds_naming(places.services, person):
        done.not_reached.append(
            f"{held} holds name the person in their reason or in what they hold (gong-views status): release them,"
            " and hold again in other words"
        )
    if places.outbox is None:
        done.not_reached.append("the backends' outboxes: give each one's database with --outbox-url")
    done.not_reached += [
        "spools of producers on other machines or in other folders: give each with --spool there",
        "rejects of file imports (*.rejects.jsonl), which nobody keeps a list of",
        "backups, snapshots and replicas of Redis and of the ledger, and PostgreSQL's rows until its vacuum",
        "Gong, which has what was delivered",
    ]


def counts_of(value: Any) -> dict[str, Any]:
    """A result's numbers and texts for people, without the list of what is not reached."""
    return {name: one for name, one in asdict(value).items() if not isinstance(one, list)}
