"""OAuth with Gong: the token endpoint, the way to an approval, and the encryption of tokens.

The token request is one POST of RFC 6749, sent by the same bounded connections as every other call: an OAuth library
would bring a client of its own, whose timeouts do not bound the whole answer, and keep tokens where we cannot see.
"""

from gong_worker.oauth.endpoint import GrantRefused, TokenEndpoint, TokenError, Tokens
from gong_worker.oauth.vault import WRONG_KEY, Vault, VaultError, new_key

__all__ = [
    "WRONG_KEY",
    "GrantRefused",
    "TokenEndpoint",
    "TokenError",
    "Tokens",
    "Vault",
    "VaultError",
    "new_key",
]
