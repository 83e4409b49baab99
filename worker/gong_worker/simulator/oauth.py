"""The authorisation server of the simulated company: codes, tokens that expire, refresh tokens that serve once.

Stricter than OAuth asks for: parameters only where they belong, each once, no secret in an address. What is not known
of Gong's own server is a setting. Tokens live in memory: a restart revokes them all.
"""

import secrets
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from gong_worker.simulator.answers import Answer, json_answer
from gong_worker.simulator.config import SimulatorConfig

AUTHORIZE = "/oauth2/authorize"
TOKEN = "/oauth2/generate-customer-token"  # noqa: S105 - a path
SCOPE = "api:engagement-data:write"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_FORM = "application/x-www-form-urlencoded"


class Refused(Exception):
    """An error of RFC 6749; `status` 401 for a client that is not who it says."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


@dataclass
class Family:
    """What one approval has led to: its refresh tokens, of which the last is good, and its access tokens."""

    scope: str
    refresh_tokens: list[str] = field(default_factory=list)
    access_tokens: dict[str, float] = field(default_factory=dict)
    revoked: bool = False


@dataclass(frozen=True)
class Code:
    """An authorisation code that waits to be exchanged."""

    redirect_uri: str
    scope: str
    challenge: str | None
    expires_at: float


class AuthorizationServer:
    """Approvals and tokens of the one client."""

    def __init__(self) -> None:
        self._codes: dict[str, Code] = {}
        self._families: list[Family] = []
        self.counts = {"codes": 0, "refreshes": 0, "reuses": 0, "refused": 0}

    def handle(
        self, config: SimulatorConfig, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """The answer to a request below /oauth2/."""
        parts = urlsplit(target)
        try:
            match method, parts.path:
                case "GET", path if path == AUTHORIZE:
                    answer = self._authorize(config, _parameters(parts.query))
                case "POST", path if path == TOKEN:
                    answer = self._token(config, parts.query, headers, body)
                case _:
                    answer = json_answer(404, {"error": "not_found"})
        except Refused as refused:
            self.counts["refused"] += 1
            answer = json_answer(
                refused.status, {"error": refused.error, "error_description": refused.description}
            )
            if refused.status == 401:
                answer.headers.append(("WWW-Authenticate", 'Basic realm="gong"'))
        answer.headers += [("Cache-Control", "no-store"), ("Pragma", "no-cache")]
        answer.date = time.time() + config.oauth_clock_skew_seconds
        return answer

    def status_of(self, access_token: str) -> int | None:
        """200 for a good access token with the scope, 401 or 403; None for one that is not ours."""
        for family in self._families:
            expires_at = family.access_tokens.get(access_token)
            if expires_at is not None:
                if family.revoked or time.monotonic() >= expires_at:
                    return 401
                return 200 if SCOPE in family.scope.split() else 403
        return None

    def grant(self) -> str:
        """An approval without a browser: its refresh token."""
        family = Family(SCOPE)
        self._families.append(family)
        return self._new_refresh_token(family)

    def revoke(self, *, access_only: bool) -> None:
        """What an administrator does in Gong; `access_only`: the refresh tokens stay good."""
        for family in self._families:
            family.revoked = family.revoked or not access_only
            family.access_tokens = dict.fromkeys(family.access_tokens, 0.0)

    def tokens(self) -> list[str]:
        """Every token there has been."""
        return [token for one in self._families for token in (*one.refresh_tokens, *one.access_tokens)]

    def stats(self) -> dict[str, Any]:
        """Counts of what was asked, and how many approvals stand."""
        return {**self.counts, "granted": sum(not family.revoked for family in self._families)}

    def _authorize(self, config: SimulatorConfig, asked: dict[str, str]) -> Answer:
        if config.oauth_client_id is None or asked.get("client_id") != config.oauth_client_id:
            raise Refused("invalid_client", "no such client_id")
        redirect_uri = asked.get("redirect_uri", "")
        if not _registered(redirect_uri, config.oauth_redirect_uris):
            raise Refused("invalid_request", "the redirect_uri is not registered")
        challenge = asked.get("code_challenge")
        back = {"state": asked["state"]} if "state" in asked else {}
        if asked.get("response_type") != "code":
            back["error"] = "unsupported_response_type"
        elif challenge is not None and asked.get("code_challenge_method") != "S256":
            back["error"] = "invalid_request"
        elif asked.get("scope") != SCOPE:
            back["error"] = "invalid_scope"
        elif not config.oauth_approves:
            back["error"] = "access_denied"
        else:
            code = secrets.token_urlsafe(24)
            expires_at = time.monotonic() + config.authorization_code_seconds
            self._codes[code] = Code(redirect_uri, SCOPE, challenge, expires_at)
            back["code"] = code
        location = f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(back)}"
        return Answer(302, b"", headers=[("Location", location)])

    def _token(self, config: SimulatorConfig, query: str, headers: Mapping[str, str], body: bytes) -> Answer:
        credential = f"{config.oauth_client_id}:{config.oauth_client_secret}".encode()
        expected = f"Basic {b64encode(credential).decode()}"
        if config.oauth_client_id is None or not compare_digest(
            headers.get("authorization", "").encode(), expected.encode()
        ):
            raise Refused("invalid_client", "the client is not known, or its secret is wrong", 401)
        if query:
            raise Refused("invalid_request", "parameters belong into the body: an address is written to logs")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
            raise Refused("invalid_request", f"the body must be {_FORM}")
        asked = _parameters(body.decode("latin-1"))
        match asked.get("grant_type"):
            case "authorization_code":
                family = self._exchange(asked)
            case "refresh_token":
                family = self._rotate(config, asked.get("refresh_token", ""))
            case _:
                raise Refused("unsupported_grant_type", "authorization_code or refresh_token")
        return self._issue(config, family, headers.get("host", ""))

    def _exchange(self, asked: dict[str, str]) -> Family:
        code = self._codes.pop(asked.get("code", ""), None)
        if code is None or time.monotonic() >= code.expires_at:
            raise Refused("invalid_grant", "the code is not known, was used before, or is too old")
        if asked.get("redirect_uri") != code.redirect_uri:
            raise Refused("invalid_grant", "the redirect_uri is another one")
        digest = sha256(asked.get("code_verifier", "").encode()).digest()
        if code.challenge is not None and code.challenge != urlsafe_b64encode(digest).decode().rstrip("="):
            raise Refused("invalid_grant", "the code_verifier does not fit the code_challenge")
        self.counts["codes"] += 1
        family = Family(code.scope)
        self._families.append(family)
        return family

    def _rotate(self, config: SimulatorConfig, token: str) -> Family:
        family = next((one for one in self._families if token in one.refresh_tokens), None)
        if family is None or family.revoked:
            raise Refused("invalid_grant", "the refresh token is not known, or was revoked")
        if token != family.refresh_tokens[-1]:
            self.counts["reuses"] += 1
            family.revoked = family.revoked or config.refresh_reuse == "revoke"
            raise Refused("invalid_grant", "the refresh token was used before")
        self.counts["refreshes"] += 1
        return family

    def _issue(self, config: SimulatorConfig, family: Family, host: str) -> Answer:
        now = time.monotonic()
        old = now + config.old_access_token_seconds if config.old_access_token_seconds is not None else None
        for token, expires_at in family.access_tokens.items():
            family.access_tokens[token] = expires_at if old is None else min(expires_at, old)
        access_token = secrets.token_urlsafe(32)
        family.access_tokens[access_token] = now + config.access_token_seconds
        return json_answer(
            200,
            {
                "access_token": access_token,
                "token_type": "bearer",
                "expires_in": int(config.access_token_seconds),
                "refresh_token": self._new_refresh_token(family),
                "scope": family.scope,
                "api_base_url_for_customer": config.api_base_url_for_customer or f"http://{host}",
                # By this server's clock: whoever reckons with it, or with its Date, is wrong by the skew.
                "created_at": int(time.time() + config.oauth_clock_skew_seconds),
            },
        )

    @staticmethod
    def _new_refresh_token(family: Family) -> str:
        family.refresh_tokens.append(secrets.token_urlsafe(32))
        return family.refresh_tokens[-1]


def _parameters(text: str) -> dict[str, str]:
    pairs = parse_qsl(text, keep_blank_values=True)
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refused("invalid_request", "a parameter is given twice")
    return found


def _registered(redirect_uri: str, registered: tuple[str, ...]) -> bool:
    """Whether it is one of them; on this machine with any port (RFC 8252)."""
    if redirect_uri in registered:
        return True
    try:
        parts = urlsplit(redirect_uri)
        _ = parts.port
    except ValueError:
        return False
    if parts.hostname not in _LOOPBACK or parts.scheme != "http":
        return False
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return parts._replace(netloc=host).geturl() in registered
