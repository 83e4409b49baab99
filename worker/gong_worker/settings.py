"""What the application reads from the environment, checked as a whole before anything starts."""

import hashlib
import math
from base64 import urlsafe_b64decode
from functools import cached_property
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from gong_views.names import Lane
from gong_views.settings import ProducerSettings, Secret, Settings, blank_is_unset
from gong_worker.domain.policy import RetryPolicy

GENERAL_BASE_URL = "https://api.gong.io"
HOW_TO_AUTHENTICATE = (
    "set GONG_ACCESS_KEY and GONG_ACCESS_KEY_SECRET, or GONG_BEARER_TOKEN, "
    "or GONG_OAUTH_CLIENT_ID with its secret and a key"
)
# The longest a worker keeps a message of a held pipeline before it gives it back.
LONGEST_HOLD_SECONDS = 1.0
DEFAULT_REQUEST_TIMEOUT_SECONDS = 10.0
LEAST_HASH_KEY = 32
# The law of docs/pacing.md has been tried up to here. A Redis on one core paces some 3,000 a second.
MOST_CALLS_PER_SECOND = 10_000
# One in 100 s; to make none at all, hold the gate.
LEAST_CALLS_PER_SECOND = 0.01
MOST_CALLS_PER_DAY = 10**9


def default_bulk_reserve(calls_per_second: float) -> int:
    """What backfills and replays leave to others of each second unless it is set."""
    return 1 if calls_per_second >= 2 else 0


def base_url(value: str) -> str:
    """An address of Gong's, without a slash at its end; ValueError, which says what is wrong with it."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(
            "it must be an address such as https://us-12345.api.gong.io, a port a number"
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must be an address such as https://us-12345.api.gong.io")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("it must be the bare address, without user, password, query or fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("plain http is allowed to this machine only: use https://")
    return value.rstrip("/")


def _keys(value: SecretStr | None) -> SecretStr | None:
    """Each is 32 bytes in base64, as `cryptography.fernet` makes them."""
    for key in value.get_secret_value().split() if value is not None else ():
        try:
            good = len(urlsafe_b64decode(key)) == 32
        except ValueError:
            good = False
        if not good:
            raise ValueError("each line must be a key as `gong-views oauth key` prints it")
    return value


def _request_timeout(read: dict[str, Any]) -> float:
    # Missing when it was wrong itself, which is said then.
    visibility: float = read.get("visibility_timeout_seconds", math.inf)
    return min(DEFAULT_REQUEST_TIMEOUT_SECONDS, visibility / 3)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class LogSettings(Settings):
    """How the processes that run on write their log."""

    log_format: Literal["text", "json"] = Field(
        "text", validation_alias="GONG_VIEWS_LOG_FORMAT", description="`json`: one JSON object a line"
    )


class WorkerSettings(ProducerSettings):
    """Everything the worker and the operators' commands need."""

    gong_base_url: Annotated[str, AfterValidator(base_url)] = Field(
        GENERAL_BASE_URL,
        validation_alias="GONG_BASE_URL",
        description="your company's address of Gong's API; with OAuth the one that comes with the token, unless set",
    )
    gong_access_key: Secret = Field(
        None, validation_alias="GONG_ACCESS_KEY", description="for Basic, with its secret"
    )
    gong_access_key_secret: Secret = Field(
        None, validation_alias="GONG_ACCESS_KEY_SECRET", description="the access key's secret"
    )
    gong_bearer_token: Secret = Field(
        None, validation_alias="GONG_BEARER_TOKEN", description="an OAuth token, instead of key and secret"
    )
    gong_oauth_client_id: Secret = Field(
        None,
        validation_alias="GONG_OAUTH_CLIENT_ID",
        description="of your app in Gong, instead of a key or a token; then `gong-views oauth login`",
    )
    gong_oauth_client_secret: Secret = Field(
        None, validation_alias="GONG_OAUTH_CLIENT_SECRET", description="the client's secret"
    )
    gong_oauth_key: Annotated[Secret, AfterValidator(_keys)] = Field(
        None,
        validation_alias="GONG_OAUTH_KEY",
        description="encrypts OAuth tokens in the ledger; `gong-views oauth key` makes one, the first line is used",
    )
    gong_oauth_authorize_url: Annotated[str, AfterValidator(base_url)] = Field(
        "https://app.gong.io/oauth2/authorize",
        validation_alias="GONG_OAUTH_AUTHORIZE_URL",
        description="where an administrator of Gong approves",
    )
    gong_oauth_token_url: Annotated[str, AfterValidator(base_url)] = Field(
        "https://app.gong.io/oauth2/generate-customer-token",
        validation_alias="GONG_OAUTH_TOKEN_URL",
        description="where tokens are renewed",
    )
    database_url: Secret = Field(
        None,
        validation_alias="DATABASE_URL",
        description="the ledger (SQLAlchemy URL); unset: SQLite in the data dir",
    )
    hash_key: Secret = Field(
        None,
        validation_alias="GONG_VIEWS_HASH_KEY",
        description="keys the hashes that a guess could confirm, 32 characters or more; never change it; unset: "
        "the ledger's own, which `migrate` makes",
    )
    retention_days: Annotated[int | None, BeforeValidator(blank_is_unset)] = Field(
        None,
        ge=1,
        le=36_500,
        validation_alias="GONG_VIEWS_RETENTION_DAYS",
        description="workers prune what ended so long ago, once a day; unset: nothing is pruned by itself",
    )
    retention_keep_keys: bool = Field(
        True,
        validation_alias="GONG_VIEWS_RETENTION_KEEP_KEYS",
        description="`false`: the events' rows go, too, and an event that comes again after that is sent again",
    )
    calls_per_second: float = Field(
        3.0,
        ge=LEAST_CALLS_PER_SECOND,
        le=MOST_CALLS_PER_SECOND,
        validation_alias="GONG_VIEWS_CALLS_PER_SECOND",
        description="the company's limit",
    )
    calls_per_day: int = Field(
        10_000,
        gt=0,
        le=MOST_CALLS_PER_DAY,
        validation_alias="GONG_VIEWS_CALLS_PER_DAY",
        description="the company's limit in 24 hours",
    )
    day_reserve: int = Field(
        500,
        ge=0,
        validation_alias="GONG_VIEWS_DAY_RESERVE",
        description="calls a day left to other integrations",
    )
    reserve_per_second: int = Field(
        0,
        ge=0,
        validation_alias="GONG_VIEWS_RESERVE_PER_SECOND",
        description="whole calls a second left to other integrations",
    )
    bulk_reserve_per_second: Annotated[int | None, BeforeValidator(blank_is_unset)] = Field(
        None,
        ge=0,
        validation_alias="GONG_VIEWS_BULK_RESERVE_PER_SECOND",
        description="the same, by backfills and replays; unset: 1, or 0 where the limit is below 2",
    )
    max_attempts: int = Field(
        8, ge=1, le=100, validation_alias="GONG_VIEWS_MAX_ATTEMPTS", description="calls an event may spend"
    )
    retry_base_seconds: float = Field(
        5.0, gt=0, validation_alias="GONG_VIEWS_RETRY_BASE_SECONDS", description="first backoff; it doubles"
    )
    retry_max_seconds: float = Field(
        900.0, gt=0, validation_alias="GONG_VIEWS_RETRY_MAX_SECONDS", description="longest backoff"
    )
    visibility_timeout_seconds: float = Field(
        60.0,
        gt=0,
        le=3600,
        validation_alias="GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS",
        description="a message whose worker shows no sign of life for this long goes to another",
    )
    request_timeout_seconds: float = Field(
        default_factory=_request_timeout,
        gt=0,
        le=300,
        validation_alias="GONG_VIEWS_REQUEST_TIMEOUT_SECONDS",
        description="longest call; unset: 10, or a third of a short visibility timeout",
    )
    concurrency: int = Field(
        8, ge=1, le=256, validation_alias="GONG_VIEWS_CONCURRENCY", description="threads of one worker"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.gong_access_key is None) != (self.gong_access_key_secret is None):
            raise ValueError("set both GONG_ACCESS_KEY and GONG_ACCESS_KEY_SECRET, or neither")
        if self.gong_access_key is not None and self.gong_bearer_token is not None:
            raise ValueError(
                "set either GONG_ACCESS_KEY with GONG_ACCESS_KEY_SECRET, or GONG_BEARER_TOKEN: both are set"
            )
        if self.hash_key is not None and len(self.hash_key.get_secret_value()) < LEAST_HASH_KEY:
            raise ValueError(
                f"GONG_VIEWS_HASH_KEY has fewer than {LEAST_HASH_KEY} characters and could be guessed itself: "
                "make one with `openssl rand -hex 32`"
            )
        self._check_oauth()
        if self.day_reserve >= self.calls_per_day:
            raise ValueError(
                f"GONG_VIEWS_DAY_RESERVE={self.day_reserve} leaves nothing of "
                f"GONG_VIEWS_CALLS_PER_DAY={self.calls_per_day}: lower the reserve"
            )
        for name in ("reserve_per_second", "bulk_reserve_per_second"):
            reserve = getattr(self, name)
            if reserve and reserve > self.calls_per_second - 1:
                raise ValueError(
                    f"GONG_VIEWS_{name.upper()}={reserve} leaves not one whole call of "
                    f"GONG_VIEWS_CALLS_PER_SECOND={self.calls_per_second:g}: lower the reserve"
                )
        if self.retry_base_seconds > self.retry_max_seconds:
            raise ValueError(
                f"GONG_VIEWS_RETRY_BASE_SECONDS={self.retry_base_seconds:g} is above "
                f"GONG_VIEWS_RETRY_MAX_SECONDS={self.retry_max_seconds:g}: raise the maximum"
            )
        needed = self.request_timeout_seconds + LONGEST_HOLD_SECONDS
        if self.visibility_timeout_seconds <= needed:
            raise ValueError(
                f"GONG_VIEWS_VISIBILITY_TIMEOUT_SECONDS={self.visibility_timeout_seconds:g} must be more than "
                f"GONG_VIEWS_REQUEST_TIMEOUT_SECONDS={self.request_timeout_seconds:g} plus the longest hold of "
                f"{LONGEST_HOLD_SECONDS:g} s, or another worker could take a message in the middle of its call: "
                f"raise the first above {needed:g}, or lower the second"
            )
        return self

    def _check_oauth(self) -> None:
        oauth = {
            "GONG_OAUTH_CLIENT_ID": self.gong_oauth_client_id,
            "GONG_OAUTH_CLIENT_SECRET": self.gong_oauth_client_secret,
            "GONG_OAUTH_KEY": self.gong_oauth_key,
        }
        missing = [name for name, value in oauth.items() if value is None]
        if 0 < len(missing) < len(oauth):
            hint = "; `gong-views oauth key` makes a key" if missing == ["GONG_OAUTH_KEY"] else ""
            raise ValueError(f"set also {' and '.join(missing)}, or none of {', '.join(oauth)}{hint}")
        if not missing and (self.gong_access_key is not None or self.gong_bearer_token is not None):
            raise ValueError(
                "set either GONG_OAUTH_CLIENT_ID, or GONG_ACCESS_KEY, or GONG_BEARER_TOKEN: several are set"
            )

    def idle_rate(self, lane: Lane) -> float:
        """Calls/s of a lane by these limits, when nobody else calls; without the margin."""
        left, bulk = self.reserve_per_second, self.bulk_reserve_per_second
        if lane is Lane.BULK:
            left = max(left, default_bulk_reserve(self.calls_per_second) if bulk is None else bulk)
        return max(min(1.0, self.calls_per_second), float(math.floor(self.calls_per_second) - left))

    @property
    def ledger_url(self) -> str:
        """The ledger's SQLAlchemy URL; SQLite in the data directory by default."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.resolve() / 'ledger.db'}"

    @property
    def retry_policy(self) -> RetryPolicy:
        """Attempts and backoff."""
        return RetryPolicy(self.max_attempts, self.retry_base_seconds, self.retry_max_seconds)

    @property
    def has_credentials(self) -> bool:
        """Whether calls can be authenticated at all."""
        return self.gong_access_key is not None or self.gong_bearer_token is not None or self.uses_oauth

    @property
    def uses_oauth(self) -> bool:
        """Whether the access token is in the ledger, and renewed."""
        return self.gong_oauth_client_id is not None

    @property
    def base_url_is_set(self) -> bool:
        """Whether the company's own base URL was given, so that one told with a token does not count."""
        return self.gong_base_url != GENERAL_BASE_URL

    @property
    def target_fingerprint(self) -> str:
        """Tells one base URL from another."""
        return hashlib.sha256(self.gong_base_url.encode()).hexdigest()[:16]

    @cached_property
    def credential_fingerprint(self) -> str:
        """Tells one credential from another without giving it away (a truncated, salted hash)."""
        parts = [self.gong_access_key, self.gong_access_key_secret, self.gong_bearer_token]
        if self.uses_oauth:
            parts += [self.gong_oauth_client_id, self.gong_oauth_client_secret]
        text = "\0".join(part.get_secret_value() if part is not None else "" for part in parts)
        return hashlib.scrypt(text.encode(), salt=b"gong-views", n=2**12, r=8, p=1, dklen=12).hex()
