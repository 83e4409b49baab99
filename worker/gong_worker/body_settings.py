"""How much a request may bring, over HTTP as in the console."""

from typing import Final

from pydantic import Field

from gong_views.settings import ProducerSettings

MAX_BODY_VALUES: Final = 100_000
"""The most JSON values of one request: what it costs in memory and time depends on them more than on its bytes."""


class BodySettings(ProducerSettings):
    """The limits of a request's body."""

    max_body_bytes: int = Field(
        5_000_000,
        ge=1_000,
        validation_alias="GONG_VIEWS_HTTP_MAX_BODY_BYTES",
        description="longest body, and longest file that the console takes",
    )
    body_timeout_seconds: float = Field(
        30.0,
        gt=0,
        validation_alias="GONG_VIEWS_HTTP_BODY_TIMEOUT_SECONDS",
        description="longest time a body, or that file, may take to arrive",
    )
