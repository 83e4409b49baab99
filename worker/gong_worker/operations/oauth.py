"""An approval of Gong's: beginning it, bringing one along, looking at it."""

import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

from gong_views.errors import GongViewsError, SettingsError
from gong_worker.domain.audit import AuditAction
from gong_worker.domain.grants import USABLE, Grant, GrantState, TokenCause, state_of
from gong_worker.gate import Gate, GateUnavailable
from gong_worker.ledger import Ledger
from gong_worker.oauth import TokenEndpoint, Tokens, Vault, VaultError
from gong_worker.operations.services import Services
from gong_worker.operations.token_keeper import Renewal, TokenKeeper, access_facts
from gong_worker.settings import WorkerSettings

#: What the endpoint of content views needs.
SCOPE = "api:engagement-data:write"
# How long a new approval waits for its first access token, when a worker is asking for it already.
FIRST_TOKEN_SECONDS = 15.0


class LoginFailed(GongViewsError):
    """No approval came of it; the text says why."""


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """One way to an approval: the address to open, and the two secrets that what comes back is checked with."""

    url: str
    redirect_uri: str
    state: str
    verifier: str

    def is_answered_by(self, address: str) -> bool:
        """Whether an address that a browser was sent to belongs to this login."""
        return self._is_ours(_parameters(urlsplit(address).query))

    def code_of(self, answer: str) -> str:
        """The code in what came back: the whole address, its query, or the code alone. Raises LoginFailed.

        A code alone is one that the operator typed. An address without the state may be of somebody who wants us to
        log in to a company of theirs.
        """
        query = urlsplit(answer).query if "?" in answer else answer
        if query is answer and "=" not in query:
            return query.strip()
        found = _parameters(query)
        if not self._is_ours(found):
            raise LoginFailed("what came back belongs to another login: begin anew")
        if "code" not in found:
            error = found.get("error", "")
            told = error if error.isascii() and error.isidentifier() else "no code came back"
            raise LoginFailed(f"Gong did not approve ({told}): a technical administrator of Gong has to")
        return found["code"]

    def _is_ours(self, found: dict[str, str]) -> bool:
        given = found.get("state", "").encode(errors="replace")
        return hmac.compare_digest(given, self.state.encode())


def _parameters(query: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(query).items()}


@dataclass(frozen=True, slots=True)
class OAuthReport:
    """An approval for people and programs; no secret is in it. Times are UTC.

    key_fits: whether the settings' key opens the tokens; None where this user may not read them, or there are none.
    """

    state: GrantState
    client_id: str
    base_url: str | None
    scope: str | None
    granted_at: datetime | None
    granted_by: str | None
    renewed_at: datetime | None
    expires_at: datetime | None
    renewal_due_at: datetime | None
    failing_since: datetime | None
    failure: str | None
    key_fits: bool | None

    @property
    def usable(self) -> bool:
        """Whether calls can be made with it, as far as it is known."""
        return self.state in USABLE and self.key_fits is not False


def new_login(settings: WorkerSettings, redirect_uri: str) -> LoginRequest:
    """A login that has not begun: with a state, and PKCE, which a server that does not know it ignores (RFC 6749)."""
    client_id, _, _ = _client(settings)
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = urlencode({
        "client_id": client_id, "response_type": "code", "scope": SCOPE, "redirect_uri": redirect_uri,
        "state": state, "code_challenge": challenge, "code_challenge_method": "S256",
    })  # fmt: skip
    url = f"{settings.gong_oauth_authorize_url}?{query}"
    return LoginRequest(url, redirect_uri, state, verifier)


def finish_login(services: Services, login: LoginRequest, code: str, *, by: str) -> OAuthReport:
    """Exchange the code and keep what comes. Raises TokenError, LedgerUnavailable."""
    settings = services.settings
    tokens = make_endpoint(settings).exchange(code, login.redirect_uri, login.verifier)
    return _keep(services, tokens, by=by)


def import_grant(services: Services, refresh_token: str, *, by: str) -> OAuthReport:
    """Begin with a refresh token of another place, which is spent by it.

    It is in the ledger before it is: whatever dies on the way, a worker goes on. Raises LedgerUnavailable, TokenError.
    """
    client_id, _, vault = _client(services.settings)
    services.ledger.put_grant(client_id, vault.seal(refresh_token, None), by=by, cause=TokenCause.IMPORT)
    _audit(services, client_id, TokenCause.IMPORT, by)
    keeper = make_keeper(services.settings, services.ledger, services.gate)
    deadline = time.monotonic() + FIRST_TOKEN_SECONDS
    while keeper.look() is GrantState.RENEWAL_NEEDED and time.monotonic() < deadline:
        report = oauth_report(services.settings, services.ledger)
        if report.failure is not None:
            break
        time.sleep(0.2)
    return oauth_report(services.settings, services.ledger)


def oauth_report(settings: WorkerSettings, ledger: Ledger) -> OAuthReport:
    """What stands. Raises LedgerUnavailable; SettingsError without an OAuth client."""
    if settings.gong_oauth_client_id is None:
        raise SettingsError("there is no OAuth client: set GONG_OAUTH_CLIENT_ID")
    client_id = settings.gong_oauth_client_id.get_secret_value()
    key = settings.gong_oauth_key
    grant = ledger.read_grant(client_id, with_tokens=key is not None and ledger.may_read_tokens())
    if grant is None:
        return OAuthReport(GrantState.MISSING, client_id, *[None] * 10)
    due = grant.read_at + timedelta(seconds=grant.seconds_until_due)
    stands = grant.refused_at is None and grant.expires_at is not None
    return OAuthReport(
        state=state_of(grant),
        client_id=client_id,
        base_url=settings.gong_base_url if settings.base_url_is_set else grant.base_url,
        scope=grant.scope,
        granted_at=grant.granted_at,
        granted_by=grant.granted_by,
        renewed_at=grant.renewed_at,
        expires_at=grant.expires_at,
        renewal_due_at=due.astimezone(UTC) if stands else None,
        failing_since=grant.failing_since,
        failure=grant.failure,
        key_fits=None
        if key is None or grant.tokens is None
        else _unreadable(grant, Vault(key.get_secret_value())) is None,
    )


def find_approval(settings: WorkerSettings, ledger: Ledger) -> tuple[Grant | None, str | None]:
    """The approval, and why its tokens cannot be read, if so. Raises LedgerUnavailable."""
    client_id, _, vault = _client(settings)
    grant = ledger.read_grant(client_id, with_tokens=True)
    return grant, None if grant is None else _unreadable(grant, vault)


def _unreadable(grant: Grant, vault: Vault) -> str | None:
    try:
        if grant.tokens is not None:
            vault.open(grant.tokens)
    except VaultError as error:
        return str(error)
    return None


def make_keeper(settings: WorkerSettings, ledger: Ledger, gate: Gate | None) -> TokenKeeper:
    """The keeper of the settings' client. Raises SettingsError without one."""
    client_id, _, vault = _client(settings)
    renewal = Renewal(
        client_id,
        settings.gong_base_url,
        settings.base_url_is_set,
        # Asking takes a third of it at most; it is given up in the middle by one that was frozen.
        lease_seconds=3 * settings.request_timeout_seconds,
    )
    told = _teller(gate) if gate is not None else lambda _state, _renewed: None
    return TokenKeeper(ledger, vault, make_endpoint(settings), renewal, told=told)


def make_endpoint(settings: WorkerSettings) -> TokenEndpoint:
    """Gong's token endpoint, for the settings' client. Raises SettingsError without one."""
    client_id, secret, _ = _client(settings)
    return TokenEndpoint(
        settings.gong_oauth_token_url, client_id, secret, timeout_seconds=settings.request_timeout_seconds
    )


def _keep(services: Services, tokens: Tokens, *, by: str) -> OAuthReport:
    client_id, _, vault = _client(services.settings)
    sealed = vault.seal(tokens.refresh_token, tokens.access_token)
    ledger = services.ledger
    access = access_facts(tokens)
    ledger.put_grant(client_id, sealed, by=by, cause=TokenCause.LOGIN, access=access)
    _audit(services, client_id, TokenCause.LOGIN, by)
    _teller(services.gate)(GrantState.USABLE, True)
    return oauth_report(services.settings, ledger)


def _audit(services: Services, client_id: str, how: TokenCause, by: str) -> None:
    services.ledger.record_action(
        AuditAction.OAUTH_GRANT,
        by=by,
        at=datetime.now(UTC),
        target={"client_id": client_id},
        details={"how": how.value},
    )


def _teller(gate: Gate) -> Callable[[GrantState, bool], None]:
    def tell(state: GrantState, renewed: bool) -> None:
        usable = state in USABLE
        with suppress(GateUnavailable):  # told again at the next look; until then no call is made either
            gate.credential(usable=usable, why=state.value, renewed=renewed)

    return tell


def _client(settings: WorkerSettings) -> tuple[str, str, Vault]:
    client_id, secret, key = (
        settings.gong_oauth_client_id,
        settings.gong_oauth_client_secret,
        settings.gong_oauth_key,
    )
    if client_id is None or secret is None or key is None:
        raise SettingsError(
            "there is no OAuth client: set GONG_OAUTH_CLIENT_ID, GONG_OAUTH_CLIENT_SECRET and GONG_OAUTH_KEY"
        )
    return client_id.get_secret_value(), secret.get_secret_value(), Vault(key.get_secret_value())
