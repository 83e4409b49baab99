"""The options that select dead letters: the same for every command on them."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from gong_views.names import Lane
from gong_worker.cli.values import moment
from gong_worker.domain.ids import MAX_ID
from gong_worker.domain.reasons import BadReason, check_reason
from gong_worker.domain.states import DeadLetterReason, DeadLetterState
from gong_worker.ledger import DeadLetterFilter

_LONGEST_TEXT = 1_000
LETTER_ID = click.IntRange(1, MAX_ID)


def reason(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Why, as an option's value: refused before anything is read or asked."""
    try:
        check_reason(value)
    except BadReason as error:
        raise click.BadParameter(str(error)) from None
    return value


def _short(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and len(value) > _LONGEST_TEXT:
        raise click.BadParameter(f"longer than {_LONGEST_TEXT:,} characters")
    return value


def _choices(values: Any) -> click.Choice[str]:
    return click.Choice([value.value for value in values])


_OPTIONS: list[Callable[[Any], Any]] = [
    click.option("--reason", type=_choices(DeadLetterReason), help="why they died"),
    click.option(
        "--contains",
        metavar="TEXT",
        callback=_short,
        help="in Gong's error texts or the payload, whatever its case",
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
