"""The access token of one process: read from the ledger, renewed by whichever process comes first.

Gong's refresh tokens serve once. So whoever renews takes a lease in the ledger first, and writes what came at once;
everybody else goes on with the old access token until the new one is there. What may go wrong:

- The lease's holder dies before it asked: the lease runs out, another one renews.
- It dies after Gong answered and before the commit: the next refresh token is lost with it. Whoever tries next is
  refused (`invalid_grant`); calls go on until the access token ends, and somebody has to log in again.
- It is frozen meanwhile: the one that takes over first gives it a moment to write what it has, and what it writes
  counts as long as nothing else has followed.

How long a token is good for is reckoned from its lifetime: here on the monotonic clock from before it was asked for,
elsewhere on the database's. No wall clock of ours or of Gong's matters.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from gong_worker.domain.grants import USABLE, Grant, GrantState, TokenCause, state_of, usable_seconds
from gong_worker.failpoints import failpoint
from gong_worker.gong_auth import Access, bearer_header
from gong_worker.ledger import AccessFacts, Ledger, LedgerUnavailable
from gong_worker.oauth import GrantRefused, TokenEndpoint, TokenError, Tokens, Vault, VaultError

log = logging.getLogger(__name__)

# How often the ledger is read: while all is well (another login may have come), and while it is not.
LOOK_SECONDS = 30.0
TROUBLE_LOOK_SECONDS = 2.0
# While another process renews.
WATCH_SECONDS = 0.5
# After a failed renewal nobody tries again for so long.
PAUSE_SECONDS = 5.0
# What one that let its lease run out has to write what it may have.
TAKEOVER_SECONDS = 1.0
# An access token that came because of a 401, and is refused itself, is not renewed before it is so old, or the clock
# was set back behind its coming.
YOUNG_SECONDS = 600.0
# How often a result is offered to a ledger that does not take it, and how long after a stop.
STORE_RETRY_SECONDS = 0.2
STORE_LAST_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Renewal:
    """What the keeper needs of the settings. `fixed_base_url`: the one that comes with a token does not count."""

    client_id: str
    base_url: str
    fixed_base_url: bool
    lease_seconds: float


class TokenKeeper:
    """The `Credential` of a process with OAuth.

    told: hears the state after each look, and whether this process has renewed since the last time; for the gate.
    """

    def __init__(
        self,
        ledger: Ledger,
        vault: Vault,
        endpoint: TokenEndpoint,
        renewal: Renewal,
        *,
        told: Callable[[GrantState, bool], None] = lambda _state, _renewed: None,
    ) -> None:
        self._ledger, self._vault, self._endpoint, self._renewal = ledger, vault, endpoint, renewal
        self._told = told
        self._access = Access(renewal.base_url, b"")
        self._good_until = 0.0
        self._doubted: int | None = None
        self._look_at = 0.0
        self._busy = threading.Lock()
        self._stop = threading.Event()
        self._state: GrantState | None = None
        self._renewed = False
        self._trouble: str | None = None

    # -- the credential ------------------------------------------------------------------------------------

    def access(self) -> Access:
        """The latest."""
        return self._access

    def usable(self) -> bool:
        """Whether it has not expired, and no 401 to it is being looked into."""
        return self._doubted != self._access.generation and time.monotonic() < self._good_until

    def superseded(self, refused: Access) -> bool:
        """Renew once for a 401; True when there is a new token, or none at all, by now."""
        if refused.generation == self._access.generation:
            self._doubted = refused.generation
        try:
            with self._busy:
                if refused.generation != self._access.generation:
                    return True
                self._look_at = time.monotonic() + TROUBLE_LOOK_SECONDS
                return self._look_into(refused)
        except (LedgerUnavailable, VaultError):
            return False
        finally:
            if self._doubted == refused.generation:
                self._doubted = None

    # -- keeping it ----------------------------------------------------------------------------------------

    def tend(self) -> None:
        """Look when it is time; called twice a second. Raises LedgerUnavailable, VaultError."""
        if time.monotonic() >= self._look_at:
            self.look()

    def look(self, *, renew: bool = True) -> GrantState:
        """Take over what the ledger has, and renew it when it is due. Raises LedgerUnavailable, VaultError."""
        with self._busy:
            self._look_at = time.monotonic() + TROUBLE_LOOK_SECONDS
            grant = self._read()
            if grant is not None and grant.due and renew:
                self._renew(grant, self._due_cause(grant))
                grant = self._read()
            state = self._tell(grant)
            self._look_at = time.monotonic() + self._next_look(grant, state)
            return state

    def stop(self) -> None:
        """Wait for nothing any longer; a result that the ledger has not taken is still offered for some seconds."""
        self._stop.set()

    def _next_look(self, grant: Grant | None, state: GrantState) -> float:
        if grant is None or state not in USABLE:
            return WATCH_SECONDS if grant is not None and grant.renewing else TROUBLE_LOOK_SECONDS
        if state is GrantState.ENDING:
            return min(LOOK_SECONDS, grant.seconds_left)
        if grant.due:
            return WATCH_SECONDS if grant.failing_since is None else TROUBLE_LOOK_SECONDS
        return min(LOOK_SECONDS, grant.seconds_until_due)

    @staticmethod
    def _due_cause(grant: Grant) -> TokenCause:
        """A new approval's first access token comes of the approval."""
        return TokenCause.DUE if grant.renewed_at is not None else grant.cause

    def _read(self) -> Grant | None:
        """The row, and its access token taken over unless we have it."""
        before = time.monotonic()
        grant = self._ledger.read_grant(self._renewal.client_id, with_tokens=True)
        if grant is None or grant.seconds_left <= 0:
            self._good_until = 0.0
        elif grant.generation != self._access.generation and grant.tokens is not None:
            _, access_token = self._open(grant.tokens)
            if access_token is not None:
                good_until = before + grant.seconds_left
                self._take_over(grant.generation, grant.base_url, access_token, good_until)
        return grant

    def _take_over(self, generation: int, base_url: str | None, access_token: str, good_until: float) -> None:
        told = None if self._renewal.fixed_base_url else base_url
        self._access = Access(told or self._renewal.base_url, bearer_header(access_token), generation)
        self._good_until = good_until

    def _open(self, tokens: str) -> tuple[str, str | None]:
        try:
            return self._vault.open(tokens)
        except VaultError:
            self._good_until = 0.0
            raise

    def _tell(self, grant: Grant | None) -> GrantState:
        state = state_of(grant)
        if state is not self._state:
            usable = state in USABLE
            level = logging.INFO if state is GrantState.USABLE else logging.WARNING
            log.log(
                level,
                "the access token is usable" if usable else "there is no usable access token",
                extra={
                    "action": "oauth_state",
                    "state": state.value,
                    "until": grant.expires_at.isoformat(timespec="seconds")
                    if grant is not None and grant.expires_at is not None
                    else None,
                    "error": grant.failure if grant is not None else None,
                },
            )
        self._state = state
        renewed, self._renewed = self._renewed, False
        self._told(state, renewed)
        return state

    # -- a 401 ---------------------------------------------------------------------------------------------

    def _look_into(self, refused: Access) -> bool:
        grant = self._read()
        if refused.generation != self._access.generation:
            return True
        if grant is None:
            return self._tell(grant) is GrantState.MISSING
        if grant.refused_at is not None:
            why = grant.failure or "invalid_grant"
            self._ledger.refuse_grant(grant.client_id, grant.generation, why, access_too=True)
            self._tell(self._read())
            return True
        if grant.cause is TokenCause.REFUSED and 0 <= grant.age_seconds < YOUNG_SECONDS:
            return False
        if not self._renew(grant, TokenCause.REFUSED):
            self._watch()
        self._tell(self._read())
        return refused.generation != self._access.generation or not self._good_until

    def _watch(self) -> None:
        """Wait for the other process that renews, if there is one."""
        deadline = time.monotonic() + self._renewal.lease_seconds
        while (grant := self._read()) is not None and grant.renewing and time.monotonic() < deadline:
            if self._stop.wait(WATCH_SECONDS):
                return

    # -- renewing ------------------------------------------------------------------------------------------

    def _renew(self, grant: Grant, cause: TokenCause) -> bool:
        """Whether the ledger has newer tokens by now."""
        assert grant.tokens is not None
        refresh_token, _ = self._open(grant.tokens)
        lease = uuid.uuid4().hex
        leased_at = time.monotonic()
        taken_over = self._ledger.begin_renewal(
            grant.client_id,
            grant.generation,
            lease,
            lease_seconds=self._renewal.lease_seconds,
            pause_seconds=PAUSE_SECONDS,
        )
        if taken_over is None:
            return False
        failpoint("renewal_leased")
        if taken_over:
            log.warning("another process died while it renewed", extra={"action": "oauth_takeover"})
            self._stop.wait(TAKEOVER_SECONDS)
            now = self._read()
            if now is None or now.generation != grant.generation:
                return True
        if time.monotonic() - leased_at > self._renewal.lease_seconds / 2:
            return False  # frozen for long: another one may be asking by now, and a token serves once
        try:
            tokens = self._endpoint.renew(refresh_token)
        except TokenError as error:
            self._failed(grant, error, cause)
            return False
        failpoint("renewal_answered")
        stored = self._store(grant, tokens, cause)
        if stored:
            good_until = tokens.asked_at + usable_seconds(tokens.lifetime_seconds, tokens.lifetime_seconds)
            self._renewed = True
            self._take_over(
                grant.generation + 1, tokens.base_url or grant.base_url, tokens.access_token, good_until
            )
            log.info(
                "access token renewed",
                extra={
                    "action": "oauth_renewed",
                    "cause": cause.value,
                    "lifetime_seconds": tokens.lifetime_seconds,
                },
            )
        return True

    def _failed(self, grant: Grant, error: TokenError, cause: TokenCause) -> None:
        refused = isinstance(error, GrantRefused)
        if refused:
            access_too = cause is TokenCause.REFUSED
            if not self._ledger.refuse_grant(
                grant.client_id, grant.generation, str(error), access_too=access_too
            ):
                return  # others have newer tokens by now: this one was spent by them
        else:
            self._ledger.renewal_failed(
                grant.client_id, grant.generation, str(error), pause_seconds=PAUSE_SECONDS
            )
        if refused or str(error) != self._trouble:
            log.log(
                logging.ERROR if refused else logging.WARNING,
                "Gong does not renew the access token any more: run gong-views oauth login"
                if refused
                else "the access token was not renewed; it is tried again",
                extra={"action": "oauth_refused" if refused else "oauth_renewal_failed", "error": str(error)},
            )
        self._trouble = str(error)

    def _store(self, grant: Grant, tokens: Tokens, cause: TokenCause) -> bool:
        """Write the result, however long the ledger is away: the token before it is spent."""
        sealed = self._vault.seal(tokens.refresh_token, tokens.access_token)
        last_try: float | None = None
        while True:
            try:
                stored = self._ledger.store_renewal(
                    grant.client_id,
                    grant.generation,
                    sealed,
                    access=access_facts(tokens),
                    cause=cause,
                )
            except LedgerUnavailable:
                if self._stop.wait(STORE_RETRY_SECONDS):
                    last_try = last_try or time.monotonic() + STORE_LAST_SECONDS
                    if time.monotonic() > last_try:
                        log.error(
                            "stopped before the ledger had the renewed tokens: run gong-views oauth login",
                            extra={"action": "oauth_tokens_lost"},
                        )
                        raise
                    time.sleep(STORE_RETRY_SECONDS)
            else:
                self._trouble = None
                return stored


def access_facts(tokens: Tokens) -> AccessFacts:
    """What the ledger keeps of them beside the tokens."""
    elapsed = time.monotonic() - tokens.asked_at
    return AccessFacts(tokens.base_url, tokens.scope, tokens.lifetime_seconds, elapsed)
