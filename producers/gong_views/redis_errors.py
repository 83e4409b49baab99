"""Redis's and the network's errors as QueueUnavailable: a stable reason, and a text that says what to do.

Every text is put together here from what is known to be harmless: the host, the port, the kind of error.
Nothing of the URL's user and password, of the payload or of Redis's own text gets in.
"""

import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import redis
import redis.exceptions as rex
from redis import sentinel
from redis.asyncio import sentinel as async_sentinel

from gong_views.errors import QueueUnavailable

Failure = (redis.RedisError, OSError)


class ConnectFailed(rex.ConnectionError):
    """No connection came about, so nothing was sent; the cause is chained to it."""


_OUT_OF_MEMORY = (
    "out_of_memory",
    "is out of memory (maxmemory): give it more, or let the workers drain the queue",
)
_NO_PRIMARY = (
    "no_primary",
    "has no primary at the moment: a failover goes on, or REDIS_URL names the service or the Sentinels wrongly",
)
_READ_ONLY = ("read_only", "is a read-only replica: point REDIS_URL at the primary")
_AUTHENTICATION = ("authentication", "refused the user or the password: correct REDIS_URL")
_NO_PERMISSION = (
    "no_permission",
    "does not let this user do that: give it the rights of its kind of process, which `gong-views acl` prints (to "
    "enqueue: MULTI, EXEC, LPUSH and HINCRBY on gong-views.*), or name another user in REDIS_URL",
)
_BY_CLASS: Mapping[type[Exception], tuple[str, str]] = {
    sentinel.MasterNotFoundError: _NO_PRIMARY,
    async_sentinel.MasterNotFoundError: _NO_PRIMARY,
    rex.OutOfMemoryError: _OUT_OF_MEMORY,
    rex.ReadOnlyError: _READ_ONLY,
    rex.BusyLoadingError: ("loading", "is still loading its data from disk: try again in a moment"),
    rex.NoPermissionError: _NO_PERMISSION,
    rex.AuthenticationError: _AUTHENTICATION,
    rex.AuthorizationError: _AUTHENTICATION,
}
_SOCKET = "the socket "
_CLUSTER = ("cluster", "is a Redis Cluster: the queue needs a Redis without cluster mode")
_BY_CODE: Mapping[str, tuple[str, str]] = {
    "OOM": _OUT_OF_MEMORY,
    "READONLY": _READ_ONLY,
    "NOAUTH": _AUTHENTICATION,
    "WRONGTYPE": (
        "wrong_type",
        "has another application's data under a key of ours (gong-views.live, .bulk or .intake): "
        "use another database, e.g. redis://host:6379/1",
    ),
    "MISCONF": ("disk", "cannot write to its disk and refuses writes: see the Redis log"),
    "NOREPLICAS": ("replicas", "refuses writes for want of replicas: see min-replicas-to-write"),
    "MASTERDOWN": ("read_only", "is a replica that has lost its primary: point REDIS_URL at the primary"),
    "BUSY": ("busy", "is busy with a long script: try again in a moment"),
    "DENIED": ("authentication", "is in protected mode: set a password and put it into REDIS_URL"),
    "MOVED": _CLUSTER,
    "ASK": _CLUSTER,
    "CROSSSLOT": _CLUSTER,
    "CLUSTERDOWN": _CLUSTER,
}


def was_demoted(replies: Sequence[Any]) -> bool:
    """Whether the server is no primary (any more): it refused the commands and executed none."""
    return any(isinstance(reply, rex.ReadOnlyError) for reply in replies)


def explain(error: BaseException, where: str, seconds: float) -> QueueUnavailable:
    """The QueueUnavailable for what went wrong with the Redis at `where` within `seconds`."""
    reason, text = _reason(error, seconds)
    if reason == "refused" and where.startswith(_SOCKET):
        text = "is away: start it (`gong-views up` runs the embedded one), or correct REDIS_URL"
    unavailable = QueueUnavailable(f"Redis at {where} {text}")
    unavailable.reason = reason
    return unavailable


def _reason(error: BaseException, seconds: float) -> tuple[str, str]:
    causes = _causes(error)
    for cause in causes:
        for kind, explained in _BY_CLASS.items():
            if isinstance(cause, kind):
                return explained
        if isinstance(cause, rex.ResponseError):
            return _response(cause)
        if isinstance(
            cause, socket.gaierror | UnicodeError
        ):  # the latter: a name that is none, e.g. too long
            return "dns", "cannot be found: its host name does not resolve; correct REDIS_URL"
        if isinstance(cause, ssl.SSLError):
            return "tls", _tls(cause)
        if isinstance(cause, ConnectionRefusedError | FileNotFoundError):
            return "refused", "refuses connections: start it, or correct REDIS_URL"
        if isinstance(cause, rex.MaxConnectionsError) or "max number of clients" in str(cause):
            return "connections", "has no connection left: raise its maxclients"
    unknown = "" if isinstance(error, ConnectFailed) else _UNKNOWN
    if any(isinstance(cause, rex.TimeoutError | TimeoutError) for cause in causes):
        return "timeout", f"did not answer within {seconds:g} s{unknown}"
    if all(isinstance(cause, rex.ConnectionError | OSError) for cause in causes):
        return "connection_lost", f"closed the connection{unknown or _PERHAPS_TLS}"
    name = type(causes[-1]).__name__
    if isinstance(causes[-1], rex.RedisError):
        return (
            "error",
            f"gave an answer that makes no sense ({name}): is it a Redis, and does it want rediss://?",
        )
    return "error", f"could not be used ({name}){unknown}"


# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and …_IP_ADDRESS_MISMATCH, …_CERT_NOT_YET_VALID and …_CERT_HAS_EXPIRED.
_HOST_MISMATCH, _IP_MISMATCH = 62, 64
_NOT_YET_VALID, _EXPIRED = 9, 10


def _tls(error: ssl.SSLError) -> str:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return (
            "cannot be reached over TLS: check rediss:// in REDIS_URL, and whether it wants a client's certificate "
            "(?ssl_certfile=…&ssl_keyfile=…)"
        )
    if error.verify_code in (_HOST_MISMATCH, _IP_MISMATCH):
        return "shows the certificate of another host: name it in REDIS_URL as its certificate does"
    if error.verify_code in (_NOT_YET_VALID, _EXPIRED):
        return (
            f"shows a certificate out of its time ({error.verify_message}): renew it at the server, or set this "
            "machine's clock"
        )
    return (
        f"shows a certificate that is not trusted ({error.verify_message}): name the file of the CA that signed it "
        "in REDIS_URL: rediss://…?ssl_ca_certs=/path/to/ca.pem"
    )


_PERHAPS_TLS = "; if it takes TLS alone, write rediss:// in REDIS_URL"
_UNKNOWN = "; whether the event got in is unknown, and enqueuing it again is harmless"


def _response(error: Exception) -> tuple[str, str]:
    text = str(error)
    code = text.split(" ", 1)[0]
    if isinstance(error, rex.ClusterError | rex.MovedError | rex.AskError):
        return _CLUSTER
    if code in _BY_CODE:
        return _BY_CODE[code]
    if "user executing the script" in text:  # Redis 7.0; later ones say NOPERM
        return _NO_PERMISSION
    if "DB index" in text:
        return "database", "has no database of that number: correct the end of REDIS_URL"
    if "hash value is not an integer" in text or "overflow" in text:
        return _BY_CODE["WRONGTYPE"]
    known = code if code.isascii() and code.isupper() and len(code) <= 20 else type(error).__name__
    return "refused_command", f"refused the command ({known})"


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what it was raised from: redis-py hides the socket's error in its own one's context.

    The context of the error itself is not looked at: it may be one that the caller was handling.
    """
    found = [error]
    while (cause := found[-1].__cause__) is not None and len(found) < 5:
        found.append(cause)
    if found[-1] is not error and found[-1].__context__ is not None:
        found.append(found[-1].__context__)
    return found
