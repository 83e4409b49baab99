"""One person as a request names them, and whether an event or a text tells of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gong_worker.domain.readings import composed, folded, readings

_TRACKING_IDS = ("trackingId", "tracking_id")


@dataclass(frozen=True)
class Person:
    """Named by an e-mail address, whatever its case, or by a tracking id, to the letter. Raises ValueError."""

    email: str | None = None
    tracking_id: str | None = None

    def __post_init__(self) -> None:
        if (self.email is None) == (self.tracking_id is None):
            raise ValueError("name the person by --email or by --tracking-id, one of the two")
        if self.email is not None and not re.fullmatch(r"[^@\s]+@[^@\s]+", self.email):
            raise ValueError("--email takes one whole address, like someone@example.com")
        if self.tracking_id is not None and not self.tracking_id.strip():
            raise ValueError("--tracking-id must not be empty")

    @property
    def name(self) -> str:
        """The address or the tracking id: not to be shown or written anywhere."""
        return self.email or self.tracking_id or ""

    @property
    def normalized(self) -> str:
        """The same for every spelling that names the same person, and for no other: what is hashed."""
        return f"email:{folded(self.email)}" if self.email else f"tracking_id:{self.tracking_id}"

    def in_event(self, event: Any) -> bool:
        """Whether an event as JSON, valid or not, has the person.

        An address counts in whatever text of the event it stands; a tracking id in the field of that name.
        """
        if self.tracking_id is not None:
            return isinstance(event, dict) and self.tracking_id in (event.get(one) for one in _TRACKING_IDS)
        return any(self.in_text(text) for text in _texts(event))

    def in_text(self, text: str) -> bool:
        """Whether a text quotes the address or the tracking id as a word of its own, also encoded (see `readings`)."""
        return any(self._quoted(one) for one in readings(text))

    def _quoted(self, text: str) -> bool:
        text = folded(text) if self.email else composed(text)
        return self._needle in text and self._word.search(text) is not None

    @cached_property
    def _needle(self) -> str:
        return folded(self.name) if self.email else composed(self.name)

    @cached_property
    def _word(self) -> re.Pattern[str]:
        # someone@example.com is neither in not.someone@example.com nor in someone@example.com.au
        return re.compile(rf"(?<![\w.+-]){re.escape(self._needle)}(?![\w-]|\.\w)")


def _texts(value: Any) -> Iterator[str]:
    """Every text of a JSON value, keys included; in a loop, for it may be nested however deep."""
    left = [value]
    while left:
        match left.pop():
            case str() as text:
                yield text
            case dict() as inner:
                yield from (key for key in inner if isinstance(key, str))
                left.extend(inner.values())
            case list() as inner:
                left.extend(inner)
            case _:
                pass
