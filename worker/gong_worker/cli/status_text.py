"""`gong-views status` in words."""

from gong_worker.cli.output import at_time, duration
from gong_worker.domain.holds import PROBED, GateState
from gong_worker.operations.drain import Drain
from gong_worker.operations.serialize import to_json
from gong_worker.operations.status import (
    CallsReport,
    GateReport,
    Hold,
    ProbeReport,
    Status,
    WorkerReport,
    other_ledgers,
)


def status_lines(found: Status, *, utc: bool) -> dict[str, object]:
    """The picture for people, by name; a tuple is several lines."""
    calls, queue, ledger, oldest = found.calls, found.queue, found.ledger, found.oldest_waiting
    lines: dict[str, object] = {"gate": hold_lines(found.gate, utc=utc)}
    if found.gate.probe is not None:
        lines["probe"] = _probe(found.gate.probe, utc=utc)
    if calls is not None:
        lines["calls"] = _calls(calls, utc=utc)
    if queue.live is None:
        lines["queue"] = queue.error
    else:
        places = f"{queue.live} live, {queue.bulk} bulk, {queue.delayed} delayed, {queue.unacked} unacked" + (
            f", {queue.held} set aside" if queue.held else ""
        )
        ages = {"live": oldest.live_seconds, "bulk": oldest.bulk_seconds}
        told = [f"{duration(age)} {lane}" for lane, age in ages.items() if age is not None]
        places += f"; the oldest waits {', '.join(told)}" if told else ""
        lines["queue"] = (places, f"producers are refused: {queue.error}") if queue.error else places
        lines["workers"] = tuple(_worker_lines(found.workers, utc=utc))
    counts = {name: count for name, count in to_json(ledger).items() if name != "error"}
    lines["ledger"] = ledger.error or ", ".join(f"{count} {name}" for name, count in counts.items())
    lines["dead letters"] = _dead_letters(found)
    lines["drained"] = _drained(found.drain, utc=utc)
    return lines


def _calls(calls: CallsReport, *, utc: bool) -> tuple[str, ...]:
    """The day, and what each lane may use of the second: why no more, until when."""
    told = [
        f"{calls.last_24h} of {calls.per_day_cap} in 24 h (limit {calls.per_day_limit}), "
        f"{calls.current_rate:.3g} of {calls.per_second_limit:g} per second"
        + (f", {calls.bulk.calls} of them with bulk" if calls.bulk.calls < calls.live.calls else "")
    ]
    for lane, share, reserve in (
        ("live", calls.live, calls.reserve_per_second),
        ("bulk", calls.bulk, max(calls.reserve_per_second, calls.bulk_reserve_per_second)),
    ):
        if share.grows_at is not None and share.whole_at is not None and calls.throttled_at is not None:
            told.append(
                f"{lane}: {share.calls} of {share.most} since others spend, too (refused "
                f"{at_time(calls.throttled_at, utc=utc)}); {share.grows_to} from {at_time(share.grows_at, utc=utc)}, "
                f"{share.most} from {at_time(share.whole_at, utc=utc)} unless refused again"
            )
        elif reserve:
            told.append(f"{lane}: {share.calls}, {reserve} per second left to others")
    return tuple(told)


def hold_lines(gate: GateReport, *, utc: bool) -> tuple[str, ...]:
    """The gate in words: its state, and every hold with its end."""
    if gate.state is GateState.UNAVAILABLE:
        return (f"unavailable: {gate.note}", *(_hold(hold, utc=utc) for hold in gate.holds))
    lines = tuple(_hold(hold, utc=utc) for hold in gate.holds)
    return lines if gate.state is GateState.HELD else (gate.state.value, *lines)


def _hold(hold: Hold, *, utc: bool) -> str:
    by = f" by {hold.by}" if hold.by else ""
    if hold.part is not None:
        by = f"{by}, only {hold.part} ({hold.messages} set aside)"
    if hold.until is None:
        end = "" if hold.reason in PROBED else ", until released"
    else:
        end = f", {'next probe' if hold.reason in PROBED else 'until'} {at_time(hold.until, utc=utc)}"
    return f"held: {hold.reason.value}{by}{end} ({hold.note})"


def _probe(probe: ProbeReport, *, utc: bool) -> str:
    event = f"event {probe.reporting_system}/{probe.event_id}"
    if probe.out or probe.answered_at is None:
        return f"{event} is under way"
    return f"{event} was answered {probe.answer} at {at_time(probe.answered_at, utc=utc)}"


def _worker_lines(workers: list[WorkerReport], *, utc: bool) -> list[str]:
    alive = [worker for worker in workers if worker.alive]
    lines = [f"{len(alive)} alive" if alive else "none is alive: start gong-views worker"]
    for worker in alive:
        doing = f"paused ({worker.paused})" if worker.paused else "at work"
        lines.append(
            f"{worker.id} {worker.version}, {worker.concurrency} threads, {worker.in_hand} in hand, {doing} "
            f"since {at_time(worker.since, utc=utc)}"
        )
    lines += [
        f"{worker.id} has not been heard of since {at_time(worker.heartbeat_at, utc=utc)}"
        for worker in workers
        if not worker.alive
    ]
    if (several := other_ledgers(workers)) is not None:
        lines.append(several)
    return lines


def _dead_letters(found: Status) -> str:
    letters, dead = found.dead_letters.open, found.ledger.dead
    if letters is None or dead is None:
        return "unknown"
    if dead <= letters:
        return f"{letters} open"
    return f"{letters} open; {dead - letters} dead events have none: discarded, or their replay waits"


def _drained(drain: Drain, *, utc: bool) -> str:
    if drain.events == 0:
        return drain.why
    if drain.at is None:
        return f"{'' if drain.events is None else f'{drain.events} events, '}unknown when: {drain.why}"
    return f"{drain.events} events, by {at_time(drain.at, utc=utc)} ({drain.why})"
