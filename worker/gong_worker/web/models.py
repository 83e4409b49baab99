"""The bodies of responses, as models, so that the OpenAPI document says exactly this."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ResponseModel(BaseModel):
    """Exactly these fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Index = Annotated[
    int, Field(ge=0, description="the event's place in the request, from 0; blank lines are not counted")
]


class AcceptedEvent(ResponseModel):
    """The queue has this event."""

    index: Index
    eventId: str = Field(description="given, or derived from the event's content")
    messageId: str = Field(description="the id of the queue's message, for logs")


class FieldError(ResponseModel):
    """What is wrong with one field."""

    field: str = Field(description="its path, e.g. viewer.email; (event): the event as a whole")
    message: str = Field(description="what is wrong and what to do")


class RejectedEvent(ResponseModel):
    """This event was not enqueued: it is invalid, or the key may not send it."""

    index: Index
    errors: list[FieldError]


class EnqueueResult(ResponseModel):
    """What became of each event of the request."""

    accepted: list[AcceptedEvent]
    rejected: list[RejectedEvent]


class Problem(ResponseModel):
    """Why the request as a whole was refused (RFC 9457)."""

    type: str = Field("about:blank", description="about:blank: the status says what kind of problem it is")
    title: str = Field(description="the status in words")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what is wrong and what to do")


class QueueUnavailableProblem(Problem):
    """The queue is unavailable. What `accepted` lists went in before; sending all of it again is harmless."""

    accepted: list[AcceptedEvent]
    rejected: list[RejectedEvent]


class Health(ResponseModel):
    """The process is alive, or ready."""

    status: str
