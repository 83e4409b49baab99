"""The numbers that the ledger gives to its rows."""

from typing import Final

MAX_ID: Final = 2**53 - 1
"""The largest integer that every reader of JSON keeps exact; every database has room for it."""
