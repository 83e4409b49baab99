"""What the pages say in sentences."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from gong_worker.console.widgets import span, until
from gong_worker.domain.holds import PROBED
from gong_worker.operations.cost import Cost
from gong_worker.operations.dead_letters import BulkResult
from gong_worker.operations.drain import Drain
from gong_worker.operations.status import Hold

SHOWN = 20
"""So many results are told one by one."""


def hold_text(hold: Hold, now: datetime) -> str:
    """A hold in words: why, by whom, until when."""
    by = f" by {hold.by}" if hold.by else ""
    if hold.part is not None:
        by += f", only {hold.part} ({number(hold.messages)} events set aside)"
    if hold.until is None:
        end = "until somebody releases it"
    else:
        end = f"{'next probe' if hold.reason in PROBED else 'until'} {until(hold.until, now)}"
    return f"{hold.reason.value}{by}, {end}: {hold.note}"


def drained(drain: Drain, now: datetime) -> str:
    """When the backlog is gone, in words."""
    if drain.at is None:
        return f"Nobody can tell when the backlog is gone: {drain.why}."
    if drain.events == 0:
        return "Nothing waits."
    least = "" if drain.certain else "at the earliest "
    return f"The backlog is gone {least}by {until(drain.at, now)} ({drain.why})."


def cost_text(cost: Cost, now: datetime) -> str:
    """What a number of calls costs: of the day, and of time."""
    text = f"{cost.calls:,} calls of {cost.left_today:,} left today"
    if cost.done_at is None:
        return f"{text}, done at an unknown time ({cost.why})."
    text += f", done by {until(cost.done_at, now)} ({cost.why})"
    return f"{text}, but not now: {cost.blocked}." if cost.blocked else f"{text}."


def result_lines(result: BulkResult, verb: str, lines: Mapping[int, int]) -> list[str]:
    """What became of a selection: the number, and what could not be done."""
    failed = [one for one in result.results if one.error is not None]
    told = [f"{result.done:,} {verb}" + (f", {result.failed:,} not:" if failed else ".")]
    told += shortened([f"{letter_name(one.id, lines)}: {one.error}" for one in failed])
    if result.interrupted:
        told.append("Stopped. Do the same again to go on.")
    return told


def letter_name(letter_id: int, lines: Mapping[int, int]) -> str:
    """A dead letter, and the line on which it stands if it comes from a file."""
    name = f"dead letter {letter_id}"
    return f"line {lines[letter_id]}, {name}" if letter_id in lines else name


def shortened(lines: Sequence[str]) -> list[str]:
    """The first lines of many, and how many more there are."""
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"… and {more:,} more"] if more > 0 else [])]


def number(count: int | None) -> str:
    """A count for people."""
    return "unknown" if count is None else f"{count:,}"


def age(seconds: float | None) -> str:
    """An age for people."""
    return "" if seconds is None else span(seconds)
