"""How a call to Gong authenticates, and where it goes: both belong to the credential.

A key or a bearer token stays for the life of a process. With OAuth the access token is renewed while calls are made
(operations/token_keeper.py); what a call went out with is told with its result.
"""

from base64 import b64encode
from dataclasses import dataclass
from typing import Protocol

from gong_worker.settings import WorkerSettings


@dataclass(frozen=True, slots=True, eq=False)
class Access:
    """What a call goes out with. generation: which of the tokens that were renewed one after another."""

    base_url: str
    authorization: bytes
    generation: int = 0

    def __repr__(self) -> str:
        return f"Access({self.base_url!r}, generation={self.generation})"


class Credential(Protocol):
    """The right to call Gong. Thread-safe; `access` and `usable` cost nothing."""

    def access(self) -> Access:
        """The latest there is. The same object as long as nothing has changed."""
        ...

    def usable(self) -> bool:
        """Whether a call with it may be made now."""
        ...

    def superseded(self, refused: Access) -> bool:
        """Gong has answered 401 to a call with `refused`. True: the next call goes out with another, or none is made.

        False: the answer stands for the credential as it is. May take as long as a renewal.
        """
        ...


class FixedCredential:
    """One that never changes."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def access(self) -> Access:
        """Always the same."""
        return self._access

    def usable(self) -> bool:
        """Gong alone knows."""
        return True

    def superseded(self, refused: Access) -> bool:
        """There is no other."""
        return False


def basic(base_url: str, key: str, secret: str) -> FixedCredential:
    """An access key with its secret."""
    encoded = b64encode(f"{key}:{secret}".encode())
    return FixedCredential(Access(base_url, b"Basic " + encoded))


def bearer_header(token: str) -> bytes:
    """The header's value."""
    return f"Bearer {token}".encode()


def bearer(base_url: str, token: str) -> FixedCredential:
    """A token that somebody else renews."""
    return FixedCredential(Access(base_url, bearer_header(token)))


def credential_of(settings: WorkerSettings) -> FixedCredential:
    """The key or the bearer token of the settings; ValueError without one."""
    if settings.gong_bearer_token is not None:
        return bearer(settings.gong_base_url, settings.gong_bearer_token.get_secret_value())
    if settings.gong_access_key is None or settings.gong_access_key_secret is None:
        raise ValueError("no credentials")
    return basic(
        settings.gong_base_url,
        settings.gong_access_key.get_secret_value(),
        settings.gong_access_key_secret.get_secret_value(),
    )
