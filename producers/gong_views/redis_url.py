"""Reads REDIS_URL: redis-py's URLs and those of Sentinel, checked before anything connects.

No error repeats the URL: it may hold a password.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, urlencode, urlsplit

import redis
import redis.asyncio.connection
import redis.connection

from gong_views.sentinel import TO_PRIMARY, Sentinels

SCHEMES: Final = ("redis", "rediss", "unix")
SENTINEL_SCHEMES: Final = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
SENTINEL_PORT: Final = 26379
_FORM: Final = (
    "redis://[user:password@]host:6379/0, rediss://… for TLS, unix:///path/to/socket, or "
    "redis+sentinel://[user:password@]host:26379,host:26379/service/0"
)
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


def redis_options(url: str, *, asynchronous: bool = False) -> dict[str, Any]:
    """redis-py's options of a connection to the Redis of this URL, `connection_class` among them.

    Raises ValueError, in one line that says what to do, for a URL that cannot work or is easily misread.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"it cannot be read; it looks like {_FORM}") from None
    if parts.scheme not in (*SCHEMES, *SENTINEL_SCHEMES):
        raise ValueError(f"it must begin with redis://, rediss:// or unix://; it looks like {_FORM}")
    if "#" in url or ("@" not in parts.netloc and "@" in url and parts.scheme != "unix"):
        # Cut at the sign, the rest would pass for a host, a port or a database.
        raise ValueError(
            "in a user or a password write %23 for #, %2F for /, %3F for ?, %40 for @ and %25 for %"
        )
    for name in _FILES:
        for file in parse_qs(parts.query).get(name, ()):
            if not Path(file).is_file():
                raise ValueError(f"its {name} is no file that can be read: {file}")
    sentinels: dict[str, Any] = {}
    if parts.scheme in SENTINEL_SCHEMES:
        url, sentinels = _without_sentinels(parts)
    elif parts.scheme != "unix" and not re.fullmatch(r"/?|/[0-9]+", unquote(parts.path)):
        raise ValueError("what follows the host is the number of a database, such as /0")
    module: Any = redis.asyncio.connection if asynchronous else redis.connection
    options = _options(url, module)
    if sentinels:
        tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
        tls |= {"ssl": True} if url.startswith("rediss:") else {}
        options["sentinels"] = Sentinels(options={**tls, **sentinels.pop("options")}, **sentinels)
        options["connection_class"] = TO_PRIMARY[options["connection_class"]]
    return options


def check_redis_url(url: str) -> None:
    """Raise ValueError for what `redis_options` refuses."""
    redis_options(url)


def location(options: Mapping[str, Any]) -> str:
    """Where the Redis of these connection options is, without user and password."""
    if (sentinels := options.get("sentinels")) is not None:
        return str(sentinels)
    if path := options.get("path"):
        return f"the socket {path}"
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


def _options(url: str, module: Any) -> dict[str, Any]:
    parse_url: Callable[[str], dict[str, Any]] = module.parse_url
    try:
        options: dict[str, Any] = {"connection_class": module.Connection, **parse_url(url)}
    except (ValueError, TypeError):
        raise ValueError(f"it cannot be read; it looks like {_FORM}") from None
    try:
        options["connection_class"](
            **{name: value for name, value in options.items() if name not in ("connection_class", *_OF_POOL)}
        )
    except (ValueError, TypeError, redis.RedisError):
        names = ", ".join(parse_qs(urlsplit(url).query, keep_blank_values=True)) or "nothing"
        raise ValueError(
            f"what follows the ? ({names}) has an option or a value that there is none of; those of TLS go with rediss://"
        ) from None
    return options


_OF_POOL: Final = ("max_connections", "timeout")
"""Options of a URL that redis-py's pools take, not its connections."""


def _without_sentinels(parts: SplitResult) -> tuple[str, dict[str, Any]]:
    """The URL of the primary, its host left open, and what it says of the Sentinels."""
    user, at, hosts = parts.netloc.rpartition("@")
    addresses = []
    try:
        for host in hosts.split(","):
            address = urlsplit(f"//{host}")
            if not address.hostname:
                raise ValueError
            addresses.append((unquote(address.hostname), address.port or SENTINEL_PORT))
    except ValueError:
        raise ValueError(f"it cannot be read; it looks like {_FORM}") from None
    _, _, path = parts.path.partition("/")
    service, _, database = path.partition("/")
    if not service or not re.fullmatch("[0-9]*", database):
        raise ValueError(
            "what follows the Sentinels is the service's name and a database, such as /mymaster/0"
        )
    query = parse_qsl(parts.query)
    own = {f"sentinel_{name}": name for name in ("username", "password")}
    rest = urlencode([(name, value) for name, value in query if name not in own])
    plain = f"{SENTINEL_SCHEMES[parts.scheme]}://{user}{at}localhost/{database}?{rest}"
    return plain, {
        "addresses": tuple(addresses),
        "service": unquote(service),
        "options": {own[name]: value for name, value in query if name in own},
    }
