"""The status script's reply as GateStatus."""

from datetime import UTC, datetime

from gong_views.names import Lane
from gong_worker.domain.grants import NO_ACCESS, GrantState
from gong_worker.domain.holds import PROBED, GateState, HoldReason
from gong_worker.gate.rebuild import History, calls_since
from gong_worker.gate.settings import LIMITS
from gong_worker.gate.types import GateStatus, HoldView, LimitOrigin, LimitView, Probe, Share
from gong_worker.settings import default_bulk_reserve

# Width of the buckets of the rolling day (lua/day.lua).
_BUCKET_US = 300_000_000

# Why, and what may be done: this is read at night, by somebody who has no document at hand.
_NOTES = {
    HoldReason.RETRY_AFTER: "Gong asked to wait (429 or 503 with Retry-After); if it was a proxy: "
    "gong-views release --even-retry-after",
    HoldReason.DAILY_QUOTA: "the calls of the rolling day are spent, and come back as it rolls on; "
    "see gong-views limits",
    HoldReason.BREAKER: "calls of different events failed in a row; one probe tries when the time has come, "
    "gong-views release at once",
    HoldReason.UNAUTHORIZED: "Gong refuses this credential; one event tries again from time to time, and workers "
    "that are started with another one go on",
    HoldReason.MISCONFIGURED: "the base URL does not answer as Gong does; one event tries from time to time, and "
    "workers that are started with another GONG_BASE_URL go on",
    HoldReason.REJECTIONS: "too many events were refused in a row; see gong-views dead-letters groups, then "
    "gong-views release",
}


def to_datetime(micros: int) -> datetime | None:
    """UTC of Redis's microseconds; 0 is None."""
    return datetime.fromtimestamp(micros / 1e6, UTC) if micros else None


def status_of(reply: list[str], history: History) -> GateStatus:
    """Read the reply; a day that Redis does not know (yet, or any more) comes from the ledger."""
    now = int(reply[1])
    pairs = list(zip(reply[2::2], reply[3::2], strict=True))
    fields = dict(pairs)
    day = int(fields["last_24h"])
    buckets = [(int(number) * _BUCKET_US, int(count)) for number, count in _told(pairs, "bucket")]
    if fields["known"] != "1":
        buckets = calls_since(history, now)
        day = sum(calls for _, calls in buckets)
    reason = HoldReason(fields["reason"]) if fields["reason"] else None
    limit, per_second = int(float(fields["calls_per_day"])), float(fields["calls_per_second"])
    holds = holds_of(reply)
    return GateStatus(
        now=datetime.fromtimestamp(now / 1e6, UTC),
        state=GateState.HELD if reason else GateState.OPEN,
        reason=reason,
        until=to_datetime(int(fields["until"])),
        note=_note(reason, fields),
        per_second_limit=per_second,
        window_seconds=float(fields["window"]) / 1e6,
        shares={lane: _share(lane, pairs) for lane in Lane},
        throttled_at=to_datetime(int(float(fields["refused_at"]))),
        last_24h=day,
        day_buckets=tuple((datetime.fromtimestamp(start / 1e6, UTC), calls) for start, calls in buckets),
        per_day_limit=limit,
        per_day_cap=limit - int(float(fields["day_reserve"])),
        next_slot_in_seconds=max(0.0, (float(fields["next_slot"]) - now) / 1e6),
        spacing_seconds=float(fields["spacing"]) / 1e6,
        margin_seconds=float(fields["margin"]) / 1e6,
        failures_in_a_row=int(fields["failing"]),
        rejections_in_a_row=int(fields["rejected"]),
        probe=_probe(fields) if any(hold.reason in PROBED for hold in holds) else None,
        limits=tuple(
            LimitView(
                name, _limit(fields, name), _origin(fields, name), fields[f"set.{name}"] or fields["env_by"]
            )
            for name in LIMITS
        ),
        holds=holds,
    )


def holds_of(reply: list[str]) -> tuple[HoldView, ...]:
    """The holds that stand, from the status script's reply."""
    pairs = list(zip(reply[2::2], reply[3::2], strict=True))
    fields = dict(pairs)
    return tuple(_hold(texts, fields) for texts in _told(pairs, "hold"))


def _share(lane: Lane, pairs: list[tuple[str, str]]) -> Share:
    ((calls, most),) = _told(pairs, lane.value)
    growth = ((int(at), int(calls)) for of, at, calls in _told(pairs, "step") if of == lane)
    return Share(
        int(calls), int(most), tuple((datetime.fromtimestamp(at / 1e6, UTC), more) for at, more in growth)
    )


def _limit(fields: dict[str, str], name: str) -> float:
    try:
        return float(fields[name])
    except ValueError:  # not set, and not known to a worker of the release before
        return default_bulk_reserve(float(fields["calls_per_second"])) if name.startswith("bulk") else 0


def _origin(fields: dict[str, str], name: str) -> LimitOrigin:
    return LimitOrigin.OPERATOR if fields[f"set.{name}"] else LimitOrigin.ENVIRONMENT


def _note(reason: HoldReason | None, fields: dict[str, str]) -> str | None:
    if reason is HoldReason.OPERATOR:
        note, by = fields["operator_note"], fields["operator_by"]
        return f"{note} (by {by})" if by else note
    return _reason_note(reason, fields) if reason else None


def _reason_note(reason: HoldReason, fields: dict[str, str]) -> str:
    day, reserve = float(fields["calls_per_day"]), float(fields["day_reserve"])
    if reason is HoldReason.DAILY_QUOTA and reserve >= day:
        return f"day_reserve is {reserve:.0f} of {day:.0f} calls a day, which leaves none; see `gong-views limits`"
    if reason is HoldReason.UNAUTHORIZED and fields["ungranted"]:
        return NO_ACCESS[GrantState(fields["ungranted"])]
    return _NOTES[reason]


def _probe(fields: dict[str, str]) -> Probe | None:
    if not fields["probe_event"]:
        return None
    at = to_datetime(int(fields["probe_answered"] or 0))
    return Probe(fields["probe_event"], fields["probe_out"] == "1", fields["probe_answer"] or None, at)


def _told(pairs: list[tuple[str, str]], wanted: str) -> list[list[str]]:
    return [text.split() for name, text in pairs if name == wanted]


def _hold(texts: list[str], fields: dict[str, str]) -> HoldView:
    reason, until, since, mine = texts
    why = HoldReason(reason)
    by_operator = why is HoldReason.OPERATOR
    return HoldView(
        why,
        to_datetime(int(until)),
        to_datetime(int(since)),
        mine == "1",
        fields["operator_note"] if by_operator else _reason_note(why, fields),
        fields["operator_by"] or None if by_operator else None,
    )
