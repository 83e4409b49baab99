"""Addresses of a ledger that say where it is and no more, read as SQLAlchemy reads them, without it.

What can be read in two ways, or needs a rule of SQLAlchemy's (several hosts, an escape in a file's name), is not plain.
"""

import re
from typing import Final
from urllib.parse import parse_qsl, unquote

# Not two slashes: SQLite would read a host after them.
_FILE: Final = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>(?!//)[^?@%]+)")
_SERVER: Final = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://(?:(?P<user>[^:@/?]+)(?::(?P<password>[^@/?]*))?@)?"
    r"(?P<host>[A-Za-z0-9._-]+)?(?::(?P<port>[1-9][0-9]*))?/(?P<dbname>[^?@%]+)(?:\?(?P<query>[^@\n]*))?"
)


def plain_file(url: str) -> str | None:
    """The path of SQLite's file; None when the address is of something else, or not plain."""
    found = _FILE.fullmatch(url)
    return None if found is None or found["path"] == ":memory:" else found["path"]


def plain_server(url: str) -> dict[str, str] | None:
    """psycopg's arguments for PostgreSQL; None when the address is of something else, or not plain."""
    found = _SERVER.fullmatch(url)
    if found is None:
        return None
    parts = found.groupdict(default="")
    given = parse_qsl(parts.pop("query"))
    options = dict(given)
    if (
        len(options) != len(given)
        or "port" in options
        or not re.fullmatch("(/[^,]*)?", options.get("host", ""))
    ):
        return None
    return {name: unquote(part) for name, part in parts.items() if part} | options
