"""An edited export read back: the payload of each letter, and every line that holds none."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from gong_views.json_input import JsonError, count_values, read_json
from gong_worker.body_settings import MAX_BODY_VALUES
from gong_worker.domain.ids import MAX_ID
from gong_worker.operations.exports import ExportProblem

MAX_LETTERS: Final = 5_000
"""The most letters that are sent at once over HTTP or in the console; the command takes a file of any length."""
TOLD: Final = 20
# How a CSV of ours begins, also as a spreadsheet has saved it.
_HEADING: Final = re.compile(rb'(?:\xef\xbb\xbf)?"?id"?[,;\t]"?created_at')
_CSV: Final = (
    "it is CSV, which cannot be replayed: export the letters as JSON lines (--format jsonl), edit that"
)


class LetterTwice(ExportProblem):
    """A letter that comes a second time: nobody knows which payload is meant."""


@dataclass(frozen=True, slots=True)
class EditedLetters:
    """Payloads by the letters' numbers, the line on which each stands, and what cannot be read, with its line."""

    payloads: dict[int, Any] = field(default_factory=dict)
    lines: dict[int, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_export(path: Path) -> EditedLetters:
    """The letters in an exported file of JSON lines. Raises ExportProblem, which names the lines."""
    try:
        with path.open("rb") as file:
            found = _read(file, csv=path.suffix.lower() == ".csv")
    except OSError as error:
        raise ExportProblem(f"cannot read {path}: {error.strerror}") from None
    if found.problems:
        told = [f"{path}: {problem}" for problem in found.problems[:TOLD]]
        more = len(found.problems) - len(told)
        raise ExportProblem("\n".join([*told, *([f"… and {more} more lines"] if more else [])]))
    return found


def read_upload(body: bytearray) -> EditedLetters:
    """The letters in such a file that came over a network: as many, with as many values, as HTTP takes at once."""
    if count_values(body.decode(errors="replace"), MAX_BODY_VALUES) > MAX_BODY_VALUES:
        return EditedLetters(problems=[f"more than {MAX_BODY_VALUES:,} values: send the letters in parts"])
    found = _read(BytesIO(body), most=MAX_LETTERS)
    if not found.payloads and not found.problems:
        found.problems.append("it holds no letter")
    return found


def add_edited(found: dict[int, Any], letter: Any, where: str) -> int:
    """Add the payload of one exported letter by its number, which it returns.

    Raises ExportProblem, LetterTwice among them, which says where it is.
    """
    number = letter.get("id") if isinstance(letter, dict) else None
    if isinstance(number, float) and number.is_integer():  # JSON has no integers of its own
        number = int(number)
    if type(number) is not int or "payload" not in letter:
        raise ExportProblem(f'{where} is no exported dead letter: it needs "id" and "payload"')
    if not 1 <= number <= MAX_ID:
        raise ExportProblem(f'{where}: "id" is the number of no dead letter')
    if number in found:
        raise LetterTwice(f"{where}: dead letter {number} comes twice, with which payload?")
    found[number] = letter["payload"]
    return number


def _read(lines: Iterable[bytes], *, most: int | None = None, csv: bool = False) -> EditedLetters:
    found = EditedLetters()
    for number, raw in _filled(lines):
        if len(found.payloads) == most:
            found.problems.append(f"more than {most:,} letters: send them in parts")
            break
        where = f"line {number}"
        try:
            letter = add_edited(found.payloads, read_json(raw.strip()), where)
        except JsonError as error:
            if csv or (number == 1 and _HEADING.match(raw)):
                return EditedLetters(problems=[_CSV])
            # A line of the file, not of the text that was read, which has one alone.
            found.problems.append(f"{where} {error}".replace("(line 1, column", "(column"))
        except ExportProblem as error:
            found.problems.append(str(error))
        else:
            found.lines[letter] = number
    return found


def _filled(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers from 1."""
    return ((number, raw) for number, raw in enumerate(lines, 1) if raw.strip())
