"""The gate as pages show it: its state, its holds, the day's calls."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from nicegui import ui

from gong_worker.console.widgets import Text, until
from gong_worker.console.words import hold_text
from gong_worker.domain.holds import GateState
from gong_worker.operations.status import CallsReport, GateReport


class GateView:
    """The gate in words, with every hold and its end."""

    def __init__(self) -> None:
        self._state = Text("p", "", "state").props("aria-live=polite")
        self._holds = ui.element("ul").classes("holds")
        self._shown: object = None

    def show(self, gate: GateReport, now: datetime) -> None:
        """Show the gate."""
        words = {
            GateState.OPEN: "Open: calls are made.",
            GateState.HELD: "Held: no call is made.",
            GateState.UNAVAILABLE: f"Unavailable: no call is made. {gate.note or ''}",
        }
        self._state.show(words[gate.state], f"state {gate.state.value}")
        lines = [hold_text(hold, now) for hold in gate.holds]
        if gate.probe is not None:
            answer = gate.probe.answer or "is under way"
            lines.append(f"the probe, event {gate.probe.reporting_system}/{gate.probe.event_id}: {answer}")
        if lines != self._shown:
            self._shown = lines
            self._holds.clear()
            with self._holds:
                for line in lines:
                    Text("li", line)


class BudgetBar:
    """The calls of the day and of each second: ours, what is left to us, and what is left to other integrations.

    How many calls the others make is told by nobody. They show in the second alone, by the calls that are refused.
    """

    def __init__(self) -> None:
        self._day = _Bar(("used", "left", "reserve"))
        self._day_told = Text("p", "")
        self._second = _Bar(("bulk", "live-alone", "others", "reserve"))
        self._second_told = Text("p", "", "told")

    def show(self, calls: CallsReport | None, now: datetime) -> None:
        """Show the day and the second."""
        if calls is None:
            self._day.show({"left": (1, "unknown while the queue does not answer")})
            self._second.show({})
            self._day_told.show("")
            self._second_told.show("")
            return
        reserve = calls.per_day_limit - calls.per_day_cap
        left = max(0, calls.per_day_cap - calls.last_24h)
        self._day.show(
            {
                "used": (calls.last_24h, f"{calls.last_24h:,} made by us"),
                "left": (left, f"{left:,} left to us"),
                "reserve": (
                    min(reserve, max(0, calls.per_day_limit - calls.last_24h)),
                    f"{reserve:,} kept for other integrations",
                ),
            }
        )
        self._day_told.show(
            f"The company's limit is {calls.per_day_limit:,} in 24 hours. Gong tells nobody what others use of it."
        )
        self._second.show(_second(calls))
        self._second_told.show(
            f"At present {calls.current_rate:.3g} of {calls.per_second_limit:g} calls a second. {_others(calls, now)}"
        )


class _Bar:
    """A bar of segments with its legend, an item for each."""

    def __init__(self, kinds: Sequence[str]) -> None:
        with ui.element("div").classes("bar").props("role=img") as self._bar:
            self._segments = {kind: ui.element("div").classes(kind) for kind in kinds}
        with ui.element("ul").classes("legend"):
            self._legend = {kind: Text("li", "", kind) for kind in kinds}

    def show(self, told: Mapping[str, tuple[int, str]]) -> None:
        """Show each segment's size and what it is; one that is not told of has no place."""
        for kind, segment in self._segments.items():
            size, text = told.get(kind, (0, ""))
            # However few calls among thousands, they are seen.
            segment.style(f"flex-grow: {size}; min-width: {3 if size else 0}px")
            self._legend[kind].show(text)
        self._bar.props["aria-label"] = ", ".join(text for _, text in told.values() if text) or "unknown"


def _second(calls: CallsReport) -> dict[str, tuple[int, str]]:
    """Whole calls of a window (a second, or longer for a limit below 1 a second) by who may make them."""
    limit = max(1, int(calls.per_second_limit))
    bulk = min(calls.bulk.calls, calls.live.calls)
    more, yielded = calls.live.calls - bulk, calls.live.most - calls.live.calls
    reserve = max(0, limit - calls.live.most)
    window = "each second" if calls.per_second_limit >= 1 else f"each {1 / calls.per_second_limit:.3g} s"
    return {
        "bulk": (bulk, f"{bulk:,} {window} for live events or bulk"),
        "live-alone": (more, f"{more:,} more for live events"),
        "others": (yielded, f"{yielded:,} left to others after a 429"),
        "reserve": (reserve, f"{reserve:,} kept for others"),
    }


def _others(calls: CallsReport, now: datetime) -> str:
    if calls.throttled_at is None:
        return "No 429 tells of use by others."
    told = f"Others use the limit too: the latest 429 came at {calls.throttled_at:%H:%M:%S} UTC"
    if calls.live.whole_at is not None:
        told += f"; without another one all is ours again from {until(calls.live.whole_at, now)}"
    return f"{told}."
