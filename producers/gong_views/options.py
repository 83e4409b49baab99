"""The options of the sync and the async queue: Redis's URL, the timeout, what to do while Redis is away."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gong_views.commands import Item
from gong_views.embedded import redis_url_of
from gong_views.errors import QueueUnavailable, SettingsError
from gong_views.names import Lane
from gong_views.receipt import BatchResult, Receipt
from gong_views.settings import ProducerSettings
from gong_views.spool import Spool

log = logging.getLogger(__name__)

LaneName = Literal["live", "bulk"]
OnUnavailable = Literal["raise", "spool"]

#: Spooled events that a successful enqueue drains: some 10 ms of work.
DRAIN_AFTER_ENQUEUE = 100
#: Events of one transaction when the spool is drained on request.
DRAIN_BATCH = 500


@dataclass(frozen=True, slots=True)
class Options:
    """A queue's settings: the arguments given, the environment for the others."""

    settings: ProducerSettings
    source: str | None
    spooling: bool
    spool: Spool

    @classmethod
    def of(
        cls,
        redis_url: str | None,
        timeout_seconds: float | None,
        source: str | None,
        on_unavailable: OnUnavailable,
        spool_path: str | os.PathLike[str] | None,
    ) -> "Options":
        """Raises SettingsError for what cannot work."""
        if on_unavailable not in ("raise", "spool"):
            raise SettingsError('on_unavailable is neither "raise" nor "spool"')
        if source is not None and not 0 < len(source) <= 100:
            raise SettingsError("source: it must be a name of 1 to 100 characters")
        given = {"REDIS_URL": redis_url, "GONG_VIEWS_ENQUEUE_TIMEOUT_SECONDS": timeout_seconds}
        settings = ProducerSettings.load(
            **{name: value for name, value in given.items() if value is not None}
        )
        return cls(settings, source, on_unavailable == "spool", spool_at(spool_path, settings.data_dir))

    @property
    def seconds(self) -> float:
        """The longest one enqueue may take."""
        return self.settings.enqueue_timeout_seconds

    @property
    def lease_seconds(self) -> float:
        """How long a drain may take over one batch: a push to each lane, each perhaps with a count to undo."""
        return 4 * self.seconds + 5

    @property
    def embedded(self) -> bool:
        """Whether Redis is the embedded one, which is looked for when it is first needed."""
        return self.settings.redis_url is None

    def url(self) -> str:
        """Redis's URL. Raises SettingsError when there is none, and no embedded server either."""
        return redis_url_of(self.settings)

    def spooled(self, lane: Lane, items: Sequence[Item], error: QueueUnavailable) -> list[Receipt]:
        """Put the events into the spool if that is wanted, else raise the error."""
        if not self.spooling:
            raise error
        try:
            self.spool.append(lane, items)
        except OSError as failure:
            # Not chained to the text of the failure alone: the cause of it all is that Redis is away.
            error.args = (f"{error}; nor could the spool {self.spool.path} be written: {failure.strerror}",)
            raise error from failure
        log.warning(
            "queue unavailable (%s): %d events spooled",
            error.reason,
            len(items),
            extra={"action": "spooled", "events": len(items), "reason": error.reason},
        )
        return [Receipt(item.event_id, "", spooled=True) for item in items]


def spool_at(path: str | os.PathLike[str] | None, data_dir: Path) -> Spool:
    """The spool of that name. A `.jsonl` is where 0.1 spooled to: the database lies beside it, as `.db`."""
    if path is None:
        return Spool(data_dir / "spool.db", data_dir / "spool.jsonl")
    path = Path(path)
    return Spool(path.with_suffix(".db"), path) if path.suffix == ".jsonl" else Spool(path)


@contextmanager
def logging_failure() -> Iterator[None]:
    """Log what goes wrong in draining the spool after an enqueue: the enqueue itself has succeeded."""
    try:
        yield
    except (QueueUnavailable, OSError) as error:
        log.warning(
            "the spool could not be drained: %s",
            getattr(error, "reason", None) or type(error).__name__,
            extra={"action": "spool_not_drained"},
        )


def with_result(error: QueueUnavailable, result: BatchResult) -> QueueUnavailable:
    """The error of a run of batches that ended midway, with what surely went in before."""
    error.result = result
    number = len(result.accepted)
    error.args = (f"{error}. {number} events surely went in before; running it all again is harmless",)
    return error
