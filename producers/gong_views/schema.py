"""The parts of a view event, as Gong's schema has them: people, CRM references, properties.

Attributes are snake_case, Gong's camelCase names are accepted as well. Strings are taken as they are: never
stripped, never normalised. A null is the same as an absent field. Free-form values (`value` of a CRM field)
may be any JSON value and pass through, nulls inside them included.
"""

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, get_args

from pydantic import (
    AnyUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from gong_views.canonical import NUMERIC, json_number, json_value
from gong_views.errors import InvalidViewEvent
from gong_views.field_texts import field_texts
from gong_views.timestamps import date_text
from gong_views.validation_errors import kind_of, validation_errors

Text = Annotated[str, Strict()]
_T = TypeVar("_T")
_URL: Final = TypeAdapter(AnyUrl)
# The parser is a browser's: it drops white space, and makes a host of what follows "https:" whatever it is.
_NOT_A_URL: Final = re.compile(r".*[\x00-\x20\x7f\s]|https?:(?!//[^/?#])", re.IGNORECASE | re.DOTALL)


class AgentPlatform(StrEnum):
    """Where the content was viewed on. Gong's document writes the five as one string."""

    WINDOWS = "Windows"
    LINUX = "Linux"
    MACOS = "MacOS"
    IOS = "iOS"
    ANDROID = "Android"


class CrmSystem(StrEnum):
    """The system that a reference leads to."""

    SALESFORCE = "Salesforce"
    HUBSPOT = "HubSpot"
    MICROSOFT_DYNAMIC = "MicrosoftDynamic"
    GENERIC = "Generic"


class PartyObjectType(StrEnum):
    """What a person's CRM reference is; `LEAD_OR_CONTACT` is one value of Gong's, comma included."""

    LEAD = "Lead"
    CONTACT = "Contact"
    ACCOUNT = "Account"
    OPPORTUNITY = "Opportunity"
    USER = "User"
    LEAD_OR_CONTACT = "Lead,Contact"


class CrmObjectType(StrEnum):
    """What the event's CRM reference is; `OPPORTUNITY_OR_ACCOUNT` is one value of Gong's, comma included."""

    OPPORTUNITY = "Opportunity"
    ACCOUNT = "Account"
    LEAD = "Lead"
    CONTACT = "Contact"
    USER = "User"
    OPPORTUNITY_OR_ACCOUNT = "Opportunity,Account"


class DataType(StrEnum):
    """What a property's value is. Gong's document writes the four as one string."""

    NUMBER = "number"
    STRING = "string"
    URL = "url"
    DATE = "date"


class _Items:
    """A list of something: any sequence to the type checker, a tuple in the event, an array on the wire."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        (item,) = get_args(source)
        items = core_schema.tuple_variable_schema(handler.generate_schema(item))
        return core_schema.no_info_before_validator_function(_listed, items)


def _listed(value: object) -> object:
    # Not everything iterable: the order of a set differs from process to process, and with it the event's id.
    if not isinstance(value, list | tuple):
        raise PydanticCustomError("list", "{message}", {"message": f"must be a list, not {kind_of(value)}"})
    return value


class _Unchecked:
    """Typed for the reader, judged by a validator of the model."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.any_schema()


Items = Annotated[Sequence[_T], _Items()]
Json = Annotated[Any, BeforeValidator(json_value)]


class Part(BaseModel):
    """The rules of every part: frozen, no unknown field, names in both spellings, no data in its repr."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        hide_input_in_errors=True,
    )

    if not TYPE_CHECKING:  # to a type checker the fields are the arguments

        def __init__(self, /, **data: Any) -> None:
            failure = None
            try:
                super().__init__(**data)
            except ValidationError as error:
                failure = validation_errors(type(self), error)
            if (
                failure is not None
            ):  # outside of `except`: pydantic's error holds the values that were refused
                raise InvalidViewEvent(failure)

        # Nested parts are then built inside pydantic's core: one validation, one list of errors, full paths.
        __init__.__pydantic_base_init__ = True

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The schema with the texts under the fields as their descriptions."""
        found = handler(schema)
        properties = handler.resolve_ref_schema(found)["properties"]
        for part in cls.__mro__[: cls.__mro__.index(Part)]:
            for name, text in field_texts(part).items():
                field = cls.model_fields.get(name)
                shown = properties.get(field.alias if field else None, properties.get(name))
                if shown is not None:
                    shown.setdefault("description", text)
        return found

    def __repr_args__(self) -> Sequence[tuple[str | None, Any]]:
        return []


class ContextField(Part):
    """A field of a CRM object."""

    name: Text | None = None
    """The field's name in the CRM."""
    value: Json = None
    """Any JSON value."""


class PartyObject(Part):
    """The CRM object that a person is."""

    object_type: PartyObjectType
    """What it is in the CRM."""
    object_id: Text
    """Its id in the CRM."""
    fields: Items[ContextField] | None = None
    """Fields of the object."""


class CrmObject(Part):
    """A CRM object that the event belongs to."""

    object_type: CrmObjectType
    """What it is in the CRM."""
    object_id: Text
    """Its id in the CRM."""
    fields: Items[ContextField] | None = None
    """Fields of the object."""


class PartyContext(Part):
    """Where a person is found in another system."""

    system: CrmSystem
    """The other system."""
    objects: Items[PartyObject] | None = None
    """The objects there."""


class CrmContext(Part):
    """Where the event belongs in another system."""

    system: CrmSystem
    """The other system."""
    objects: Items[CrmObject] | None = None
    """The objects there."""


class Actor(Part):
    """A person outside the company."""

    email: Text | None = None
    """The person's e-mail address."""
    name: Text | None = None
    """The person's name."""
    title: Text | None = None
    """The person's job title."""
    context: Items[PartyContext] | None = None
    """The person in other systems."""


class Sharer(Part):
    """The person in the company who shared the content."""

    id: Text | None = None
    """The person's user id in Gong."""
    email: Text | None = None
    """The person's e-mail address."""
    name: Text | None = None
    """The person's name."""


# Said to the readers of the JSON schema; `_value_of_its_type` is what judges.
_VALUES: Final[dict[str, JsonDict]] = {
    "number": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": NUMERIC.pattern}]},
    "string": {"type": "string"},
    "url": {"type": "string", "format": "uri"},
    "date": {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]},
}
_VALUE_BY_TYPE: Final[JsonDict] = {
    "oneOf": [
        {"properties": {"dataType": {"const": kind}, "value": value}} for kind, value in _VALUES.items()
    ]
}


class Property(Part):
    """A property of the content or of the event."""

    model_config = ConfigDict(json_schema_extra=_VALUE_BY_TYPE)

    name: Text
    """The property's name."""
    data_type: DataType
    """What the value is."""
    value: Annotated[
        str | int | float | Decimal | date,
        _Unchecked(),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]}),
    ]
    """A number, a text, an absolute URL, or an ISO 8601 date (a date and time needs its offset)."""

    @field_validator("value", mode="before")
    @classmethod
    def _value_of_its_type(cls, value: object, info: ValidationInfo) -> object:
        """The value as Gong wants it: a JSON number for numbers, a string for all else."""
        if value is None:
            raise PydanticCustomError("missing", "is required; add it")
        match info.data.get("data_type"):
            case DataType.NUMBER:
                return json_number(value)
            case DataType.DATE:
                return date_text(value)
            case DataType.URL:
                return _absolute_url(value)
            case DataType.STRING if not isinstance(value, str):
                raise _value_error(
                    f'must be a string for the dataType "string", not {kind_of(value)}; convert it'
                )
            case DataType.STRING:
                return str(value)
        return value  # the data type is wrong, which is an error of its own


def _absolute_url(value: object) -> str:
    if isinstance(value, str) and not _NOT_A_URL.match(value):
        try:
            _URL.validate_python(value)
        except ValidationError:
            pass
        else:
            return str(value)
    raise _value_error('must be an absolute URL such as "https://example.com/page", spaces %-encoded')


def _value_error(message: str) -> PydanticCustomError:
    return PydanticCustomError("value", "{message}", {"message": message})
