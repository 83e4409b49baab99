"""API keys: each with a name, scopes, and the reporting systems whose events it may send."""

import hmac
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

MIN_KEY_LENGTH: Final = 16
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_KEY: Final = re.compile(r"[!-+\--~]+")  # printable ASCII without space and comma


class Scope(StrEnum):
    """What a key may do."""

    INGEST = "ingest"
    """Enqueue events."""
    READ = "read"
    """Look at events, dead letters, status and metrics."""
    OPERATE = "operate"
    """Replay, discard, hold, release, set limits."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key. `name` stands for the producer: it is the source of its events in the ledger."""

    name: str
    secret: bytes = field(repr=False)
    scopes: frozenset[Scope] = frozenset({Scope.INGEST})
    reporting_systems: frozenset[str] | None = None
    """The reporting systems it is bound to; None for any."""

    def may_use(self, reporting_system: str) -> bool:
        """Whether it may send or see events of that reporting system."""
        return self.reporting_systems is None or reporting_system in self.reporting_systems


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """Keys from entries `name[/scope+scope][@system|system]:key`, separated by commas or line ends.

    A name may have several keys, for the time of a rotation. In the name of a reporting system, `%2C`, `%3A` and
    `%7C` stand for comma, colon and bar. Raises ValueError, which says what is wrong with which entry and
    repeats no key.
    """
    entries = (part.strip() for part in re.split(r"[,\n]", text))
    written = (entry for entry in entries if entry and not entry.startswith("#"))
    return tuple(_parse(number, entry) for number, entry in enumerate(written, start=1))


def find(keys: tuple[ApiKey, ...], given: str) -> ApiKey | None:
    """The key that was given; None if there is no such key.

    Every key is compared, in constant time each, so that the time tells nothing of how far a guess came.
    """
    found: ApiKey | None = None
    candidate = given.encode(errors="surrogateescape")
    for key in keys:
        if hmac.compare_digest(key.secret, candidate):
            found = key
    return found


def _parse(number: int, entry: str) -> ApiKey:
    head, colon, secret = entry.partition(":")
    head, at, systems = head.partition("@")
    name, slash, scopes = head.partition("/")
    if not colon or not _NAME.fullmatch(name):
        # The entry may be a key without a name: not even a part of it is repeated.
        raise ValueError(
            f"entry {number} is not name:key (a name has letters, digits, dot, dash or underscore)"
        )
    if len(secret) < MIN_KEY_LENGTH:
        raise ValueError(
            f"the key of {name} has less than {MIN_KEY_LENGTH} characters: "
            "make one with python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    if not _KEY.fullmatch(secret):
        raise ValueError(f"the key of {name} holds a character that is not printable ASCII, or a space")
    return ApiKey(
        name,
        secret.encode(),
        _scopes(name, scopes) if slash else frozenset({Scope.INGEST}),
        _systems(name, systems) if at else None,
    )


def _scopes(name: str, text: str) -> frozenset[Scope]:
    try:
        return frozenset(Scope(scope) for scope in text.split("+"))
    except ValueError:
        known = ", ".join(scope.value for scope in Scope)
        raise ValueError(f"the scopes of {name} are not of {known}, joined by +") from None


def _systems(name: str, text: str) -> frozenset[str]:
    systems = frozenset(unquote(system) for system in text.split("|"))
    if "" in systems:
        raise ValueError(f"a reporting system of {name} is empty: write {name}@one|two:key")
    return systems
