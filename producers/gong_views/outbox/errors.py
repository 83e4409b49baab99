"""What the outbox can raise. No text here holds a payload, a bound parameter or a password."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc
from sqlalchemy.engine import Engine

from gong_views.errors import GongViewsError


class OutboxError(GongViewsError):
    """The root of the outbox's errors; by itself a wrong setting, such as another kind of database."""


class OutboxUnavailable(OutboxError):
    """The backend's database is down, locked, read-only or cut off. The rows stay; try again later."""


class OutboxMissing(OutboxError):
    """The database has no outbox, or one of another version."""


class OutboxNotEmpty(OutboxError):
    """The table cannot be dropped while events wait in it."""


_MISSING_STATES = frozenset({"42P01", "42703"})  # PostgreSQL: undefined table, undefined column
_MISSING_TEXTS = ("no such table", "no such column")  # SQLite has no code for them


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn a database's errors into the outbox's.

    The original is not chained: a driver's text may quote a row, and a traceback would print it.
    """
    try:
        yield
    except exc.DBAPIError as error:
        if _missing(error):
            raise OutboxMissing(
                "the database has no table gong_views_outbox of this version: call "
                "gong_views.outbox.schema.upgrade in a migration of the backend (docs/outbox.md), "
                "or correct the database's URL"
            ) from None
        raise OutboxUnavailable(f"the outbox's database is unavailable: {_reason(error, engine)}") from None
    except exc.TimeoutError:
        raise OutboxUnavailable(
            "the outbox's database is unavailable: all connections of the pool are busy"
        ) from None
    except exc.DisconnectionError:
        raise OutboxUnavailable("the outbox's database is unavailable: the connection broke") from None


def _missing(error: exc.DBAPIError) -> bool:
    if getattr(error.orig, "sqlstate", None) in _MISSING_STATES:
        return True
    return any(text in str(error.orig) for text in _MISSING_TEXTS)


def _reason(error: exc.DBAPIError, engine: Engine) -> str:
    """The driver's own words, without a row it may quote (PostgreSQL's DETAIL) or the password."""
    primary = getattr(getattr(error.orig, "diag", None), "message_primary", None)
    text = str(primary or error.orig).strip().split("\n")[0]
    if engine.url.password:
        text = text.replace(str(engine.url.password), "***")
    return f"{text} [{type(error.orig).__name__}]"
