"""What of the state of things is worth an alert."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from gong_worker.alerts_settings import AlertSettings
from gong_worker.domain.alerts import (
    NO_WORKER_SECONDS,
    NOT_RENEWED_SECONDS,
    AlertKind,
    Condition,
    Findings,
    key_of,
)
from gong_worker.domain.grants import USABLE, state_of
from gong_worker.domain.holds import GateState, HoldReason
from gong_worker.domain.states import DeadLetterState
from gong_worker.ledger import DeadLetterFilter, LedgerUnavailable
from gong_worker.operations.reconcile import reconcile
from gong_worker.operations.services import Services
from gong_worker.operations.status import GateReport, Status, status

_OF_GATE = frozenset({AlertKind.HELD, AlertKind.UNAUTHORIZED})
_OF_QUEUE = frozenset({AlertKind.NO_WORKER, AlertKind.BACKLOG_LIVE, AlertKind.BACKLOG_BULK})
_OF_LEDGER = frozenset({AlertKind.DEAD_PER_HOUR, AlertKind.DEAD_GROUP})


def look(services: Services, settings: AlertSettings) -> Findings:
    """What stands now, of gate, queue and ledger; a part that is away is left out."""
    looked: set[AlertKind] = set()
    conditions: list[Condition] = []
    now = status(services)
    if now.gate.state is not GateState.UNAVAILABLE:
        looked |= _OF_GATE
        conditions += _gate(now.gate, settings)
    if now.queue.live is not None:
        looked |= _OF_QUEUE
        conditions += _queue(now, settings)
    try:
        conditions += _oauth(services)
        looked.add(AlertKind.OAUTH)
        conditions += _dead_letters(services, settings)
        looked |= _OF_LEDGER
    except LedgerUnavailable:
        pass
    return Findings(frozenset(looked), tuple(conditions))


def look_for_drift(services: Services) -> Findings:
    """Whether every message is accounted for. Raises redis.RedisError or LedgerUnavailable."""
    drift = reconcile(services).drift
    missing = sum(row.missing for row in drift if row.missing > 0)
    unexplained = -sum(row.missing for row in drift if row.missing < 0)
    conditions = []
    if drift:
        text = (
            f"{missing} messages are missing and {unexplained} came out without having been counted in: "
            "gong-views reconcile tells the lanes and days"
        )
        conditions.append(Condition(key_of(AlertKind.DRIFT), text))
    return Findings(frozenset({AlertKind.DRIFT}), tuple(conditions))


def _gate(gate: GateReport, settings: AlertSettings) -> Iterator[Condition]:
    refused = [hold for hold in gate.holds if hold.reason is HoldReason.UNAUTHORIZED]
    if refused:
        whose = "of some workers" if gate.state is GateState.OPEN else "no event is delivered"
        text = f"Gong refuses the credential, {whose}: {refused[0].note}"
        yield Condition(key_of(AlertKind.UNAUTHORIZED), text)
    for hold in gate.holds:
        if hold.part is not None:
            aside = f"{hold.messages} of its events are set aside"
            text = f"{hold.part} is held ({hold.reason.value}), {aside}: {hold.note}"
            yield Condition(key_of(AlertKind.HELD, str(hold.part)), text, settings.held_minutes * 60)
    others = [hold for hold in gate.holds if hold.part is None and hold not in refused]
    if others:
        reasons = ", ".join(
            hold.reason.value + (f" until {hold.until:%Y-%m-%d %H:%M:%S} UTC" if hold.until else "")
            for hold in others
        )
        who = "some workers have made no call" if gate.state is GateState.OPEN else "no call has been made"
        text = f"{who} for {settings.held_minutes:g} minutes. The gate is held: {reasons}"
        yield Condition(key_of(AlertKind.HELD), text, settings.held_minutes * 60)


def _queue(now: Status, settings: AlertSettings) -> Iterator[Condition]:
    if not any(worker.alive for worker in now.workers):
        waiting = (now.queue.live or 0) + (now.queue.bulk or 0)
        text = f"no worker is alive; {waiting} events wait"
        yield Condition(key_of(AlertKind.NO_WORKER), text, NO_WORKER_SECONDS)
    for kind, lane, age, minutes in (
        (AlertKind.BACKLOG_LIVE, "live", now.oldest_waiting.live_seconds, settings.backlog_minutes),
        (AlertKind.BACKLOG_BULK, "bulk", now.oldest_waiting.bulk_seconds, settings.bulk_backlog_minutes),
    ):
        if minutes and age is not None and age > minutes * 60:
            drained = (
                f"{now.drain.at:%Y-%m-%d %H:%M} UTC" if now.drain.at else f"unknown when ({now.drain.why})"
            )
            text = f"the oldest event of the {lane} lane has waited {age / 60:.0f} minutes; all drained: {drained}"
            yield Condition(key_of(kind), text)


def _oauth(services: Services) -> Iterator[Condition]:
    """Told while calls still go on: then there is time to mend it."""
    client_id = services.settings.gong_oauth_client_id
    grant = services.ledger.read_grant(client_id.get_secret_value()) if client_id is not None else None
    if grant is not None and grant.failing_since is not None and state_of(grant) in USABLE:
        until = f"{grant.expires_at:%Y-%m-%d %H:%M} UTC"
        text = f"the access token is good until {until} and is not renewed ({grant.failure}): gong-views oauth status"
        yield Condition(key_of(AlertKind.OAUTH), text, NOT_RENEWED_SECONDS)


def _dead_letters(services: Services, settings: AlertSettings) -> Iterator[Condition]:
    ledger = services.ledger
    if settings.dead_per_hour:
        since = datetime.now(UTC) - timedelta(hours=1)
        letters, _, _ = ledger.count_dead_letters(DeadLetterFilter(since=since, state=DeadLetterState.ALL))
        if letters > settings.dead_per_hour:
            yield Condition(
                key_of(AlertKind.DEAD_PER_HOUR),
                f"{letters} events died in the last hour: gong-views dead-letters groups",
            )
    if settings.dead_in_group:
        for group in ledger.dead_letter_groups(DeadLetterFilter()):
            if group.count > settings.dead_in_group:
                answer = f"{group.reason.value} {group.http_status or ''}".strip()
                text = (
                    f"{group.count} open dead letters failed alike ({answer}): "
                    f"gong-views dead-letters list --group {group.group}"
                )
                yield Condition(key_of(AlertKind.DEAD_GROUP, group.group), text)
