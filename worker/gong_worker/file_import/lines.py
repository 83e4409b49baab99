"""Lines of a byte stream, one at a time, none of them ever longer in memory than the limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from typing import Final

#: Longest line (for CSV: longest row) that is read, in bytes. Gong's own limit for a request is far below.
MAX_LINE_BYTES: Final = 5_000_000
#: So much of a line that is too long is kept, to recognise it by.
KEPT_BYTES: Final = 2_000
BOM: Final = b"\xef\xbb\xbf"


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
    stream: BufferedReader, *, number: int = 0, offset: int = 0, limit: int = MAX_LINE_BYTES
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
