"""The options that select dead letters: the same for every command on them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any

import click

from gong_views.names import Lane
from gong_worker.domain.ids import MAX_ID
from gong_worker.domain.reasons import BadReason, check_reason
from gong_worker.domain.states import DeadLetterReason, DeadLetterState
from gong_worker.ledger import DeadLetterFilter

_LONGEST = timedelta(days=36_500)
LETTER_ID = click.IntRange(1, MAX_ID)
_AGO = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> datetime | None:
    """A time as an option's value: ISO 8601 with an offset, or how long ago (30m, 12h, 7d)."""
    if value is None:
        return None
    if _AGO.fullmatch(value):
        return datetime.now(UTC) - age(_ctx, _param, value)
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            "no time; write it like 2026-07-01T12:00:00Z, or 12h for twelve hours ago"
        ) from None
    if found.tzinfo is None:
        raise click.BadParameter("it needs an offset, like 2026-07-01T12:00:00Z")
    return found


def age(_ctx: click.Context, _param: click.Parameter, value: str) -> timedelta:
    """A length of time as an option's value, such as 400d or 56w."""
    match = _AGO.fullmatch(value)
    if match is None:
        raise click.BadParameter("no length of time; write it like 400d")
    found = timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    if found > _LONGEST:
        raise click.BadParameter(f"longer than {_LONGEST.days} days; that is before there was anything")
    return found


def reason(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Why, as an option's value: refused before anything is read or asked."""
    try:
        check_reason(value)
    except BadReason as error:
        raise click.BadParameter(str(error)) from None
    return value


def _choices(values: Any) -> click.Choice[str]:
    return click.Choice([value.value for value in values])


_OPTIONS: list[Callable[[Any], Any]] = [
    click.option("--reason", type=_choices(DeadLetterReason), help="why they died"),
    click.option(
        "--contains", metavar="TEXT", help="in Gong's error texts or the payload, whatever its case"
    ),
    click.option("--http-status", type=click.IntRange(100, 599), help="Gong's last answer"),
    click.option("--reporting-system", help="of the event"),
    click.option("--content-id", help="of the event"),
    click.option("--source", help="the producer's name"),
    click.option("--lane", "in_lane", type=_choices(Lane), help="the lane on which they came"),
    click.option(
        "--since", metavar="TIME", callback=moment, help="died at or after this time, or so long ago (12h)"
    ),
    click.option("--until", metavar="TIME", callback=moment, help="died before this time, or so long ago"),
    click.option("--group", metavar="GROUP", help="of `dead-letters groups`"),
    click.option("--state", type=_choices(DeadLetterState), default="open", show_default=True),
]


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command gets them as `wanted`, a DeadLetterFilter."""

    @wraps(command)
    def call(**given: Any) -> Any:
        wanted = DeadLetterFilter(
            reason=_enum(DeadLetterReason, given.pop("reason")),
            contains=given.pop("contains"),
            http_status=given.pop("http_status"),
            reporting_system=given.pop("reporting_system"),
            content_id=given.pop("content_id"),
            source=given.pop("source"),
            lane=_enum(Lane, given.pop("in_lane")),
            since=given.pop("since"),
            until=given.pop("until"),
            group=given.pop("group"),
            state=DeadLetterState(given.pop("state")),
        )
        return command(wanted=wanted, **given)

    for option in reversed(_OPTIONS):
        call = option(call)
    return call


def _enum(kind: Any, value: str | None) -> Any:
    return None if value is None else kind(value)
