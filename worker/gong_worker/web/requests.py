"""What the operators' routes are asked: queries and bodies, strict, with nothing unknown in them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from fastapi import HTTPException, Request
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from gong_views.json_input import JsonError, read_json
from gong_views.names import Lane
from gong_views.timestamps import timestamp_of
from gong_worker.domain.audit import AuditAction
from gong_worker.domain.ids import MAX_ID
from gong_worker.domain.outcomes import AttemptOutcome
from gong_worker.domain.parts import Part, PartKind
from gong_worker.domain.reasons import MOST_CHARACTERS
from gong_worker.domain.states import DeadLetterReason, DeadLetterState, Status
from gong_worker.ledger import AttemptFilter, DeadLetterFilter, EventFilter
from gong_worker.operations.edited_letters import MAX_LETTERS
from gong_worker.operations.exports import ExportFormat
from gong_worker.operations.gate import LONGEST_HOLD_SECONDS
from gong_worker.request_body import read_body
from gong_worker.settings import LEAST_CALLS_PER_SECOND, MOST_CALLS_PER_DAY, MOST_CALLS_PER_SECOND
from gong_worker.web.body import JSON_TYPE, media_type
from gong_worker.web.parameters import Parameters
from gong_worker.web.problems import is_other_branch, place
from gong_worker.web.settings import WebSettings

MAX_PAGE: Final = 500
MAX_IDS: Final = MAX_LETTERS
_PATH: Final = r"^[A-Za-z_][A-Za-z0-9_]*(\[[0-9]{1,4}\])*(\.[A-Za-z_][A-Za-z0-9_]*(\[[0-9]{1,4}\])*)*$"


def _moment(value: Any) -> Any:
    return timestamp_of(value) if isinstance(value, str) else value


def _whole(value: Any) -> Any:
    """JSON has no integers of its own: 2.0 is one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)
Moment = Annotated[datetime, BeforeValidator(_moment)]
Text = Annotated[str, Field(min_length=1, max_length=1_000)]
Why = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
LetterId = Annotated[int, Field(ge=1, le=MAX_ID), Whole]
Path = Annotated[str, Field(pattern=_PATH, max_length=500, examples=["viewer.email"])]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE, description="the most items of the page")]
Absent = SkipJsonSchema[None]
"""A parameter that may be left out, but has no value for it."""


class LetterConditions(BaseModel):
    """Which dead letters are meant; every condition that is given has to hold."""

    reason: DeadLetterReason | Absent = Field(None, description="why they died")
    contains: Text | Absent = Field(
        None, description="in Gong's words or the payload, whatever its case; needs the scope operate"
    )
    http_status: Annotated[int, Field(ge=100, le=599), Whole] | Absent = Field(
        None, description="Gong's last answer"
    )
    reporting_system: Text | Absent = Field(None, description="of the event")
    content_id: Text | Absent = Field(None, description="of the event")
    source: Text | Absent = Field(None, description="the producer's name")
    lane: Lane | Absent = Field(None, description="the lane on which they came")
    since: Moment | Absent = Field(None, description="died at or after this time")
    until: Moment | Absent = Field(None, description="died before this time")
    group: Text | Absent = Field(None, description="the id of a group")
    state: DeadLetterState = Field(DeadLetterState.OPEN, description="where they stand")

    def wanted(self, reporting_system: str | None) -> DeadLetterFilter:
        """The filter, of this reporting system."""
        names = LetterConditions.model_fields
        given = {name: getattr(self, name) for name in names} | {"reporting_system": reporting_system}
        return DeadLetterFilter(**given)


class EventsQuery(Parameters):
    """The query of `GET /v1/events`."""

    event_id: Text | Absent = Field(None, description="in every reporting system that is not excluded")
    request_id: Text | Absent = Field(None, description="Gong's id of any of its calls")
    content_id: Text | Absent = Field(None, description="of the event")
    reporting_system: Text | Absent = Field(None, description="of the event")
    status: Status | Absent = Field(None, description="where it stands")
    source: Text | Absent = Field(None, description="the producer's name")
    lane: Lane | Absent = Field(None, description="the lane on which it came last")
    since: Moment | Absent = Field(None, description="enqueued at or after this time")
    until: Moment | Absent = Field(None, description="enqueued before this time")
    limit: Limit = 50
    after: Text | Absent = Field(None, description="`next` of the page before")

    def wanted(self, reporting_system: str | None) -> EventFilter:
        """The filter, of this reporting system."""
        given = {name: getattr(self, name) for name in EventFilter.__slots__}
        return EventFilter(**given | {"reporting_system": reporting_system})


class CallsQuery(Parameters):
    """The query of `GET /v1/calls`."""

    since: Moment | Absent = Field(None, description="begun at or after this time; by default a minute ago")
    reporting_system: Text | Absent = Field(None, description="of the event")
    content_id: Text | Absent = Field(None, description="of the event")
    source: Text | Absent = Field(None, description="the producer's name")
    lane: Lane | Absent = Field(None, description="the lane on which it came last")
    outcome: AttemptOutcome | Absent = Field(None, description="what came of the call")
    limit: Limit = MAX_PAGE
    after: Text | Absent = Field(None, description="`next` of the page before, in place of `since`")

    def wanted(self, reporting_system: str | None) -> AttemptFilter:
        """The filter, of this reporting system."""
        given = {name: getattr(self, name) for name in AttemptFilter.__slots__}
        return AttemptFilter(**given | {"reporting_system": reporting_system})


class WaitsAt(StrEnum):
    """Where messages wait."""

    LIVE = "live"
    BULK = "bulk"
    DELAYED = "delayed"


class PeekQuery(Parameters):
    """The query of `GET /v1/queue`."""

    place: WaitsAt = Field(WaitsAt.LIVE, description="a lane, or what waits for another try")
    limit: Limit = 20


class FindQuery(Parameters):
    """The query of `GET /v1/queue/find`."""

    event_id: Text = Field(description="in every reporting system that is not excluded")
    reporting_system: Text | Absent = Field(None, description="of the event")


class LetterQuery(Parameters):
    """The query of `GET /v1/dead-letters/{id}`."""

    payload: bool = Field(
        False, description="the event and Gong's words, too; needs the scope operate, and is audited"
    )


class GroupsQuery(LetterConditions, Parameters):
    """The query of `GET /v1/dead-letters/groups`."""


class LettersQuery(GroupsQuery):
    """The query of `GET /v1/dead-letters`."""

    limit: Limit = 100
    after: Annotated[int, Field(ge=0, le=MAX_ID, description="`next` of the page before")] = 0


class AuditQuery(Parameters):
    """The query of `GET /v1/audit`."""

    action: AuditAction | Absent = Field(None, description="only these")
    by: Text | Absent = Field(None, description="only what this user or key did")
    limit: Limit = 50
    before: Annotated[int, Field(ge=1, le=MAX_ID)] | Absent = Field(
        None, description="`next` of the page before"
    )


class Body(BaseModel):
    """The base of every body: types are not converted, nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class FilterBody(LetterConditions, Body):
    """A filter that is not empty."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="before")
    @classmethod
    def _something(cls, data: Any) -> Any:
        if data == {}:
            raise ValueError('an empty filter means every letter: say {"all": true} for that')
        if isinstance(data, dict) and None in data.values():
            raise ValueError("leave out what is not to be a condition, instead of null")
        return data


class ByIds(Body):
    """These letters."""

    ids: Annotated[tuple[LetterId, ...], Field(strict=False, min_length=1, max_length=MAX_IDS)]


class ByFilter(Body):
    """The letters that a filter means."""

    filter: FilterBody


class All(Body):
    """Every open letter."""

    all: Literal[True]


Selection = ByIds | ByFilter | All


class ReplayBody(Body):
    """Enqueue dead letters again."""

    letters: Selection
    lane: Lane = Field(Lane.BULK, description="live goes first")
    dry_run: bool = Field(False, description="count and reckon only")


class EditBody(ReplayBody):
    """Change fields of dead events and enqueue them; if one is no valid event then, none is enqueued."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["set"], "properties": {"set": {"minProperties": 1}}},
                {"required": ["unset"], "properties": {"unset": {"minItems": 1}}},
            ]
        }
    )

    set: dict[Path, Any] = Field(
        default_factory=dict,
        description="a value for each path",
        max_length=100,
        json_schema_extra={"additionalProperties": False},
    )
    unset: list[Path] = Field(default_factory=list, description="fields to remove", max_length=100)
    skip_invalid: bool = Field(False, description="enqueue the others when some are no valid events")

    @model_validator(mode="after")
    def _something(self) -> "EditBody":
        if not self.set and not self.unset:
            raise ValueError("name at least one field to set or to unset")
        return self


class DiscardBody(Body):
    """Let dead letters go: their payloads and Gong's words are deleted for good."""

    letters: Selection
    why: Why = Field(description="for the audit")
    dry_run: bool = Field(False, description="count only")


class ExportBody(Body):
    """Dead letters as a file."""

    letters: Selection
    format: ExportFormat = Field(ExportFormat.JSONL, description="jsonl can be edited and sent back")
    after: Annotated[int, Field(ge=0, le=MAX_ID), Whole] = Field(
        0, description="begin after this letter's number"
    )


class EditedQuery(Parameters):
    """The query of `POST /v1/dead-letters/replay-edited`."""

    lane: Lane = Field(Lane.BULK, description="live goes first")
    dry_run: bool = Field(False, description="check, reckon and show the differences only")
    skip_invalid: bool = Field(False, description="enqueue the others when some are no valid events")


class CancelBody(Body):
    """Take replays that wait off the queue."""

    replays: ByIds | All


class PartBody(Body):
    """A part of the traffic: the events of one reporting system, or of one content."""

    kind: PartKind
    value: Text

    @model_validator(mode="after")
    def _named(self) -> Self:
        Part.given(self.kind, self.value)
        return self

    @property
    def part(self) -> Part:
        """The part itself."""
        return Part(self.kind, self.value)


class HoldBody(Body):
    """Stop every worker before its next call, or only the events of a part."""

    reason: Why = Field(description="why; shown in status to everyone")
    for_seconds: Annotated[float, Field(gt=0, le=LONGEST_HOLD_SECONDS)] | None = Field(
        None, description="how long; null: until released"
    )
    part: PartBody | None = Field(None, description="only these events; null: every call")


class ReleaseBody(Body):
    """End every hold that is ours to end."""

    even_retry_after: bool = Field(False, description="also a Retry-After, e.g. of a proxy that is not Gong")
    part: PartBody | None = Field(None, description="only the hold of these events; null: every other one")


class AcceptBody(Body):
    """Write off the drift that a reconciliation finds."""

    why: Why = Field(description="for the audit")


class DropBody(Body):
    """Make dead letters of what is set aside of a held part."""

    part: PartBody
    why: Why = Field(description="for the audit")


class LimitsBody(Body):
    """Limits to set for all workers; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    calls_per_second: (
        Annotated[float, Field(ge=LEAST_CALLS_PER_SECOND, le=MOST_CALLS_PER_SECOND)] | Absent
    ) = None
    calls_per_day: Annotated[int, Field(ge=1, le=MOST_CALLS_PER_DAY), Whole] | Absent = None
    day_reserve: Annotated[int, Field(ge=0, le=MOST_CALLS_PER_DAY), Whole] | Absent = None
    reserve_per_second: Annotated[int, Field(ge=0, le=MOST_CALLS_PER_SECOND), Whole] | Absent = None
    bulk_reserve_per_second: Annotated[int, Field(ge=0, le=MOST_CALLS_PER_SECOND), Whole] | Absent = None

    @model_validator(mode="before")
    @classmethod
    def _something(cls, data: Any) -> Any:
        if isinstance(data, dict) and (not data or None in data.values()):
            raise ValueError("name at least one limit and its value; to take one back, DELETE it")
        return data


def selected(letters: Selection, reporting_system: str | None) -> DeadLetterFilter:
    """The letters that are meant, of this reporting system if there is one."""
    match letters:
        case ByIds(ids=ids):
            return DeadLetterFilter(ids=ids, reporting_system=reporting_system)
        case ByFilter(filter=conditions):
            return conditions.wanted(reporting_system)
        case All():
            return DeadLetterFilter(reporting_system=reporting_system)


async def read_request(request: Request, model: type[BaseModel], settings: WebSettings) -> Any:
    """The body as `model`; HTTPException 400, 408, 413 or 415."""
    if media_type(request) != JSON_TYPE:
        raise HTTPException(415, f"send Content-Type {JSON_TYPE}")
    body = await read_body(request, max_bytes=settings.max_body_bytes, seconds=settings.body_timeout_seconds)
    try:
        read_json(body)  # which refuses what two readers could read differently
        return model.model_validate_json(bytes(body))
    except JsonError as error:
        raise HTTPException(400, f"the body {error}") from None
    except ValidationError as error:
        told = "; ".join(
            f"{place(item['loc'], '.') or 'the body'}: {item['msg']}"
            for item in error.errors(include_url=False, include_input=False, include_context=False)[:10]
            if not is_other_branch(item)
        )
        raise HTTPException(400, told) from None
