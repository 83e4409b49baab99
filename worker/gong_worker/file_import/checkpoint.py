"""Where an interrupted load goes on: a small file beside the events, replaced after every accepted batch.

It is bound to what was being done: the same content, read the same way, into the same queue. Anything else
starts anew, which costs nothing but duplicates that are never sent.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gong_views.settings import ProducerSettings
from gong_worker.file_import.load import Progress

_HEAD_BYTES = 1 << 16


def fingerprint(path: Path, form: str, settings: ProducerSettings) -> dict[str, Any]:
    """What a checkpoint is bound to. Raises OSError."""
    status = path.stat()
    with path.open("rb") as file:
        head = hashlib.sha256(file.read(_HEAD_BYTES)).hexdigest()
    return {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "head_sha256": head,
        "format": form,
        "queue": _queue(settings),
    }


def _queue(settings: ProducerSettings) -> str:
    """Tells one queue from another, without the password. An embedded one may move to another port."""
    if settings.redis_url is None:
        place = str(settings.data_dir.resolve())
    else:
        url = urlsplit(settings.redis_url.get_secret_value())
        place = f"{url.netloc.rpartition('@')[2]}{url.path}?{url.query if url.scheme == 'unix' else ''}"
    return hashlib.sha256(place.encode()).hexdigest()[:16]


class Checkpoint:
    """The checkpoint at `path` for one fingerprint."""

    def __init__(self, path: Path, bound_to: dict[str, Any]) -> None:
        self.path = path
        self._bound_to = bound_to

    def load(self) -> Progress | None:
        """How far an interrupted load of this very file came; None if there is none to go on with."""
        try:
            data = json.loads(self.path.read_bytes())
            if data["bound_to"] != self._bound_to:
                return None
            return Progress(**{name: int(value) for name, value in data["progress"].items()})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def save(self, progress: Progress) -> None:
        """Replace the checkpoint, whole or not at all. Raises OSError."""
        temporary = self.path.with_name(self.path.name + ".new")
        temporary.write_text(json.dumps({"bound_to": self._bound_to, "progress": asdict(progress)}))
        temporary.replace(self.path)

    def remove(self) -> None:
        """Nothing is left to go on with. Raises OSError."""
        self.path.unlink(missing_ok=True)
