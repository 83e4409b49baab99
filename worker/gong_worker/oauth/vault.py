"""Encryption of tokens at rest: Fernet (AES-128-CBC with HMAC-SHA256) of the `cryptography` library."""

import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gong_views.errors import GongViewsError

WRONG_KEY = (
    "the OAuth tokens in the ledger were encrypted with another key: give GONG_OAUTH_KEY the one that "
    "`gong-views oauth login` had, or log in again"
)


class VaultError(GongViewsError):
    """The tokens cannot be read with these keys."""


class Vault:
    """Seals with the first key, opens with any: a new key goes before the old one until all is sealed with it."""

    def __init__(self, keys: str) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys.split()])

    def seal(self, refresh_token: str, access_token: str | None) -> str:
        """The tokens of one generation, encrypted together."""
        text = json.dumps({"refresh_token": refresh_token, "access_token": access_token})
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> tuple[str, str | None]:
        """The refresh token, and the access token if there is one. Raises VaultError."""
        try:
            found = json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken:
            raise VaultError(WRONG_KEY) from None
        return found["refresh_token"], found["access_token"]


def new_key() -> str:
    """One for GONG_OAUTH_KEY."""
    return Fernet.generate_key().decode()
