"""API keys: several, each with the name of whoever holds it, compared in constant time."""

import hmac
import re
from dataclasses import dataclass
from typing import Final

MIN_KEY_LENGTH: Final = 16
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_KEY: Final = re.compile(r"[!-+\--~]+")  # printable ASCII without space and comma


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key and the producer that it stands for."""

    name: str
    secret: bytes

    def __repr__(self) -> str:
        return f"ApiKey({self.name})"


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """Keys from `name1:key1,name2:key2`. A name may have several keys, for the time of a rotation.

    Raises ValueError, which says what is wrong with which entry and repeats no key.
    """
    keys: list[ApiKey] = []
    for number, entry in enumerate((part.strip() for part in text.split(",")), start=1):
        if not entry:
            continue
        name, colon, secret = entry.partition(":")
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
        keys.append(ApiKey(name, secret.encode()))
    if len({key.secret for key in keys}) < len(keys):
        raise ValueError("the same key is given twice: each needs a name of its own")
    return tuple(keys)


def holder(keys: tuple[ApiKey, ...], given: str) -> str | None:
    """The name of the key that was given; None if there is no such key.

    Every key is compared, in constant time each, so that the time tells nothing of how far a guess came.
    """
    found: str | None = None
    candidate = given.encode(errors="surrogateescape")
    for key in keys:
        if hmac.compare_digest(key.secret, candidate):
            found = key.name
    return found
