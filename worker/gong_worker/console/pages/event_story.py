"""What happened to one event, in order, and where its messages wait."""

from gong_worker.console.dialogs import Dialog
from gong_worker.console.frame import Page
from gong_worker.console.widgets import Table, Text, at, span
from gong_worker.operations.events import EventStory, find_events
from gong_worker.operations.queue import WaitingMessage
from gong_worker.operations.timeline import TimelineStep


async def show_story(page: Page, event_id: str, reporting_system: str | None) -> None:
    """Show every event of that id in a dialog; also one that only waits in the queue."""
    page.console.user()
    found = await page.console.backend.run(find_events, event_id, reporting_system)
    dialog = Dialog(page, f"Event {event_id}")
    with dialog.anew():
        if not found:
            Text("p", "Neither the ledger nor the queue has it.")
        for story in found:
            _story(story)
    with dialog.buttons():
        pass


def _story(story: EventStory) -> None:
    Text("h3", f"{story.reporting_system}/{story.event_id}")
    facts = _facts(story)
    Table("The event", ("", "Value"), empty="").fill(facts, lambda: facts)
    steps = [(at(step.at), step.step.value.replace("_", " "), _told(step)) for step in story.timeline]
    Table("Timeline", ("At", "Step", "What"), empty="no worker has seen it").fill(steps, lambda: steps)
    waiting = [_waiting(message) for message in story.queued]
    searched = "none" if story.queue_searched else "the queue was not read to its end"
    Table("Messages in the queue", ("Place", "Lane", "Ahead", "Due"), empty=searched).fill(
        waiting, lambda: waiting
    )


def _facts(story: EventStory) -> list[tuple[str, str]]:
    facts = [
        ("Status", story.status.value + (f" ({story.resolution.value})" if story.resolution else "")),
        ("Content", story.content_id or "unknown"),
        ("Lane and source", f"{story.lane.value}, {story.source or 'unknown'}"),
        ("Attempts", str(story.attempt_count)),
        ("Gong's request id", story.request_id or "none"),
    ]
    if story.held_by:
        facts.append(("Waits for", f"the gate, held: {', '.join(story.held_by)}"))
    if story.next_attempt_at is not None:
        facts.append(("Next try", at(story.next_attempt_at)))
    return facts


def _told(step: TimelineStep) -> str:
    parts = [
        step.outcome and step.outcome.value, step.http_status and f"HTTP {step.http_status}",
        None if step.duration_ms is None else f"{step.duration_ms} ms",
        None if step.waited_seconds is None else f"after {span(step.waited_seconds)}",
        step.resolution and step.resolution.value, step.reason and step.reason.value,
        step.dead_letter_id and f"dead letter {step.dead_letter_id}", step.by and f"by {step.by}",
        step.lane and f"lane {step.lane.value}", step.source and f"source {step.source}", step.error,
        step.request_id and f"request id {step.request_id}",
    ]  # fmt: skip
    return ", ".join(part for part in parts if part)


def _waiting(message: WaitingMessage) -> tuple[str, str, str, str]:
    ahead = "" if message.ahead is None else f"{message.ahead:,}"
    return message.place.value, message.lane.value, ahead, at(message.due_at)
