"""What a producer gets back."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Receipt:
    """Redis has the event (or, if `spooled`, this machine's spool file has)."""

    event_id: str
    message_id: str
    """The Celery task id, for logs. Empty while spooled: the message is made when the spool drains."""
    spooled: bool = False


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of each event of a batch, by its index in the iterable (from 0)."""

    accepted: list[tuple[int, Receipt]] = field(default_factory=list)
    rejected: list[tuple[int, list[dict[str, str]]]] = field(default_factory=list)
    """Invalid events with their errors, as in `InvalidViewEvent.errors`."""

    def extend(self, other: "BatchResult") -> None:
        """Add another batch's result to this one."""
        self.accepted.extend(other.accepted)
        self.rejected.extend(other.rejected)
