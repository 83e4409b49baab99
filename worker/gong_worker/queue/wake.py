"""How any thread wakes Celery's event loop."""

import os
from contextlib import suppress
from typing import Any


class Wake:
    """A pipe by which any thread wakes the event loop."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def up(self) -> None:
        """Wake the loop; safe from any thread."""
        with suppress(BlockingIOError):  # it has not read the last ones yet: it will wake anyway
            os.write(self._writer, b"!")

    def drain(self, *_: Any) -> None:
        """Called by the loop when the pipe is readable."""
        try:
            while os.read(self.reader, 1024):
                pass
        except BlockingIOError:
            pass
