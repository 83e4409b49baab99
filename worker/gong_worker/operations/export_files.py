"""The files of dead letters that were exported here, as the audit names them, and a person's lines in them."""

import csv
import io
import json
import os
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gong_worker.domain.audit import AuditAction
from gong_worker.domain.person import Person
from gong_worker.ledger import Ledger

PAGE = 500


def described_file(path: Path | None, form: str) -> dict[str, Any]:
    """What the audit notes of an exported file; None: it went to standard output, or to a browser or a caller."""
    if path is None:
        return {"file": None}
    return {"file": str(path.resolve()), "host": socket.gethostname(), "format": form}


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One export. `problem`: why it cannot be looked at, if so."""

    audit_id: int
    file: str | None
    form: str
    problem: str | None

    def count(self, person: Person) -> int:
        """How many of its letters have the person, as far as it can be read."""
        if self.problem is not None or self.file is None:
            return 0
        try:
            return len(_split(Path(self.file), self.form, person)[1])
        except OSError:
            return 0  # the erasure says so

    def erase(self, person: Person) -> int:
        """Write the file anew without the person's letters; how many those were. Raises OSError."""
        if self.problem is not None or self.file is None:
            return 0
        path = Path(self.file)
        kept, gone = _split(path, self.form, person)
        if gone:
            _replace(path, kept)
        return len(gone)


def known_exports(ledger: Ledger) -> Iterator[ExportFile]:
    """Every export that the audit has, the latest first; one whose file is gone is left out."""
    before = None
    seen: set[str] = set()
    while True:
        page = ledger.list_actions(limit=PAGE, before_id=before, action=AuditAction.EXPORT)
        for entry in page.entries:
            export = _export(entry.id, entry.details or {})
            if export is None or export.file in seen:
                continue
            if export.file is not None:
                seen.add(export.file)
            yield export
        if page.next is None:
            return
        before = page.next


def _export(number: int, details: dict[str, Any]) -> ExportFile | None:
    file, form = details.get("file"), details.get("format", "")
    if file is None:
        told = "to standard output, over HTTP or by the console"
        why = told if "file" in details else "before its file was noted"
        return ExportFile(number, None, form, f"exported {why}: look for where it went")
    if details.get("host") != socket.gethostname():
        return ExportFile(number, file, form, f"on {details.get('host')}: run this there")
    try:
        mode = Path(file).lstat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        return ExportFile(number, file, form, f"cannot be read: {error.strerror}")
    readable = stat.S_ISREG(mode) and os.access(file, os.R_OK | os.W_OK)
    return ExportFile(number, file, form, None if readable else "cannot be written")


def _split(path: Path, form: str, person: Person) -> tuple[list[str], list[str]]:
    """What stays of a file, and the letters that have the person."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        text = file.read()
    kept: list[str] = []
    gone: list[str] = []
    if form == "csv":
        csv.field_size_limit(sys.maxsize)  # one cell may be a whole message
        header, *rows = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
        kept.append(_csv_line(header))
        for row in rows:
            (gone if _in_row(person, dict(zip(header, row, strict=False))) else kept).append(_csv_line(row))
    else:
        # Not splitlines: another program that wrote it anew may have left U+2028 and its like in a text.
        for line in io.StringIO(text, newline="\n"):
            (gone if _in_line(person, line) else kept).append(line)
    return kept, gone


def _in_line(person: Person, line: str) -> bool:
    try:
        letter = json.loads(line)
    except (ValueError, RecursionError):
        return person.in_text(line)
    payload = letter.get("payload") if isinstance(letter, dict) else None
    return person.in_event(payload) or any(person.in_text(text) for text in _strings(letter))


def _strings(letter: Any) -> Iterator[str]:
    """The texts of a letter beside its payload, and of a payload that is a text."""
    for value in letter.values() if isinstance(letter, dict) else [letter]:
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                yield text


def _in_row(person: Person, row: dict[str, str]) -> bool:
    # One that looks like a formula was written with an apostrophe before it.
    if person.tracking_id is not None and row.get("trackingId") in (
        person.tracking_id,
        f"'{person.tracking_id}",
    ):
        return True
    texts = [row.get("errors", ""), row.get("unreadable_body", "")] if person.email is None else row.values()
    return any(person.in_text(text) for text in texts)


def _csv_line(row: list[str]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line).writerow(row)
    return line.getvalue()


def _replace(path: Path, lines: list[str]) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
