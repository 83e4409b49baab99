"""Dead letters: list, group, show, discard."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from gong_views.message import UnreadableMessage, parse
from gong_worker.display import foreign_id
from gong_worker.domain.audit import AuditAction
from gong_worker.domain.edits import Change
from gong_worker.domain.reasons import check_reason
from gong_worker.domain.states import DeadLetterResolution, DeadLetterState
from gong_worker.ledger import (
    DeadLetter,
    DeadLetterFilter,
    DeadLetterGroup,
    DeadLetterNotFound,
    DeadLetterPage,
    DeadLetterSummary,
    Ledger,
    LedgerUnavailable,
)
from gong_worker.operations.serialize import to_json

PAGE = 200


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one letter. `error`: why nothing did; `changes`: what an edit changes."""

    id: int
    result: str
    event_id: str | None = None
    message_id: str | None = None
    error: str | None = None
    changes: list[Change] = field(default_factory=list)


@dataclass(slots=True)
class BulkResult:
    """What became of a selection; `done` letters were acted on, `failed` could not be."""

    done: int = 0
    failed: int = 0
    interrupted: bool = False
    results: list[Result] = field(default_factory=list)

    def add(self, result: Result, *, done: bool = False) -> None:
        """Count and keep one result."""
        self.results.append(result)
        self.done += done
        self.failed += result.error is not None


@dataclass(frozen=True, slots=True)
class Groups:
    """Letters that failed alike, the largest group first, and how many letters there are."""

    total: int
    groups: list[DeadLetterGroup]


@dataclass(frozen=True, slots=True)
class Bulk:
    """How a bulk action runs: who gives it, who is told after each page, and what ends it early."""

    by: str
    progress: Callable[[int], None] = lambda _done: None
    stop: threading.Event = field(default_factory=threading.Event)


def list_dead_letters(
    ledger: Ledger,
    wanted: DeadLetterFilter,
    *,
    limit: int,
    after_id: int = 0,
    errors: bool = True,
    seconds: float | None = None,
) -> DeadLetterPage:
    """A page of letters without their payloads, oldest first, with the next page's cursor and the total if known.

    `errors` False: without Gong's words, which may quote the payload. `seconds`: how long to look into letters one by
    one; the page is not full then, and its `next` says where to go on.
    """
    end = None if seconds is None else time.monotonic() + seconds
    page = ledger.search_dead_letters(wanted, limit=limit, after_id=after_id, errors=errors)
    found, total = page.dead_letters, page.total
    while page.next is not None and len(found) < limit and (end is None or time.monotonic() < end):
        page = ledger.search_dead_letters(wanted, limit=limit - len(found), after_id=page.next, errors=errors)
        found = found + page.dead_letters
    if after_id == 0 and page.next is None:
        total = len(found)
    return DeadLetterPage(total, page.next, found)


def summarize_dead_letter(ledger: Ledger, letter_id: int, *, errors: bool) -> DeadLetterSummary:
    """One letter without its payload; raises DeadLetterNotFound."""
    wanted = DeadLetterFilter(ids=(letter_id,), state=DeadLetterState.ALL)
    found = ledger.search_dead_letters(wanted, limit=1, errors=errors).dead_letters
    if not found:
        raise DeadLetterNotFound(letter_id)
    return found[0]


def group_dead_letters(ledger: Ledger, wanted: DeadLetterFilter) -> Groups:
    """The letters by what Gong said, ids and values left out."""
    groups = ledger.dead_letter_groups(wanted)
    return Groups(sum(group.count for group in groups), groups)


def show_dead_letter(ledger: Ledger, letter_id: int, *, by: str) -> DeadLetter:
    """One letter, payload included, which the audit notes first; raises DeadLetterNotFound."""
    letter = ledger.get_dead_letter(letter_id)
    if letter.payload is not None:
        note_shown(ledger, [letter_id], by=by)
    return letter


def note_shown(ledger: Ledger, letter_ids: list[int], *, by: str) -> None:
    """Note in the audit that these letters' payloads, or parts of them, were shown; nothing for none."""
    if letter_ids:
        ledger.record_action(
            AuditAction.SHOW, by=by, at=datetime.now(UTC), count=len(letter_ids), target={"ids": letter_ids}
        )


def discard(ledger: Ledger, wanted: DeadLetterFilter, bulk: Bulk, *, reason: str | None) -> BulkResult:
    """Let the open letters go: their payloads and Gong's words are deleted. Repeating it is harmless.

    Raises BadReason for one that is given and says nothing, or too much.
    """
    check_reason(reason)
    result = BulkResult()
    with recorded(ledger, AuditAction.DISCARD, wanted, bulk, result, reason=reason):
        for page in pages(ledger, wanted, bulk, result):
            waiting = [letter.id for letter in page if letter.resolution is None]
            discarded = set(ledger.mark_discarded(waiting, bulk.by, datetime.now(UTC)))
            for letter in page:
                if letter.id in discarded:
                    result.add(Result(letter.id, "discarded", letter.event_id), done=True)
                else:
                    result.add(resolved_before(letter))
    with suppress(LedgerUnavailable):  # the letters are discarded; a worker does this again in a few minutes
        ledger.tidy()
    return result


def not_discardable(ledger: Ledger, wanted: DeadLetterFilter) -> list[Result]:
    """The letters that `discard` could do nothing with; a filter for open ones means none of these."""
    found = BulkResult()
    if wanted.ids is not None or wanted.state is not DeadLetterState.OPEN:
        for page in pages(ledger, wanted, Bulk(by=""), found):
            for letter in page:
                if letter.resolution is not None:
                    found.add(resolved_before(letter))
    return [one for one in found.results if one.error is not None]


def pages(
    ledger: Ledger, wanted: DeadLetterFilter, bulk: Bulk, result: BulkResult, *, after_id: int = 0
) -> Iterator[list[DeadLetter]]:
    """The letters there are now past a number, page by page, until told to stop.

    Numbers that do not exist are failures.
    """
    _, _, last = ledger.count_dead_letters(wanted)
    seen: set[int] = set()
    after, handled = after_id, 0
    while last is not None and after < last:
        if bulk.stop.is_set():
            result.interrupted = True
            return
        page = ledger.read_dead_letters(wanted, limit=PAGE, after_id=after, up_to_id=last)
        if not page:
            break
        yield page
        after, handled = page[-1].id, handled + len(page)
        seen.update(letter.id for letter in page)
        bulk.progress(handled)
    for missing in sorted(set(wanted.ids or ()) - seen):
        result.add(Result(missing, "failed", error=f"there is no dead letter {missing}"))


@contextmanager
def recorded(
    ledger: Ledger,
    action: AuditAction,
    wanted: DeadLetterFilter,
    bulk: Bulk,
    result: BulkResult,
    *,
    reason: str | None = None,
    details: dict[str, Any] | None = None,
) -> Iterator[None]:
    """Note in the audit what was done, also when it ends early."""
    try:
        yield
    finally:
        if result.done:
            ledger.record_action(
                action,
                by=bulk.by,
                at=datetime.now(UTC),
                count=result.done,
                target=described(ledger, wanted),
                reason=reason,
                details=details,
            )


def described(ledger: Ledger, wanted: DeadLetterFilter) -> dict[str, Any]:
    """The filter for the audit; what was looked for may name a person: an id stays as it is, of all else a keyed hash.

    Raises LedgerUnavailable.
    """
    values = {one.name: getattr(wanted, one.name) for one in fields(wanted)}
    if wanted.contains is not None:
        values["contains"] = foreign_id(wanted.contains, ledger.hash_key())
    if wanted.ids is not None:
        values["ids"] = list(wanted.ids[:100])
        del values["state"]
    return {name: to_json(value) for name, value in values.items() if value is not None}


def resolved_before(letter: DeadLetter) -> Result:
    """The result for a letter that somebody has dealt with: harmless, unless it was let go."""
    match letter.resolution:
        case DeadLetterResolution.DISCARDED:
            error = f"dead letter {letter.id} was discarded: its payload is gone, nothing can be done with it"
            return Result(letter.id, "failed", letter.event_id, error=error)
        case None:
            return Result(letter.id, "already resolved", letter.event_id)
        case resolution:
            return Result(letter.id, f"already {resolution.value}", letter.event_id)


def event_of(letter: DeadLetter) -> Any:
    """The event a letter holds, not validated. One without an event key may hold an event after all (read by a
    newer worker); else it is the text that nobody could read."""
    payload = letter.payload
    if letter.event_id is not None or not isinstance(payload, str):
        return payload
    try:
        return parse(payload).event
    except UnreadableMessage:
        pass
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return payload
