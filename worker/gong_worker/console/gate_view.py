"""The gate as pages show it: its state, its holds, the day's calls."""

from datetime import datetime

from nicegui import ui

from gong_worker.console.widgets import Text, until
from gong_worker.console.words import hold_text
from gong_worker.domain.holds import GateState
from gong_worker.operations.status import CallsReport, GateReport, ShareReport


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
    """The day's calls: ours, what is left to us, and the reserve for other integrations; and each second's."""

    def __init__(self) -> None:
        with ui.element("div").classes("bar").props("role=img") as self._bar:
            self._used = ui.element("div").classes("used")
            ui.element("div").classes("left")
            self._reserve = ui.element("div").classes("reserve")
        self._lines = [Text("p", "") for _ in range(3)]

    def show(self, calls: CallsReport | None, now: datetime) -> None:
        """Show the day."""
        if calls is None:
            lines = ["unknown while the queue does not answer", "", ""]
        else:
            reserve = calls.per_day_limit - calls.per_day_cap
            left = max(0, calls.per_day_cap - calls.last_24h)
            self._used.style(f"flex-grow: {min(calls.last_24h, calls.per_day_limit)}")
            self._reserve.style(f"flex-grow: {reserve}")
            self._bar.style(f"--left: {left}")
            lines = [
                f"{calls.last_24h:,} made, {left:,} left to us, {reserve:,} kept for other integrations; "
                f"the company's limit is {calls.per_day_limit:,}.",
                f"At present {calls.current_rate:.3g} of {calls.per_second_limit:g} calls a second; in a window "
                f"{_share(calls.live, now)} for live events, {_share(calls.bulk, now)} for bulk.",
                "No 429 tells of use by others."
                if calls.throttled_at is None
                else f"Others use the limit too: the latest 429 came at {calls.throttled_at:%H:%M:%S} UTC.",
            ]
            self._bar.props["aria-label"] = lines[0]
        for text, line in zip(self._lines, lines, strict=True):
            text.show(line)


def _share(share: ShareReport, now: datetime) -> str:
    text = f"{share.calls} of {share.most}"
    return text if share.whole_at is None else f"{text} (all again {until(share.whole_at, now)})"
