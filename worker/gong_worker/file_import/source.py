"""Opening a file or standard input, gzipped or not, and reading it line by line in bounded memory."""

import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, cast

from gong_views.errors import GongViewsError

STDIN: Final = "-"
#: Longest line (for CSV: longest row) that is read, in bytes. Gong's own limit for a request is far below.
MAX_LINE_BYTES: Final = 5_000_000
#: So much of a line that is too long is kept, to recognise it by.
KEPT_BYTES: Final = 2_000
BOM: Final = b"\xef\xbb\xbf"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_PEEK_BYTES: Final = 1 << 16


class FileProblem(GongViewsError):
    """The file as a whole cannot be read; the text says why and what to do."""


class Format(StrEnum):
    """How a file writes its events."""

    JSONL = "jsonl"
    CSV = "csv"


class Source:
    """An open file: `stream` gives its decompressed bytes."""

    def __init__(self, name: str, raw: io.BufferedReader) -> None:
        self.name = name
        self.raw = raw
        status = _status(raw)
        regular = status is not None and stat.S_ISREG(status.st_mode)
        self.path: Path | None = Path(name) if regular and name != STDIN else None
        """Of a file that can be read again; None for standard input and pipes."""
        self.size: int | None = status.st_size if regular and status is not None else None
        """In bytes, as it is on disk; None if that cannot be known."""
        self.gzipped = raw.peek(2)[:2] == _GZIP_MAGIC
        self.stream = raw if not self.gzipped else _unzipped(raw)

    @property
    def position(self) -> int:
        """How far the file on disk has been read, in bytes."""
        return self.raw.tell()

    @property
    def companion(self) -> Path:
        """What the names of the files beside this one begin with."""
        return self.path if self.path is not None else Path("stdin")

    def first_line(self) -> str:
        """The first line, without consuming it; as much as there is of one, errors replaced."""
        with reading(self.name):
            start = self.stream.peek(_PEEK_BYTES)[:_PEEK_BYTES]
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise FileProblem(f"{self.name} is UTF-16: save it as UTF-8, e.g. with iconv -f UTF-16 -t UTF-8")
        return start.removeprefix(BOM).lstrip().partition(b"\n")[0].decode(errors="replace").strip()


def _status(raw: io.BufferedReader) -> os.stat_result | None:
    try:
        return os.fstat(raw.fileno())
    except OSError:
        return None


def _unzipped(raw: io.BufferedReader) -> io.BufferedReader:
    return io.BufferedReader(cast(Any, gzip.GzipFile(fileobj=raw, mode="rb")), _PEEK_BYTES)


@contextmanager
def open_source(name: str) -> Iterator[Source]:
    """The file of that name, `-` for standard input. Raises FileProblem."""
    if name == STDIN:
        with reading("stdin"):
            yield Source(STDIN, cast(io.BufferedReader, sys.stdin.buffer))
        return
    try:
        raw = cast(io.BufferedReader, io.BufferedReader(io.FileIO(name), _PEEK_BYTES))
    except OSError as error:
        raise FileProblem(f"cannot read {name}: {error.strerror}") from None
    with raw, reading(name):
        yield Source(name, raw)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what can go wrong in the middle of a gzip file into a FileProblem."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise FileProblem(
            f"the gzip data of {name} is damaged or ends too early: fetch the file again"
        ) from None


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its line end."""

    number: int
    """From 1."""
    end: int
    """Where the next line begins, in bytes from the start of the (decompressed) stream."""
    raw: bytes
    too_long: bool = False
    """Longer than the limit; `raw` is its beginning."""


def read_lines(
    stream: io.BufferedReader, *, number: int = 0, offset: int = 0, limit: int = MAX_LINE_BYTES
) -> Iterator[Line]:
    """The lines of `stream`, which stands at `offset`, after line `number`. A byte order mark is dropped."""
    while raw := stream.readline(limit + 2):
        number += 1
        offset += len(raw)
        whole = raw.endswith(b"\n")
        text = raw.rstrip(b"\r\n")
        if number == 1:
            text = text.removeprefix(BOM)
        if len(text) <= limit:
            yield Line(number, offset, text)
            continue
        while not whole and (rest := stream.readline(1 << 16)):
            offset += len(rest)
            whole = rest.endswith(b"\n")
        yield Line(number, offset, text[:KEPT_BYTES], too_long=True)
