"""One run over one file: where it begins, where its rejects go, and its checkpoint.

The checkpoint is a small file beside the events, replaced after every accepted batch. It is bound to the same
content, read the same way, into the same queue; anything else starts anew, which costs only duplicates that are
never sent.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gong_views.settings import ProducerSettings
from gong_worker.file_import.csv_rows import is_header, read_header, row_records
from gong_worker.file_import.load import Progress, Rejects
from gong_worker.file_import.records import Record, json_records
from gong_worker.file_import.source import Format, Source, read_lines, reading

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


def format_of(source: Source, wanted: str) -> Format:
    """The format asked for; with `auto`, CSV if the first line names a field of an event, else JSON lines."""
    if wanted != "auto":
        return Format(wanted)
    return Format.CSV if is_header(source.first_line()) else Format.JSONL


def read_records(source: Source, form: Format, progress: Progress) -> Iterator[Record]:
    """The records of the file after what `progress` has behind it. Raises FileProblem."""
    with reading(source.name):
        lines = read_lines(source.stream)
        header = read_header(lines) if form is Format.CSV else None
        if progress.offset:
            source.stream.seek(progress.offset)
            lines = read_lines(source.stream, number=progress.lines, offset=progress.offset)
        yield from json_records(lines) if header is None else row_records(lines, header)


class Job:
    """A load of `source`, fresh or taken up from its checkpoint."""

    def __init__(self, source: Source, form: Format, settings: ProducerSettings) -> None:
        beside = str(source.companion)
        self.checkpoint: Checkpoint | None = None
        self.progress = Progress()
        self.resumed_after_line: int | None = None
        self.warning: str | None = None
        """What the user should know, but need not act on."""
        if source.path is not None:
            self.checkpoint = Checkpoint(
                Path(beside + ".checkpoint.json"), fingerprint(source.path, form, settings)
            )
            if (earlier := self.checkpoint.load()) is not None:
                self.progress = earlier
                self.resumed_after_line = earlier.lines
        self.rejects = Rejects(Path(beside + ".rejects.jsonl"), keep_bytes=self.progress.rejects_bytes)
        self.records = read_records(source, form, self.progress)

    def save(self, progress: Progress) -> None:
        """Note how far the load has come. A folder that cannot be written costs resuming, not the load."""
        if self.checkpoint is not None:
            try:
                self.checkpoint.save(progress)
            except OSError as error:
                self.warning = f"cannot be resumed if interrupted: {self.checkpoint.path}: {error.strerror}"
                self.checkpoint = None

    def finish(self) -> None:
        """The file is through."""
        self.rejects.close()
        if self.checkpoint is not None:
            self.checkpoint.remove()
