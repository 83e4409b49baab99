"""An approval of Gong's (OAuth) and what it is good for. The values are those of the ledger and of `oauth status`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class TokenCause(StrEnum):
    """Why the latest tokens were asked for."""

    LOGIN = "login"
    IMPORT = "import"
    DUE = "due"  # the access token before would have expired
    REFUSED = "refused"  # Gong answered 401 to the access token before


class GrantState(StrEnum):
    """What stands of an approval."""

    MISSING = "missing"  # nobody has logged in yet
    USABLE = "usable"
    ENDING = "ending"  # Gong does not renew it any more; its access token is still good
    LOGIN_NEEDED = "login_needed"  # Gong does not renew it any more, and there is no good access token
    RENEWAL_NEEDED = "renewal_needed"  # the access token has expired, and its renewal fails so far


#: States in which calls can be made.
USABLE = frozenset({GrantState.USABLE, GrantState.ENDING})
#: States in which no call can be made, and why, for people.
NO_ACCESS = {
    GrantState.MISSING: "there is no approval of Gong's yet: run gong-views oauth login",
    GrantState.LOGIN_NEEDED: "Gong does not renew the access token any more (revoked, or its renewal was lost): "
    "run gong-views oauth login",
    GrantState.RENEWAL_NEEDED: "the access token has expired and is not renewed yet: gong-views oauth status says why",
}

# An access token is renewed when a quarter of its life is left, at most this long before its end.
RENEW_BEFORE_SECONDS = 3600.0
# It is not used any more so long before its end (at most a twentieth of its life), for the way to Gong.
LAST_SECONDS = 5.0


def usable_seconds(seconds_to_end: float, lifetime_seconds: int) -> float:
    """How long an access token is used yet."""
    return seconds_to_end - min(LAST_SECONDS, lifetime_seconds / 20)


@dataclass(frozen=True, slots=True)
class Grant:
    """One approval. `read_at`: now, by the database's clock, which is the clock of all the other times.

    generation: goes up with each change of tokens. tokens: encrypted; None where they were not read.
    """

    client_id: str
    generation: int
    tokens: str | None
    base_url: str | None
    scope: str | None
    cause: TokenCause
    granted_at: datetime
    granted_by: str
    renewed_at: datetime | None
    lifetime_seconds: int | None
    expires_at: datetime | None
    refused_at: datetime | None
    failing_since: datetime | None
    failure: str | None
    renewing: bool
    read_at: datetime

    @property
    def seconds_left(self) -> float:
        """Of the access token, until it is not to be used any more; 0 without one."""
        if self.expires_at is None or self.lifetime_seconds is None:
            return 0.0
        return max(
            0.0, usable_seconds((self.expires_at - self.read_at).total_seconds(), self.lifetime_seconds)
        )

    @property
    def seconds_until_due(self) -> float:
        """Until the access token is to be renewed."""
        if self.expires_at is None or self.lifetime_seconds is None:
            return 0.0
        before = min(RENEW_BEFORE_SECONDS, self.lifetime_seconds / 4)
        return max(0.0, (self.expires_at - self.read_at).total_seconds() - before)

    @property
    def due(self) -> bool:
        """Whether to renew it now: in time before its end, or because a renewal for whatever reason has failed."""
        failed = self.failing_since is not None
        return self.refused_at is None and (failed or self.seconds_until_due <= 0)

    @property
    def age_seconds(self) -> float:
        """Since the latest tokens came."""
        return (self.read_at - (self.renewed_at or self.granted_at)).total_seconds()


def state_of(grant: Grant | None) -> GrantState:
    """What stands of it now."""
    if grant is None:
        return GrantState.MISSING
    if grant.refused_at is not None:
        return GrantState.ENDING if grant.seconds_left > 0 else GrantState.LOGIN_NEEDED
    return GrantState.USABLE if grant.seconds_left > 0 else GrantState.RENEWAL_NEEDED
