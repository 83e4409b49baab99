"""What the routes that act on many dead letters share: the selection, the time they may take, a replay."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gong_views.names import Lane
from gong_worker.ledger import DeadLetterFilter
from gong_worker.operations import dead_letters as letters
from gong_worker.operations import replays
from gong_worker.operations.dead_letters import Bulk, BulkResult
from gong_worker.operations.replays import Replacement
from gong_worker.operations.services import Services
from gong_worker.web.answers import BulkDone, PlannedReplay, bulk_done
from gong_worker.web.keys import ApiKey
from gong_worker.web.operators import BULK_SECONDS, stop_after, system_of
from gong_worker.web.requests import ByFilter, Selection, selected


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay that is asked for. `replacement`: what is sent instead; `details` of that are for the audit."""

    wanted: DeadLetterFilter
    lane: Lane
    dry_run: bool
    replacement: Replacement | None = None
    details: dict[str, Any] | None = None
    skip_invalid: bool = False


def selected_letters(key: ApiKey, selection: Selection) -> DeadLetterFilter:
    """The letters that are meant, as far as the key may see them; HTTPException 400 or 403."""
    asked = selection.filter.reporting_system if isinstance(selection, ByFilter) else None
    return selected(selection, system_of(key, asked))


def run_bulk(key: ApiKey, act: Callable[[Bulk], BulkResult]) -> BulkResult:
    """Act in the key's name, for a while; then it is `interrupted`."""
    stop, timer = stop_after(BULK_SECONDS)
    try:
        return act(Bulk(key.name, stop=stop))
    finally:
        timer.cancel()


def replay_letters(services: Services, key: ApiKey, asked: Replay) -> PlannedReplay | BulkDone:
    """Plan the replay, and unless it is a dry run do it; nothing when a replacement is no valid event."""
    plan = replays.plan(services, asked.wanted, lane=asked.lane, replacement=asked.replacement)
    if asked.dry_run:
        letters.note_shown(services.ledger, [one.id for one in plan.examples], by=key.name)
        return PlannedReplay(True, plan)
    if plan.invalid and asked.replacement is not None and not asked.skip_invalid:
        return bulk_done(BulkResult(failed=len(plan.invalid), results=plan.invalid))
    result = run_bulk(
        key,
        lambda bulk: replays.replay(
            services,
            asked.wanted,
            bulk,
            lane=asked.lane,
            replacement=asked.replacement,
            details=asked.details,
        ),
    )
    return bulk_done(result, plan.cost)
