"""What REDIS_URL may say, checked before anything connects. No error repeats it: it may hold a password."""

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.connection import ConnectionPool

SCHEMES: Final = ("redis", "rediss", "unix")
_FORM: Final = "redis://[user:password@]host:6379/0, rediss://… for TLS, or unix:///path/to/socket"
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


def check_redis_url(url: str) -> None:
    """Raise ValueError, in one line that says what to do, for a URL that cannot work or is easily misread."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"it cannot be read; it looks like {_FORM}") from None
    if parts.scheme not in SCHEMES:
        raise ValueError(f"it must begin with redis://, rediss:// or unix://; it looks like {_FORM}")
    if "#" in url or ("@" not in parts.netloc and "@" in url and parts.scheme != "unix"):
        # Cut at the sign, the rest would pass for a host, a port or a database.
        raise ValueError("in a user or a password write %23 for #, %2F for /, %3F for ? and %40 for @")
    if parts.scheme != "unix" and not re.fullmatch(r"/?|/[0-9]+", unquote(parts.path)):
        raise ValueError("what follows the host is the number of a database, such as /0")
    for name in _FILES:
        for file in parse_qs(parts.query).get(name, ()):
            if not Path(file).is_file():
                raise ValueError(f"its {name} is no file that can be read")
    try:
        pool = ConnectionPool.from_url(url)
    except (ValueError, TypeError, redis.RedisError):
        raise ValueError(f"it cannot be read; it looks like {_FORM}") from None
    try:
        pool.connection_class(**pool.connection_kwargs)
    except (ValueError, TypeError, redis.RedisError):
        raise ValueError(
            "what follows the ? does not go with the rest; options of TLS go with rediss://"
        ) from None


def location(options: dict[str, Any]) -> str:
    """Where the Redis of these connection options is, without user and password."""
    if path := options.get("path"):
        return f"the socket {path}"
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
