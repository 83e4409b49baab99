"""What the operators' routes answer. Bodies are those of the commands' `--json`."""

import json
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from fastapi import Response

from gong_worker.gate.types import LimitView
from gong_worker.operations.alerts import Trial
from gong_worker.operations.cost import Cost
from gong_worker.operations.dead_letters import BulkResult, Result
from gong_worker.operations.queue import WaitingMessage
from gong_worker.operations.reconcile import Reconciliation
from gong_worker.operations.replays import Plan, WaitingReplay
from gong_worker.operations.serialize import to_json
from gong_worker.queue.alerts import StandingAlert

MAX_RESULTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force and where each comes from."""

    limits: list[LimitView]


@dataclass(frozen=True, slots=True)
class Replays:
    """The replays that no worker has taken up, the next ones first."""

    total: int
    replays: list[WaitingReplay]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Messages in the queue, without their payloads. `complete`: whether the whole queue was read for them."""

    messages: list[WaitingMessage]
    complete: bool


@dataclass(frozen=True, slots=True)
class AcceptedDrift:
    """What a reconciliation has found. `drift_accepted`: its drift is written off; False: there was none."""

    drift_accepted: bool
    found: Reconciliation


@dataclass(frozen=True, slots=True)
class Alerts:
    """The alerts that stand, and those whose trouble has not stood long enough to be told."""

    alerts: list[StandingAlert]


@dataclass(frozen=True, slots=True)
class AlertTrials:
    """What came of a test message to each address."""

    sent: list[Trial]


@dataclass(frozen=True, slots=True)
class PlannedReplay:
    """What a replay would do and cost; nothing was done."""

    dry_run: Literal[True]
    plan: Plan


@dataclass(frozen=True, slots=True)
class PlannedDiscard:
    """How many letters would be discarded, and of how many events; nothing was done."""

    dry_run: Literal[True]
    letters: int
    events: int


@dataclass(frozen=True, slots=True)
class BulkDone:
    """What was done. `interrupted`: there was more to do than one request may; send it again to go on.

    results: those that failed first, 1,000 at most. cost: of a replay, as it was reckoned before.
    """

    dry_run: Literal[False]
    done: int
    failed: int
    interrupted: bool
    results: list[Result]
    cost: Cost | None = None


def answer(data: Any, status: int = 200) -> Response:
    """JSON in ASCII: an id may hold a lone surrogate, which UTF-8 cannot."""
    return Response(json.dumps(to_json(data)), status, media_type="application/json")


def bulk_done(result: BulkResult, cost: Cost | None = None) -> BulkDone:
    """The result without what an edit changes: that is personal, and a dry run shows it."""
    ordered = sorted(result.results, key=lambda one: one.error is None)
    shown = [replace(one, changes=[]) for one in ordered[:MAX_RESULTS]]
    return BulkDone(False, result.done, result.failed, result.interrupted, shown, cost)
