"""Why a delivery may end before its call: not the event's fault, and nothing is spent."""

# How often a failed Redis or ledger is tried again.
RETRY_SECONDS = 0.5


class Stopping(Exception):
    """The process stops: nothing new is begun, what waits goes back to the queue."""


class Postponed(Exception):
    """The pipeline is held: the message goes back and the consumer pauses."""


def gate_key(reporting_system: str, event_id: str) -> str:
    """How the gate tells one event from another."""
    return f"{reporting_system}\x00{event_id}"
