"""The attempts of the last day as bars, one an hour, each in the colours of how its attempts ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Final

from gong_worker.domain.outcomes import AttemptOutcome as Outcome
from gong_worker.ledger import HourOutcome

HOURS: Final = 24
WIDTH, HEIGHT, BASE = 720, 180, 160


@dataclass(frozen=True, slots=True)
class Kind:
    """Outcomes that share a colour. `name` is the CSS class too."""

    name: str
    outcomes: frozenset[str]


# From the bottom of a bar to its top. An outcome that is not known here counts as failed, as in the views.
KINDS: Final = (
    Kind("delivered", frozenset({Outcome.DELIVERED, Outcome.ALREADY_REPORTED})),
    Kind("refused", frozenset({Outcome.REJECTED, Outcome.UNAUTHORIZED, Outcome.MISCONFIGURED})),
    Kind("throttled", frozenset({Outcome.THROTTLED})),
    Kind(
        "failed",
        frozenset({Outcome.SERVER_ERROR, Outcome.UNREACHABLE, Outcome.AMBIGUOUS, Outcome.INTERRUPTED}),
    ),
)


def kind_of(outcome: str) -> Kind:
    """The kind of an outcome."""
    return next((kind for kind in KINDS if outcome in kind.outcomes), KINDS[-1])


def totals(found: Iterable[HourOutcome]) -> dict[str, int]:
    """Attempts of the whole day by the name of their kind."""
    sums = {kind.name: 0 for kind in KINDS}
    for one in found:
        sums[kind_of(one.outcome).name] += one.attempts
    return sums


def svg(found: Sequence[HourOutcome], now: datetime) -> str:
    """The chart; nothing foreign is in it but numbers and times."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    hours = [this_hour - timedelta(hours=back) for back in range(HOURS - 1, -1, -1)]
    columns = {hour: {kind.name: 0 for kind in KINDS} for hour in hours}
    for one in found:
        if one.hour in columns:
            columns[one.hour][kind_of(one.outcome).name] += one.attempts
    most = max((sum(counts.values()) for counts in columns.values()), default=0)
    step = WIDTH / HOURS
    parts = [
        _bar(counts, hour, place * step, step, most or 1)
        for place, (hour, counts) in enumerate(columns.items())
    ]
    parts += [
        f'<text x="{place * step + step / 2:.1f}" y="{HEIGHT - 4}" text-anchor="middle">{hour:%H}h</text>'
        for place, hour in enumerate(hours)
        if hour.hour % 3 == 0
    ]
    told = ", ".join(f"{count} {name}" for name, count in totals(found).items() if count) or "none"
    label = escape(f"Attempts of the last 24 hours: {told}; at most {most} in one hour", quote=True)
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f'<line x1="0" y1="{BASE}" x2="{WIDTH}" y2="{BASE}"/>{"".join(parts)}'
        f'<text x="2" y="11">{most or ""}</text></svg>'
    )


def _bar(counts: dict[str, int], hour: datetime, left: float, width: float, most: int) -> str:
    bottom, bars = float(BASE), ""
    for name, count in counts.items():
        height = count / most * (BASE - 16)
        if count:
            bottom -= height
            bars += (
                f'<rect class="{name}" x="{left + 2:.1f}" y="{bottom:.1f}" '
                f'width="{width - 4:.1f}" height="{height:.1f}"/>'
            )
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing"
    return f"<g><title>{hour:%Y-%m-%d %H:00} UTC: {told}</title>{bars}</g>"
