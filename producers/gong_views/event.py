"""The view event: what Gong's `PUT /v2/customer-engagement/content/viewed` takes, validated before the queue.

What Gong's schema accepts is never refused; what Gong is certain to refuse never gets through. Any string may be
empty, as in the schema, but an empty `eventId` counts as none, because it would make all such events one. The event's
URLs are plain strings, as in the schema. Ids are strings, never numbers. A list, but no other iterable, is a list.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import (
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import CoreSchema, PydanticCustomError, PydanticSerializationError, core_schema

from gong_views.canonical import canonical_json, derived_event_id
from gong_views.event_key import EventKey
from gong_views.json_input import MAX_EVENT_BYTES, MAX_EVENT_VALUES, count_values, fields_of
from gong_views.schema import Actor, AgentPlatform, CrmContext, Items, Part, Property, Sharer, Text
from gong_views.timestamps import Timestamp, timestamp_of
from gong_views.validation_errors import LONE_SURROGATE, WHOLE_EVENT, lone_surrogates, path_of


def _without_default(schema: JsonDict) -> None:
    del schema["default"]  # "" only marks an id that is still to be derived


class _NullIsAbsent:
    """A string to the type checker, because it always is one after validation; a null may stand for none."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.nullable_schema(handler(source))


_EventId = Annotated[
    Text,
    _NullIsAbsent(),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
]
_When = Annotated[
    datetime,
    PlainValidator(timestamp_of),
    PlainSerializer(lambda stamp: stamp.text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


# Said to the readers of the JSON schema; `_whole` is what judges.
_VIEWER_OR_TRACKING: Final[JsonDict] = {
    "not": {
        "required": ["viewer", "trackingId"],
        "properties": {"viewer": {"type": "object"}, "trackingId": {"type": "string"}},
    }
}


class ViewEvent(Part):
    """Someone outside the company viewed a piece of content.

    Raises InvalidViewEvent, which names every wrong field.
    """

    model_config = ConfigDict(json_schema_extra=_VIEWER_OR_TRACKING)

    reporting_system: Text
    """The system that reports: the same in all its events."""
    event_timestamp: _When
    """When it was viewed: an aware datetime, or ISO 8601 with an offset. Offset and digits are kept."""
    event_id: _EventId = Field(default="", json_schema_extra=_without_default)
    """The reporting system's id of the event. Without one, it is derived from the event's content."""
    content_id: Text
    """The content's id in the reporting system."""
    content_url: Text
    """Where the content was viewed."""
    content_title: Text
    """The content's title, for people."""
    view_action_title: Text | None = None
    """What the action is called, such as "Document Viewed"."""
    share_id: Text | None = None
    """Which share of the content this view belongs to."""
    view_info_url: Text | None = None
    """A page that tells more about the view."""
    viewer: Actor | None = None
    """Who viewed it. Excludes tracking_id."""
    crm_context: Items[CrmContext] | None = None
    """Where the event belongs in other systems."""
    content_properties: Items[Property] | None = None
    """More about the content."""
    event_properties: Items[Property] | None = None
    """More about the event."""
    user_agent: Text | None = None
    """The browser's User-Agent header."""
    mobile_app_id: Text | None = None
    """The mobile application's bundle or package name."""
    agent_platform: AgentPlatform | None = None
    """The platform it was viewed on."""
    workspace_id: Text | None = None
    """The Gong workspace to place it in; a string of digits."""
    tracking_id: Text | None = None
    """Tells Gong who viewed it, where no viewer does. Excludes viewer."""
    non_company_participants: Items[Actor] | None = None
    """Other people outside the company who took part."""
    more_info_url: Text | None = None
    """A page with more information."""
    action_name: Text | None = None
    """The name of the action."""
    sharer: Sharer | None = None
    """Who shared the content."""
    sharing_message_subject: Text | None = None
    """The subject of the message that shared it."""
    sharing_message_body: Text | None = None
    """The body of the message that shared it."""

    @classmethod
    def parse(cls, data: Mapping[str, Any] | str | bytes) -> Self:
        """The event in a mapping or in JSON text; raises InvalidViewEvent for whatever is wrong with it."""
        return cls(**fields_of(data))

    @property
    def key(self) -> EventKey:
        """What the event is deduplicated by."""
        return EventKey(self.reporting_system, self.event_id)

    def wire(self) -> dict[str, Any]:
        """Gong's JSON form: camelCase, nulls left out, always with an eventId. A new dict each time."""
        try:
            return self.model_dump(mode="json", by_alias=True, exclude_none=True)
        except PydanticSerializationError as error:
            # pydantic makes a ValueError of whatever interrupts a serializer: a Ctrl-C would pass for a wrong field.
            raise (error.__cause__ or error) from None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A validated copy with other values. A derived event id is derived anew: it is another event."""
        if not update:
            return super().model_copy(deep=deep)
        return type(self)(**{name: getattr(self, name) for name in self.model_fields_set} | dict(update))

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """What no single field can tell, and the id of an event that has none."""
        if self.viewer is not None and self.tracking_id is not None:
            raise _error("trackingId", "must be absent when a viewer is sent; remove one of the two")
        wire = self.wire()
        given = wire.pop("eventId", "")
        try:
            canonical = canonical_json({**wire, "eventTimestamp": _instant(self.event_timestamp)})
            given.encode()
        except UnicodeEncodeError:
            place = path_of(next(lone_surrogates({**wire, "eventId": given})))
            raise _error(place, LONE_SURROGATE) from None
        if len(canonical) > MAX_EVENT_BYTES:
            raise _error(WHOLE_EVENT, f"is longer than {MAX_EVENT_BYTES:,} bytes; shorten its texts")
        if len(canonical) > MAX_EVENT_VALUES and (  # a shorter one cannot have so many
            count_values(canonical.decode(), MAX_EVENT_VALUES) > MAX_EVENT_VALUES
        ):
            raise _error(WHOLE_EVENT, f"holds more than {MAX_EVENT_VALUES:,} values; leave some out")
        if not given:
            # Not a given value: a copy with other content must not keep it.
            self.__dict__["event_id"] = derived_event_id(canonical)
            self.model_fields_set.discard("event_id")
        return self

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("reporting_system", self.reporting_system), ("event_id", self.event_id)]


def _instant(moment: datetime) -> str:
    """One view reported twice is one event, whichever offset its time is written with."""
    return moment.instant if isinstance(moment, Timestamp) else timestamp_of(moment).instant


def _error(field: str, message: str) -> PydanticCustomError:
    return PydanticCustomError("event", "{message}", {"field": field, "message": message})
