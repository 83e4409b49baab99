"""Why Redis does not decide: its errors as one closed vocabulary, with what an operator does about each."""

from enum import StrEnum

import redis
from redis import exceptions

from gong_views.errors import GongViewsError


class RedisTrouble(StrEnum):
    """What keeps Redis from deciding. The value is the log's `reason`."""

    FULL = "full"  # maxmemory reached, noeviction; ours run all the same (allow-oom), so a script of another release
    READ_ONLY = "read_only"  # a replica, after a failover or behind a wrong address
    NO_REPLICAS = "no_replicas"  # min-replicas-to-write is not met
    CANNOT_PERSIST = "cannot_persist"  # the last snapshot or append-only write failed
    LOADING = "loading"  # it reads its data after a start
    AWAY = "away"  # no connection, or no answer in time
    REFUSED = "refused"  # any other error: password, ACL, protocol


_MENDS = {
    RedisTrouble.FULL: "Redis is full: raise maxmemory or remove what does not belong to gong-views",
    RedisTrouble.READ_ONLY: "Redis is read-only: REDIS_URL must name the primary",
    RedisTrouble.NO_REPLICAS: "Redis refuses writes without its replicas (min-replicas-to-write): bring them back",
    RedisTrouble.CANNOT_PERSIST: "Redis refuses writes because it cannot write to its disk: make room there",
    RedisTrouble.LOADING: "Redis is loading its data: wait",
    RedisTrouble.AWAY: "Redis does not answer: start it, or mend REDIS_URL or the network",
    RedisTrouble.REFUSED: "Redis refuses the command: check the user, its password and its ACL",
}


class GateUnavailable(GongViewsError):
    """Redis did not decide; `trouble` says why. No call may be made."""

    def __init__(self, trouble: RedisTrouble, detail: str = "") -> None:
        super().__init__(f"{_MENDS[trouble]}; no call is made" + (f" ({detail})" if detail else ""))
        self.trouble = trouble


def trouble_of(error: redis.RedisError | OSError) -> RedisTrouble:
    """The kind of an error of redis-py."""
    match error:
        case exceptions.BusyLoadingError():
            return RedisTrouble.LOADING
        case exceptions.ConnectionError() | exceptions.TimeoutError() | OSError():
            # A wrong password and a full table of clients are ConnectionErrors too, but they have an answer.
            answered = isinstance(error, exceptions.AuthenticationError | exceptions.MaxConnectionsError)
            return RedisTrouble.REFUSED if answered else RedisTrouble.AWAY
        case exceptions.ReadOnlyError():
            return RedisTrouble.READ_ONLY
        case exceptions.OutOfMemoryError():
            return RedisTrouble.FULL
        case _:
            return _by_code(str(error))


def _by_code(text: str) -> RedisTrouble:
    # An error inside a script is "ERR …" or the inner code, by server and version; the code is in the text.
    codes = {
        "NOREPLICAS": RedisTrouble.NO_REPLICAS,
        "MISCONF": RedisTrouble.CANNOT_PERSIST,
        "READONLY": RedisTrouble.READ_ONLY,
        "OOM": RedisTrouble.FULL,
        "LOADING": RedisTrouble.LOADING,
        "MASTERDOWN": RedisTrouble.AWAY,
    }
    return next((trouble for code, trouble in codes.items() if code in text), RedisTrouble.REFUSED)
