"""What a command says when a server is away or a setting is wrong, and with which exit code."""

import errno
from typing import Final

import redis

from gong_views.connection import Connections
from gong_views.embedded import redis_url_of
from gong_views.errors import GongViewsError, QueueUnavailable
from gong_views.settings import ProducerSettings
from gong_worker.gate import GateUnavailable
from gong_worker.ledger.errors import LedgerUnavailable
from gong_worker.queue.availability import ANSWER_SECONDS, away

USAGE = 2
# The queue, or the ledger, does not answer.
SERVER_AWAY = 3
# Of a path that somebody has given.
_FILE: Final = {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}
_DISK: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


def explained(error: Exception) -> tuple[str, int] | None:
    """The line and the exit code; None for what is a defect, whose traceback is wanted."""
    match error:
        case redis.RedisError() | GateUnavailable():
            return _redis_away(error), SERVER_AWAY
        case QueueUnavailable() | LedgerUnavailable():
            return str(error), SERVER_AWAY
        case GongViewsError():
            return str(error), USAGE
        case OSError() if error.errno in _DISK:
            return f"cannot write {error.filename or 'what is to be written'}: {error.strerror}", USAGE
        case OSError() if error.errno in _FILE and error.filename is not None:
            return f"cannot use {error.filename}: {error.strerror}", USAGE
        case _:
            return None


def _redis_away(error: redis.RedisError | GateUnavailable) -> str:
    """What is the matter with Redis, and which one it is."""
    try:
        where = Connections(redis_url_of(ProducerSettings.load()), ANSWER_SECONDS).where
    except GongViewsError:
        where = "REDIS_URL"
    return away(error, where)
