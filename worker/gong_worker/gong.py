"""The one place that talks to Gong, and the only one that reads a status code.

Source of the table: the endpoint's contract (200, 400, 401, 409, 429, 500), completed for what a proxy or a
wrong address answers. An answer this table does not know is never a success, nor is a 2xx without the JSON
body and the requestId that every answer of Gong's has: a maintenance page or a captive portal says 200 too.
"""

import json
import re
import threading
import time
import zlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import httpcore
import httpx

from gong_worker.connections import ERRORS, Pool, set_deadline
from gong_worker.domain.outcomes import (
    AlreadyReported,
    Ambiguous,
    Delivered,
    Misconfigured,
    Outcome,
    Rejected,
    ServerError,
    Throttled,
    Unauthorized,
    Unreachable,
)
from gong_worker.domain.retry_after import parse_retry_after
from gong_worker.failpoints import failpoint
from gong_worker.gong_auth import Access, Credential

PATH = "/v2/customer-engagement/content/viewed"
# More than any answer of this endpoint; what is beyond it is not read.
MAX_BODY_BYTES = 256 * 1024
MAX_ERRORS = 50
MAX_ERROR_CHARACTERS = 2000
INT64 = 2**63
_INTEGER = re.compile("-?[0-9]{1,20}")

NOT_SENT = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class CallResult:
    """One call: its outcome, how long it took, when the request had been written (`time.monotonic()`), the seconds
    from there to the first of the result, and what it went out with (None: it never did).
    """

    outcome: Outcome
    duration_ms: int
    written_at: float | None
    reply_seconds: float | None
    access: Access | None = None


@dataclass(frozen=True, slots=True)
class GongAddress:
    """What is called: nothing of an event, no credential."""

    method: str
    url: str
    host: str
    port: int


class _Route:
    """Where calls with one access go, and their headers: made once, used by every call."""

    __slots__ = ("access", "address", "headers", "pool", "url")

    def __init__(self, access: Access, pool: Pool | None, connect_timeout_seconds: float) -> None:
        self.access = access
        url = httpx.URL(access.base_url.rstrip("/") + PATH)
        self.url = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        port = url.port or (443 if url.scheme == "https" else 80)
        self.address = GongAddress("PUT", str(url), url.host, port)
        self.pool = pool or Pool(self.url.origin, connect_timeout_seconds=connect_timeout_seconds)
        self.headers = [
            (b"Host", url.netloc),
            (b"User-Agent", f"gong-views/{version('gong-views')}".encode()),
            (b"Accept", b"application/json, */*;q=0.8"),
            (b"Accept-Encoding", b"identity"),
            (b"Content-Type", b"application/json"),
            (b"Authorization", access.authorization),
        ]


class GongClient:
    """One a process: keep-alive connections to the base URL of one credential."""

    def __init__(self, credential: Credential, *, timeout_seconds: float) -> None:
        self._credential = credential
        self._connect_seconds = min(5.0, timeout_seconds)
        self._timeout_seconds = timeout_seconds
        self._timeouts = httpx.Timeout(timeout_seconds, connect=self._connect_seconds).as_dict()
        self._turning = threading.Lock()
        self._route = _Route(credential.access(), None, self._connect_seconds)

    @property
    def address(self) -> GongAddress:
        """What the last call went to."""
        return self._route.address

    def ready(self) -> bool:
        """Whether there is a credential to call with now; without one no call is to be made."""
        return self._credential.usable()

    def superseded(self, result: CallResult) -> bool:
        """Whether this refusal says nothing of what the next call goes out with. May take as long as a renewal."""
        outcome = result.outcome
        # 403 is about rights, which a new token of the same approval has not either (RFC 6750).
        refused = isinstance(outcome, Unauthorized) and outcome.http_status == 401
        return refused and result.access is not None and self._credential.superseded(result.access)

    def warm(self) -> None:
        """Have a connection open before the slot comes; never raises."""
        self._current().pool.warm()

    def _current(self) -> _Route:
        access, route = self._credential.access(), self._route
        return route if route.access is access else self._turn_to(access)

    def _turn_to(self, access: Access) -> _Route:
        with self._turning:
            before = self._route
            if before.access is access:
                return before
            same = before.access.base_url == access.base_url
            self._route = _Route(access, before.pool if same else None, self._connect_seconds)
            if not same:
                before.pool.close()
            return self._route

    def send(self, event: dict[str, Any]) -> CallResult:
        """PUT one event, once; every way it can end is an outcome, none an exception."""
        # Encoded here so that an int beyond a double or a non-ASCII name travels exactly.
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        written_at: float | None = None
        reply_seconds: float | None = None

        def trace(name: str, _info: dict[str, Any]) -> None:
            nonlocal written_at, reply_seconds
            if name == "http11.send_request_body.complete":
                written_at = time.monotonic()
                failpoint("request_written")
            elif name == "http11.receive_response_headers.complete" and written_at is not None:
                reply_seconds = time.monotonic() - written_at

        route = self._current()
        request = httpcore.Request(
            "PUT",
            route.url,
            headers=[*route.headers, (b"Content-Length", b"%d" % len(body))],
            content=body,
            extensions={"timeout": self._timeouts, "trace": trace},
        )
        started = time.monotonic()
        set_deadline(started + self._timeout_seconds)
        try:
            with route.pool.send(request) as response:
                outcome = classify(response, _read(response))
        except NOT_SENT as error:
            outcome = Unreachable(_name(error))
        except ERRORS as error:
            outcome = Ambiguous(_name(error))
        failpoint("answer_read")
        duration_ms = round((time.monotonic() - started) * 1000)
        return CallResult(outcome, duration_ms, written_at, reply_seconds, route.access)

    def close(self) -> None:
        """Close every connection."""
        self._route.pool.close()


def classify(response: httpcore.Response, body: bytes) -> Outcome:
    """The outcome of an answer whose status line has arrived."""
    status = response.status
    data = _parse(body)
    request_id = _text(data.get("requestId"))
    retry_after = parse_retry_after(_header(response, b"retry-after"), _header(response, b"date"))
    if 200 <= status <= 299:
        if not request_id:
            return Ambiguous(f"HTTP {status} without a requestId: not an answer of Gong's", status)
        return Delivered(status, request_id, _int64(data.get("integrationId")))
    if status == 409:
        return AlreadyReported(status, request_id)
    if status in (400, 413, 415, 422):
        return Rejected(status, request_id, _errors(data))
    if status == 429:
        return Throttled(status, request_id, retry_after)
    if status in (401, 403):
        return Unauthorized(status, request_id, _errors(data))
    if status == 408 or status >= 500:
        return ServerError(status, request_id, retry_after)
    return Misconfigured(status, request_id)


def _header(response: httpcore.Response, name: bytes) -> str | None:
    """The value of a header, by its name in lower case; values of several joined, as they mean the same."""
    found = [value for key, value in response.headers if key.lower() == name]
    return b", ".join(found).decode("latin-1") if found else None


def _read(response: httpcore.Response) -> bytes:
    """The body, decoded; one that breaks off or is longer than MAX_BODY_BYTES counts as empty."""
    raw = bytearray()
    try:
        for chunk in response.iter_stream():
            raw += chunk
            if len(raw) > MAX_BODY_BYTES:
                return b""
    except ERRORS:
        return b""
    if (_header(response, b"content-encoding") or "").lower() in ("gzip", "x-gzip", "deflate"):
        try:
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(bytes(raw), MAX_BODY_BYTES)
        except zlib.error:
            return b""
    return bytes(raw)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _text(value: object) -> str | None:
    return value[:255] if isinstance(value, str) else None


def _int64(value: object) -> int | None:
    # Gong sends a JSON number beyond JavaScript's safe integers; Python keeps it exact.
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and -INT64 <= value < INT64:
        return value
    return None


def _errors(data: dict[str, Any]) -> tuple[str, ...]:
    errors = data.get("errors")
    if not isinstance(errors, list):
        return ()
    return tuple(str(error)[:MAX_ERROR_CHARACTERS] for error in errors[:MAX_ERRORS])


def _name(error: Exception) -> str:
    # The class alone: an exception's text may hold an address or a piece of the request.
    return type(error).__name__
