"""What the API answers, as models, so that the OpenAPI document says exactly this."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Exactly these fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Index = Annotated[
    int, Field(ge=0, description="the event's place in the request, from 0; blank lines are not counted")
]


class AcceptedEvent(Answer):
    """The queue has this event."""

    index: Index
    eventId: str = Field(description="given, or derived from the event's content")
    messageId: str = Field(description="the queue's id of this handing-over, for logs")


class FieldError(Answer):
    """What is wrong with one field."""

    field: str = Field(description="its path, e.g. viewer.email; (event): the event as a whole")
    message: str = Field(description="what is wrong and what to do")


class RejectedEvent(Answer):
    """This event is invalid and was not enqueued."""

    index: Index
    errors: list[FieldError]


class Result(Answer):
    """What became of each event of the request."""

    accepted: list[AcceptedEvent]
    rejected: list[RejectedEvent]


class Unavailable(Result):
    """The queue is unavailable. What `accepted` lists went in before; sending all of it again is harmless."""

    error: str


class Problem(Answer):
    """Why the request as a whole was refused."""

    error: str


class Health(Answer):
    """The process is alive, or ready."""

    status: str
