"""Gong's token endpoint: a code or a refresh token in, an access token and the next refresh token out.

Source: RFC 6749 and Gong's help centre ("Create an OAuth app for Gong"), which shows the parameters in the address;
they are sent in the body, as the RFC has it, where no log takes them down. Gong's refresh tokens serve once.
"""

import json
import re
import time
from base64 import b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpcore
import httpx

from gong_views.errors import GongViewsError
from gong_worker.connections import ERRORS, Pool, set_deadline
from gong_worker.settings import base_url

_MAX_BODY_BYTES = 64 * 1024
_ERROR_CODE = re.compile("[a-z_]{1,40}")
# What may stand in a header (RFC 6750, section 2.1).
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
# What a lifetime may be: less is of no use, and Gong's is a day.
_LONGEST_SECONDS = 366 * 86_400
# Errors that are about us or the request; the approval may be good all the same.
_OURS = {
    "invalid_client": "the client is refused: correct GONG_OAUTH_CLIENT_ID and GONG_OAUTH_CLIENT_SECRET",
    "unauthorized_client": "the client may not renew tokens: look at your app in Gong",
}


class TokenError(GongViewsError):
    """No tokens this time; trying again may help. The text holds no secret."""


class GrantRefused(TokenError):
    """The code or the refresh token is not good (any more): only a new approval helps."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the endpoint gave. `asked_at` (time.monotonic()): the lifetime began no earlier."""

    access_token: str
    refresh_token: str
    lifetime_seconds: int
    scope: str | None
    base_url: str | None
    asked_at: float

    def __repr__(self) -> str:
        return f"Tokens(lifetime_seconds={self.lifetime_seconds})"


class TokenEndpoint:
    """Asked once a call, with a deadline for all of it; no redirects, no proxies."""

    def __init__(self, url: str, client_id: str, client_secret: str, *, timeout_seconds: float) -> None:
        address = httpx.URL(url)
        self._url = httpcore.URL(
            scheme=address.raw_scheme, host=address.raw_host, port=address.port, target=address.raw_path
        )
        self._headers = [
            (b"Host", address.netloc),
            (b"Authorization", b"Basic " + b64encode(f"{client_id}:{client_secret}".encode())),
            (b"Content-Type", b"application/x-www-form-urlencoded"),
            (b"Accept", b"application/json"),
            (b"Accept-Encoding", b"identity"),
        ]
        self._timeout_seconds = timeout_seconds

    def renew(self, refresh_token: str) -> Tokens:
        """The next tokens. Raises TokenError; GrantRefused when this one is spent or revoked."""
        return self._ask({"grant_type": "refresh_token", "refresh_token": refresh_token}, refresh_token)

    def exchange(self, code: str, redirect_uri: str, verifier: str) -> Tokens:
        """The first tokens of an approval. Raises TokenError."""
        asked = {"code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        return self._ask({"grant_type": "authorization_code", **asked}, None)

    def _ask(self, parameters: dict[str, str], refresh_token: str | None) -> Tokens:
        body = urlencode(parameters).encode()
        request = httpcore.Request(
            "POST",
            self._url,
            headers=[*self._headers, (b"Content-Length", b"%d" % len(body))],
            content=body,
            extensions={"timeout": httpx.Timeout(self._timeout_seconds).as_dict()},
        )
        pool = Pool(self._url.origin, connect_timeout_seconds=min(5.0, self._timeout_seconds))
        asked_at = time.monotonic()
        set_deadline(asked_at + self._timeout_seconds)
        try:
            with pool.send(request) as response:
                status, data = response.status, _parse(response)
        except ERRORS as error:
            raise TokenError(f"the token endpoint did not answer ({type(error).__name__})") from None
        finally:
            pool.close()
        if status != 200:
            raise _refusal(status, data)
        return _tokens(data, refresh_token, asked_at)


def _parse(response: httpcore.Response) -> dict[str, Any]:
    raw = bytearray()
    for chunk in response.iter_stream():
        raw += chunk
        if len(raw) > _MAX_BODY_BYTES:
            return {}
    try:
        data = json.loads(bytes(raw))
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _refusal(status: int, data: dict[str, Any]) -> TokenError:
    """The answer's own words are not repeated: they may quote what was sent."""
    code = data.get("error")
    code = code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else None
    if code == "invalid_grant" and status in (400, 401):
        return GrantRefused("invalid_grant: it was used before, has expired, or was revoked")
    if code in _OURS:
        return TokenError(f"{code}: {_OURS[code]}")
    return TokenError(f"the token endpoint answered HTTP {status}{f' ({code})' if code else ''}")


def _tokens(data: dict[str, Any], refresh_token: str | None, asked_at: float) -> Tokens:
    access_token, lifetime = data.get("access_token"), data.get("expires_in")
    # A server that does not rotate leaves the next one out (RFC 6749, section 6).
    refresh_token = data.get("refresh_token") or refresh_token
    if isinstance(lifetime, str) and lifetime.isascii() and lifetime.isdigit():
        lifetime = int(lifetime)
    good = isinstance(access_token, str) and _TOKEN.fullmatch(access_token) and isinstance(refresh_token, str)
    if not good or not isinstance(lifetime, int | float) or not 1 <= lifetime <= _LONGEST_SECONDS:
        raise TokenError("the token endpoint answered HTTP 200 without the tokens and their lifetime")
    scope = data.get("scope")
    return Tokens(
        str(access_token),
        str(refresh_token),
        int(lifetime),
        scope[:1000] if isinstance(scope, str) else None,
        _base_url(data.get("api_base_url_for_customer")),
        asked_at,
    )


def _base_url(value: object) -> str | None:
    """Where this company's calls go; None if it is not told, or no address that a token could be sent to."""
    try:
        return base_url(value) if isinstance(value, str) else None
    except ValueError:
        return None
