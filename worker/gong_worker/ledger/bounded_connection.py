"""psycopg's connection with an end to every wait for the server's answer.

The server's own timeouts bound a lock or a slow statement. A server that is frozen answers nothing, not even
its timeouts, while its kernel keeps the connection alive; so the wait for its answer is bounded here as well.
"""

import os
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg

NAME: Final = "gong-views"
"""What a connection is called in PostgreSQL's lists; of a command it is followed by the command's word."""
_CONNECT_TIMEOUT_SECONDS: Final = 5


def bounded_connection(answer_timeout_seconds: float) -> "type[psycopg.Connection[Any]]":
    """The class of connections that break off when the server gives no answer at all for so long.

    Raises ImportError when psycopg is not installed.
    """
    import psycopg

    class BoundedConnection(psycopg.Connection[Any]):
        def wait(self, gen: Generator[Any, Any, Any], *args: Any, **options: Any) -> Any:
            def give_up() -> None:
                self.close()  # nothing is known about its state: SQLAlchemy drops a closed connection
                raise psycopg.OperationalError(f"no answer within {answer_timeout_seconds:g} s")

            return super().wait(_bounded(gen, answer_timeout_seconds, give_up), *args, **options)

    return BoundedConnection


def connect_arguments() -> dict[str, Any]:
    """How every connection to the ledger is made, besides its address."""
    return {
        "connect_timeout": _CONNECT_TIMEOUT_SECONDS,
        "application_name": os.environ.get("PGAPPNAME", NAME),
    }


def _bounded(
    waiting: Generator[Any, Any, Any], seconds: float, give_up: Callable[[], None]
) -> Generator[Any, Any, Any]:
    """psycopg's wait, which is resumed several times a second with nothing to tell, given a deadline."""
    deadline = time.monotonic() + seconds
    try:
        wanted = next(waiting)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                give_up()
            wanted = waiting.send(ready)
    except StopIteration as stop:
        return stop.value
