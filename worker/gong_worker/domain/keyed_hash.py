"""Hashes that nobody can confirm a guess with who lacks the installation's key."""

import base64
import hmac
from typing import Final

MARK: Final = "hmac:"


def keyed_hash(key: bytes, data: bytes) -> str:
    """HMAC-SHA256 as `hmac:` and 43 characters: told at sight from a plain SHA-256, which has 64 hex digits."""
    digest = hmac.digest(key, data, "sha256")
    return MARK + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
