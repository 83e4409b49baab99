"""What a ledger can raise. No text here holds a payload, an event's id, a bound parameter or a password."""

from gong_views.errors import GongViewsError


class LedgerError(GongViewsError):
    """The root of the ledger's errors; by itself a wrong setting, such as an URL of another database."""


class LedgerUnavailable(LedgerError):
    """The database is down, hung, read-only, locked, full or cut off. Nothing is known to be written.

    What was asked for may still have been committed when the connection broke at the very end: every method
    may be called again with the same arguments.
    """


class LedgerRefused(LedgerError):
    """The database is up and refuses this one value: a fault of this program, not of the database."""


class SchemaOutdated(LedgerError):
    """The schema is not the one this version works on. The text says what to run."""


class ClaimLost(LedgerError):
    """The claim's lease ran out, or another worker holds the event now: make no call."""

    def __init__(self) -> None:
        super().__init__("the claim is no longer ours: its lease ran out or another worker holds the event")


class DeadLetterNotFound(LedgerError, LookupError):
    """No dead letter has this number."""

    def __init__(self, letter_id: int) -> None:
        super().__init__(f"there is no dead letter {letter_id}")


class DeadLetterGroupNotFound(LedgerError, LookupError):
    """No dead letter, open or not, is of this group."""

    def __init__(self, group: str) -> None:
        shown = group if len(group) <= 40 else group[:40] + "…"
        super().__init__(
            f"there is no group {shown!r} of dead letters: `gong-views dead-letters groups` tells those there are, "
            "with `--state all` also of letters that nobody has to deal with any more"
        )
