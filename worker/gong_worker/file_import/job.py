"""One run over one file: where it begins, where its rejects go, and how it is taken up again."""

from collections.abc import Iterator
from pathlib import Path

from gong_views.settings import ProducerSettings
from gong_worker.file_import.checkpoint import Checkpoint, fingerprint
from gong_worker.file_import.columns import is_header
from gong_worker.file_import.lines import read_lines
from gong_worker.file_import.load import Progress
from gong_worker.file_import.records import Record, json_records
from gong_worker.file_import.rejects import Rejects
from gong_worker.file_import.rows import read_header, row_records
from gong_worker.file_import.source import Format, Source, reading


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
