"""What can go wrong on request: rules that turn one answer of the simulator into something worse.

A rule applies to calls that are authorized and within the limits, except `reset_before` without a `match`,
which strikes as soon as a request's headers are in. The first rule that fires wins.
"""

from collections.abc import Callable
from random import Random
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, model_validator


class FaultKind(NamedTuple):
    """What a kind of fault does, and which fields of a rule it takes beside the common ones."""

    meaning: str
    takes: frozenset[str]


def _kind(meaning: str, *takes: str) -> FaultKind:
    return FaultKind(meaning, frozenset(takes))


KINDS: dict[str, FaultKind] = {
    "status": _kind(
        "answer with this status; the event is not taken unless `accept`", "status", "headers", "body", "accept"
    ),
    "reject": _kind("answer 400 (or `status`) with these errors; the event is not taken", "status", "errors"),
    "lost_reply": _kind("take the event and close the connection without an answer", "reset"),
    "reset_before": _kind("close before the body is read; with a `match`, before the event is taken", "reset"),
    "reset_after": _kind("close when the body is read; the event is not taken", "reset"),
    "half_answer": _kind("take the event and send part of the answer", "fraction", "reset"),
    "trickle": _kind("send the answer one byte every `seconds` (0.1)", "seconds"),
    "hang": _kind("take the event and say nothing for `seconds` (null: until the client goes)", "accept", "seconds"),
    "delay": _kind("answer `seconds` later", "seconds"),
    "gzip": _kind("send the answer compressed, padded to `megabytes`", "megabytes"),
    "huge_body": _kind("pad the answer to `megabytes` (10)", "megabytes"),
    "garbage": _kind("take the event and answer with a body that is no JSON, or `body`", "body"),
    "wrong_content_type": _kind("answer with another Content-Type", "content_type"),
    "wrong_date": _kind(
        "answer with a Date that is `seconds` off, with `retry_after` as a date of that clock",
        "seconds", "status", "retry_after",
    ),
}  # fmt: skip
COMMON = frozenset({"kind", "times", "skip", "probability", "match"})
_NEEDED = {"status": "status", "delay": "seconds", "wrong_date": "seconds"}


class FaultRule(BaseModel):
    """One fault. `match` keys are string fields of the event, or such a field with `Prefix` behind it."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal[
        "status", "reject", "lost_reply", "reset_before", "reset_after", "half_answer", "trickle",
        "hang", "delay", "gzip", "huge_body", "garbage", "wrong_content_type", "wrong_date",
    ] = Field(description="one of the kinds below")  # fmt: skip
    times: NonNegativeInt | None = Field(1, description="how often it fires; null: for ever")
    skip: NonNegativeInt = Field(0, description="matching calls let through first")
    probability: float = Field(1.0, ge=0, le=1, description="that it fires when it is met")
    match: dict[str, str] = Field(
        default_factory=dict,
        description="a call's event has these values: string fields by name, or their beginning by name and Prefix",
    )

    status: int | None = Field(None, ge=200, le=599, description="of the answer")
    headers: dict[str, str] = Field(default_factory=dict, description="of the answer")
    body: Any = Field(None, description="text as it is, anything else as JSON; null: Gong's error body")
    errors: list[str] = Field(
        default_factory=lambda: ["The event was refused by a fault rule"], description="of the answer's body"
    )
    accept: bool | None = Field(None, description="is the event judged, and taken if good, all the same?")
    reset: bool | None = Field(None, description="close with RST instead of FIN")
    seconds: float | None = Field(None, description="a wait; for wrong_date the error of the clock")
    fraction: float = Field(0.5, ge=0, lt=1, description="how much of the answer's bytes are sent")
    megabytes: NonNegativeFloat = Field(0.0, description="the size the answer's body is padded to")
    content_type: str = Field("text/plain", description="of the answer")
    retry_after: int | None = Field(None, description="seconds; sent as an HTTP date of the wrong clock")

    @model_validator(mode="after")
    def _check(self) -> Self:
        wrong = sorted(self.model_fields_set - KINDS[self.kind].takes - COMMON)
        if wrong:
            allowed = ", ".join(sorted(KINDS[self.kind].takes)) or "nothing"
            raise ValueError(f"{self.kind} does not take {', '.join(wrong)}, but {allowed}")
        needed = _NEEDED.get(self.kind)
        if needed and getattr(self, needed) is None:
            raise ValueError(f"{self.kind} needs {needed}")
        if self.kind != "wrong_date" and self.seconds is not None and self.seconds < 0:
            raise ValueError("seconds must not be negative")
        if {name.lower() for name in self.headers} & {"content-length", "transfer-encoding"}:
            raise ValueError("headers: the simulator sets the length of its bodies itself")
        return self

    @property
    def takes_event(self) -> bool:
        """Whether the event is judged as without the fault, and kept if it is good."""
        match self.kind:
            case "reset_before" | "reset_after" | "reject":
                return False
            case "status":
                return bool(self.accept)
            case "hang":
                return self.accept is not False
            case "wrong_date":
                return self.status is None
            case _:
                return True

    def matches(self, event: dict[str, Any]) -> bool:
        """Whether every key of `match` fits the event; an empty match fits all."""
        for name, wanted in self.match.items():
            field = name.removesuffix("Prefix")
            value = event.get(field)
            if not isinstance(value, str):
                return False
            if not (value == wanted if field == name else value.startswith(wanted)):
                return False
        return True


class FaultRules:
    """The rules in force, in the order they were added."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._rules: dict[int, FaultRule] = {}
        self._seen: dict[int, int] = {}
        self._fired: dict[int, int] = {}
        self._last_id = 0

    def add(self, rule: FaultRule) -> int:
        """Put a rule in force; its id."""
        self._last_id += 1
        self._rules[self._last_id] = rule
        self._seen[self._last_id] = self._fired[self._last_id] = 0
        return self._last_id

    def clear(self, rule_id: int | None = None) -> None:
        """Drop one rule, or all."""
        if rule_id is None:
            self._rules.clear()
        else:
            self._rules.pop(rule_id, None)

    def at_head(self) -> FaultRule | None:
        """The rule that strikes before a body is read."""
        return (
            self._take({}, lambda rule: rule.kind == "reset_before" and not rule.match)
            if self._rules
            else None
        )

    def for_event(self, event: dict[str, Any]) -> FaultRule | None:
        """The rule that strikes a call with this event (empty when the body was unreadable)."""
        return (
            self._take(event, lambda rule: rule.kind != "reset_before" or bool(rule.match))
            if self._rules
            else None
        )

    def _take(self, event: dict[str, Any], phase: Callable[[FaultRule], bool]) -> FaultRule | None:
        for number, rule in self._rules.items():
            if not phase(rule) or (rule.times is not None and self._fired[number] >= rule.times):
                continue
            if not rule.matches(event):
                continue
            self._seen[number] += 1
            if self._seen[number] <= rule.skip or self._random.random() >= rule.probability:
                continue
            self._fired[number] += 1
            return rule
        return None

    def listed(self) -> list[dict[str, Any]]:
        """Every rule with its id and how often it was met and fired."""
        return [
            {
                "id": number,
                "seen": self._seen[number],
                "fired": self._fired[number],
                **rule.model_dump(exclude_unset=True),
            }
            for number, rule in self._rules.items()
        ]
