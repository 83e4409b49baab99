"""A part of the traffic that can be held by itself."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

MOST_CHARACTERS: Final = 1_000
"""Of a part's name: what is longer is a slip."""


class PartKind(StrEnum):
    """What the events of a part have in common."""

    REPORTING_SYSTEM = "reporting_system"
    CONTENT_ID = "content_id"


@dataclass(frozen=True, slots=True)
class Part:
    """The events of one reporting system, or of one content."""

    kind: PartKind
    value: str

    @property
    def name(self) -> bytes:
        """How Redis calls it; half a surrogate pair, which an event may have, goes through."""
        return f"{self.kind.value}:{self.value}".encode("utf-8", "surrogatepass")

    @classmethod
    def of(cls, name: bytes) -> Self:
        """The part of a name; raises ValueError for none."""
        kind, _, value = name.decode("utf-8", "surrogatepass").partition(":")
        return cls(PartKind(kind), value)

    @classmethod
    def given(cls, kind: PartKind, value: str) -> Self:
        """The part that a person names. Raises ValueError for what is no text, or too long a one."""
        if not value or not value.isprintable():
            raise ValueError("a part is named by a text that is not empty and can be printed")
        if len(value) > MOST_CHARACTERS:
            raise ValueError(f"a part is named by at most {MOST_CHARACTERS:,} characters, not {len(value):,}")
        return cls(kind, value)

    def __str__(self) -> str:
        return f"{self.kind.value.replace('_', ' ')} {self.value}"
