"""What operators do. The values are the ledger's `operator_actions.action`."""

from enum import StrEnum


class AuditAction(StrEnum):
    """Every action that leaves a row in the audit."""

    HOLD = "hold"
    RELEASE = "release"
    DROP = "drop"  # what was set aside of a held part, to dead letters
    LIMITS = "limits"
    UNSET_LIMITS = "unset_limits"
    REPLAY = "replay"  # dead letters enqueued again as they were
    EDIT = "edit"  # dead letters enqueued again with another payload
    CANCEL_REPLAY = "cancel_replay"  # replays taken off the queue again, their letters open as before
    DISCARD = "discard"
    EXPORT = "export"  # payloads written to a file
    REPAIR = "repair"  # counters brought into line with the rows
    WRITE_OFF = "write_off"  # a drift accepted as what a restored backup or a lost queue has left
    OAUTH_GRANT = "oauth_grant"  # an approval of Gong's: somebody logged in, or brought a refresh token
    SHOW = "show"  # one payload shown
    ERASE = "erase"  # one person, wherever their data were
    PRUNE = "prune"  # what ended long ago, by an operator or by the retention settings
    SUBJECT_EXPORT = "subject_export"  # all that is held of one person, to a file
